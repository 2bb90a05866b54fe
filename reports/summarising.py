"""Ledger -> Summary: what sessions left behind, summed up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reports.answers.changes import changes
from reports.answers.deployment import told_both
from reports.answers.differences import gaps
from reports.answers.front import compared, front
from reports.answers.rows import Told, outcomes, ranked
from reports.answers.run_rows import run_rows
from reports.answers.speeds import speeds_apart
from reports.drafts.rows import drafts
from reports.ledger import Ledger, RecordedEngine, RecordedLoad, RecordedRun, RecordedSession
from reports.observations.rules import observe
from reports.quants.limits import limit_rows
from reports.quants.observations import observe_quants
from reports.quants.rows import Heard, quant_rows
from reports.speed.rows import Subject, speed_rows
from reports.subjects import about_load, latest
from reports.summary import ABOUT_TASK, NotPassed, Summary
from reports.upgrades import is_upgrade, upgrade_rows
from thresholds.measurement import NotMeasured
from thresholds.upgrade import ALL_TASKS
from thresholds.verdict import Outcome, Verdict

RED = (Outcome.FAIL, Outcome.NOT_MEASURED, Outcome.INCONCLUSIVE)
"""What is shown to be wrong is told first: a terminal shows only the first few."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the ledger holds about the sessions of a summary; the counts are of sessions that came earlier."""

    sessions: Sequence[RecordedSession]
    engines: Sequence[RecordedEngine]
    runs: Sequence[RecordedRun]
    loads: Sequence[RecordedLoad]
    verdicts: Sequence[Verdict]
    runs_before: Mapping[tuple[str, str], int]
    loads_before: Mapping[Subject, int]


def summarise(ledger: Ledger, session: str | None = None) -> Summary:
    """Sum up one session; by default the last that measured something.

    Raises:
        NotMeasured: There is no such session, or none measured anything.
    """
    chosen = _find(ledger, session)
    return _summary(
        _Heard(
            sessions=[chosen],
            engines=ledger.engines(chosen.id),
            runs=ledger.runs(chosen.id),
            loads=ledger.loads(chosen.id),
            verdicts=ledger.verdicts(chosen.id),
            runs_before=ledger.runs_before(chosen.id),
            loads_before=ledger.loads_before(chosen.id),
        )
    )


def summarise_all(ledger: Ledger) -> Summary:
    """Merge the runs of all sessions by combination and task or workload; of engines and verdicts the latest count.

    Raises:
        NotMeasured: No session measured anything.
    """
    sessions = [one for one in ledger.sessions() if any(ledger.subjects(one.id))]
    if not sessions:
        raise NotMeasured("no_runs", "no session has measured anything yet")
    engines = {engine.combination: engine for one in sessions for engine in ledger.engines(one.id)}
    verdicts = latest(ledger.verdicts(one.id) for one in sessions)
    return _summary(_Heard(sessions, list(engines.values()), ledger.runs(), ledger.loads(), verdicts, {}, {}))


def _find(ledger: Ledger, session: str | None) -> RecordedSession:
    sessions = ledger.sessions()
    if session is not None:
        found = next((one for one in sessions if one.id == session), None)
        if found is None:
            known = ", ".join(one.id for one in sessions[-5:]) or "none"
            raise NotMeasured("unknown_session", f"there is no session {session!r}; the last are: {known}")
        return found
    found = next((one for one in reversed(sessions) if any(ledger.subjects(one.id))), None)
    if found is None:
        raise NotMeasured("no_runs", "no session has measured anything yet")
    return found


def _summary(heard: _Heard) -> Summary:
    about_answers = [verdict for verdict in heard.verdicts if not about_load(verdict)]
    about_speed = [verdict for verdict in heard.verdicts if about_load(verdict) and not is_upgrade(verdict)]
    named = [one.run.task for one in heard.runs] + [str(one.labels.get("task", "")) for one in about_answers]
    tasks = tuple(name for name in dict.fromkeys(named) if name != ALL_TASKS)
    last = heard.sessions[-1]
    ranking = ranked(_weighed(heard, about_answers), tasks)
    rows = ranking.rows
    runs = run_rows(heard.runs, heard.engines, [row.combination for row in rows])
    told = Heard(ranking.by_task, runs, heard.engines, heard.verdicts)
    pareto = front(rows, ranking.overall, speeds_apart(runs))
    summary = Summary(
        sessions=tuple(one.id for one in heard.sessions),
        started=heard.sessions[0].started,
        finished=last.finished,
        exit_status=last.exit_status,
        provenance=last.provenance,
        tasks=tasks,
        rows=rows,
        speed=speed_rows(heard.loads, about_speed, heard.loads_before),
        upgrades=upgrade_rows(heard.verdicts),
        verdicts=outcomes(heard.verdicts),
        not_passed=tuple(_not_passed(one) for outcome in RED for one in heard.verdicts if one.outcome == outcome),
        runs=runs,
        front=pareto,
        gaps=gaps(ranking.by_task, ranking.overall, compared(rows, tasks, pareto)),
        changes=changes(rows, ranking.by_task, runs),
        drafts=drafts(heard.loads, heard.verdicts),
        quants=quant_rows(rows, told),
        limits=limit_rows(rows, told),
        not_now=_not_now(heard),
    )
    return replace(summary, observations=(*observe(summary), *observe_quants(summary.quants)))


def _not_now(heard: _Heard) -> dict[str, tuple[str, ...]]:
    made = {(one.run.combination, one.run.task) for one in heard.runs}
    missing: dict[str, tuple[str, ...]] = {}
    for combination, task in sorted(set(heard.runs_before) - made):
        missing[combination] = (*missing.get(combination, ()), task)
    return missing


def _weighed(heard: _Heard, verdicts: Sequence[Verdict]) -> list[Told]:
    """What is known of every combination whose answers were weighed; where no speed was, of every engine."""
    answers = {one.run.combination for one in heard.runs} | {one.labels.get("combination", "") for one in verdicts}
    only_answers = not heard.loads and len(verdicts) == len(heard.verdicts)
    engines = [engine for engine in heard.engines if only_answers or engine.combination in answers]
    return [
        Told(
            combination=name,
            labels=labels,
            runs=[one for one in heard.runs if one.run.combination == name],
            engines=[engine for engine in engines if engine.combination == name],
            verdicts=[verdict for verdict in verdicts if verdict.labels.get("combination", "") == name],
            runs_before={task: count for (one, task), count in heard.runs_before.items() if one == name},
        )
        for name, labels in told_both(_combinations([*engines, *heard.runs, *verdicts])).items()
    ]


def _combinations(told: Iterable[RecordedEngine | RecordedRun | Verdict]) -> dict[str, dict[str, Any]]:
    """The labels of every combination that anything was told about."""
    heard: dict[str, dict[str, Any]] = {}
    for one in told:
        labels = {name: value for name, value in one.labels.items() if name not in ABOUT_TASK}
        heard.setdefault(str(labels.get("combination", "")), labels)
    return heard


def _not_passed(verdict: Verdict) -> NotPassed:
    labels = verdict.labels
    return NotPassed(
        combination=str(labels.get("combination", "")),
        task=str(labels.get("task", "")),
        workload=labels.get("workload"),
        against=labels.get("against"),
        metric=verdict.metric,
        statistic=labels.get("statistic"),
        outcome=str(verdict.outcome),
        reason=verdict.reason,
        lines=verdict.lines,
    )
