"""Ledger -> Summary: the one view model. Everything that is told is computed here; nothing is rounded or worded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reports.ledger import Ledger, RecordedEngine, RecordedRun, RecordedSession
from reports.rows import Row, Told, outcomes, ranked, row_of
from thresholds.measurement import NotMeasured
from thresholds.verdict import Verdict

SCHEMA_VERSION = 1
ABOUT_TASK = ("task", "task_version", "samples")
"""Labels that a run has beside those of its combination."""


@dataclass(frozen=True, slots=True)
class NotPassed:
    """A verdict that is not PASS, in its own words."""

    combination: str
    task: str
    metric: str
    outcome: str
    reason: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that reports tell about one session, or about all sessions of a ledger together."""

    sessions: tuple[str, ...]
    started: str | None
    finished: str | None
    exit_status: int | None
    provenance: Mapping[str, Any]
    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    verdicts: Mapping[str, int]
    not_passed: tuple[NotPassed, ...]

    def to_dict(self) -> dict[str, Any]:
        """A plain form for JSON, with the version of its schema."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


def summarise(ledger: Ledger, session: str | None = None) -> Summary:
    """Sum up one session; by default the last that measured something.

    Raises:
        NotMeasured: There is no such session, or none measured anything.
    """
    chosen = _find(ledger, session)
    engines, verdicts = ledger.engines(chosen.id), ledger.verdicts(chosen.id)
    return _summary([chosen], ledger.runs(chosen.id), engines, verdicts, ledger.runs_before(chosen.id))


def summarise_all(ledger: Ledger) -> Summary:
    """Merge the runs of all sessions by combination and task; engines and verdicts are the latest of each.

    Raises:
        NotMeasured: No session measured anything.
    """
    sessions = [one for one in ledger.sessions() if any(ledger.subjects(one.id))]
    if not sessions:
        raise NotMeasured("no_runs", "no session has measured anything yet")
    verdicts: dict[tuple[Any, ...], list[Verdict]] = {}
    engines: dict[str, RecordedEngine] = {}
    for one in sessions:
        engines |= {engine.combination: engine for engine in ledger.engines(one.id)}
        verdicts |= _by_subject(ledger.verdicts(one.id))
    latest = [verdict for group in verdicts.values() for verdict in group]
    return _summary(sessions, ledger.runs(), list(engines.values()), latest, {})


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


def _by_subject(verdicts: Iterable[Verdict]) -> dict[tuple[Any, ...], list[Verdict]]:
    grouped: dict[tuple[Any, ...], list[Verdict]] = {}
    for verdict in verdicts:
        subject = (verdict.labels.get("combination"), verdict.labels.get("task"), verdict.metric)
        grouped.setdefault(subject, []).append(verdict)
    return grouped


def _summary(
    sessions: Sequence[RecordedSession],
    runs: Sequence[RecordedRun],
    engines: Sequence[RecordedEngine],
    verdicts: Sequence[Verdict],
    before: Mapping[tuple[str, str], int],
) -> Summary:
    named = [one.run.task for one in runs] + [str(verdict.labels.get("task", "")) for verdict in verdicts]
    tasks = tuple(dict.fromkeys(named))
    rows = [
        Told(
            combination=name,
            labels=labels,
            runs=[one for one in runs if one.run.combination == name],
            engines=[engine for engine in engines if engine.combination == name],
            verdicts=[verdict for verdict in verdicts if verdict.labels.get("combination", "") == name],
            runs_before={task: count for (combination, task), count in before.items() if combination == name},
        )
        for name, labels in _combinations([*engines, *runs, *verdicts]).items()
    ]
    last = sessions[-1]
    return Summary(
        sessions=tuple(one.id for one in sessions),
        started=sessions[0].started,
        finished=last.finished,
        exit_status=last.exit_status,
        provenance=last.provenance,
        tasks=tasks,
        rows=ranked(row_of(told, tasks) for told in rows),
        verdicts=outcomes(verdicts),
        not_passed=tuple(_not_passed(verdict) for verdict in verdicts if not verdict),
    )


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
        metric=verdict.metric,
        outcome=str(verdict.outcome),
        reason=verdict.reason,
        lines=verdict.lines,
    )
