"""The course of a score or a speed over sessions: means, thresholds that held, and what changed between them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.answers.scores import TaskScore, comparable, task_score
from reports.ledger import Ledger, RecordedRun, RecordedSession
from reports.ledger_tallies import accuracy_of
from reports.speed.rows import SpeedRow, speed_rows
from reports.speed.values import SpeedValue
from reports.subjects import about_load
from reports.summary import ABOUT_TASK
from reports.upgrades import is_upgrade
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import ACCURACY, Measurement, NotMeasured
from thresholds.speed import OUTPUT_TOKENS_PER_SECOND
from thresholds.statistics.means import two_sided
from thresholds.statistics.pairs import difference
from thresholds.statistics.runs import mean_reach
from thresholds.verdict import Verdict

ENOUGH_SHARED = 0.5
"""Share of the questions of either session that both must have asked for a change to be told."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one session measured of one subject. None is unknown; scores are shares of 1, speeds in `unit`.

    Attributes:
        task, workload, against: The subject: a task, or a workload (and the combination that its ratios divide by).
        metric: "accuracy", or the name of a speed with its statistic ("time_to_first_token.p95").
        low, high: 95 % interval of the mean.
        interval_of: "rerun", another run of the same questions; "questions", other questions (one run); "runs".
        required, outcome, reason: The threshold that held in that session, and the verdict on it.
        comparable: With the session before: it asked the same; None for the first.
        change: From the session before, over the questions that both asked; of a speed, that of its mean.
        change_low, change_high: 95 % interval of the change of a score, question by question; None for speeds.
    """

    combination: str
    labels: Mapping[str, Any]
    task: str | None
    workload: str | None
    against: str | None
    metric: str
    unit: str | None
    session: str
    started: str | None
    engine_version: str | None
    hardware: str | None
    mean: float | None
    run_to_run_deviation: float | None
    low: float | None
    high: float | None
    interval_of: str | None
    questions: int | None
    runs: int
    required: float | None
    outcome: str | None
    reason: str | None
    comparable: bool | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None

    @property
    def subject(self) -> tuple[str, str | None, str | None, str | None, str]:
        """What points of one course share."""
        return self.combination, self.task, self.workload, self.against, self.metric


@dataclass(frozen=True, slots=True)
class _Measured:
    """A point, and what the next session's is compared with."""

    point: Point
    asked: Any
    samples: Measurement | None = None


def points(ledger: Ledger, combination: str = "*", task: str | None = None, workload: str | None = None) -> list[Point]:
    """The course of everything that fits the patterns, subject by subject, oldest session first.

    A task or a workload that is named leaves out the other kind.

    Raises:
        NotMeasured: Nothing fits.
    """
    told: dict[tuple[str | None, ...], list[_Measured]] = {}
    seen: dict[str, None] = {}
    for session in ledger.sessions():
        for one in _of_session(ledger, session):
            seen[_name(one.point)] = None
            if _fits(one.point, combination, task, workload):
                told.setdefault(one.point.subject, []).append(one)
    if not told:
        known = "\n".join(seen) or "nothing was measured yet"
        raise NotMeasured("no_history", f"nothing in the ledger fits; it holds:\n{known}")
    return [point for subject in sorted(told, key=_order) for point in _course(told[subject])]


def _of_session(ledger: Ledger, session: RecordedSession) -> Iterator[_Measured]:
    engines = {one.combination: one.description for one in ledger.engines(session.id)}
    verdicts = ledger.verdicts(session.id)
    runs: dict[tuple[str, str], list[RecordedRun]] = {}
    for one in ledger.runs(session.id):
        runs.setdefault((one.run.combination, one.run.task), []).append(one)
    scores: dict[tuple[str, str], list[Verdict]] = {subject: [] for subject in runs}
    for verdict in verdicts:
        if verdict.metric == ACCURACY.name:
            subject = (str(verdict.labels.get("combination", "")), str(verdict.labels.get("task", "")))
            scores.setdefault(subject, []).append(verdict)
    for (combination, task), judged in scores.items():
        told = runs.get((combination, task), [])
        labels = (told or judged)[-1].labels
        score = task_score(task, comparable(told), 0, judged)
        yield _of_task(score, _known(session, combination, labels, engines), told)
    about_speed = [verdict for verdict in verdicts if about_load(verdict) and not is_upgrade(verdict)]
    for row in speed_rows(ledger.loads(session.id), about_speed, {}):
        yield from _of_load(row, _known(session, row.combination, row.labels, engines))


def _known(
    session: RecordedSession,
    combination: str,
    labels: Mapping[str, Any],
    engines: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    described = engines.get(combination, {})
    hardware = labels.get("hardware") or described.get("hardware") or session.provenance.get("hardware")
    version = described.get("engine_version")
    return {
        "combination": combination,
        "labels": {name: value for name, value in labels.items() if name not in ABOUT_TASK},
        "session": session.id,
        "started": session.started,
        "engine_version": None if version is None else str(version),
        "hardware": None if hardware is None else str(hardware),
    }


def _of_task(score: TaskScore, known: Mapping[str, Any], runs: Sequence[RecordedRun]) -> _Measured:
    point = Point(
        **known,
        task=score.task,
        workload=None,
        against=None,
        metric=ACCURACY.name,
        unit=ACCURACY.unit,
        mean=score.mean,
        run_to_run_deviation=score.run_to_run_deviation,
        low=score.low,
        high=score.high,
        interval_of=score.interval_of,
        questions=score.questions,
        runs=score.runs,
        required=score.required,
        outcome=score.outcome,
        reason=score.reason,
    )
    version = runs[-1].labels.get("task_version") if runs else None
    return _Measured(point, (score.primary, version), _samples(runs))


def _samples(runs: Sequence[RecordedRun]) -> Measurement | None:
    try:
        return accuracy_of([one.tally for one in comparable(runs)], {}) if runs else None
    except NotMeasured:
        return None


def _of_load(row: SpeedRow, known: Mapping[str, Any]) -> Iterator[_Measured]:
    """The rate that ranks, and whatever a threshold held; for loads side by side, the ratios."""
    values = row.values if row.against is None else row.ratios
    for name, value in values.items():
        if value.outcome is None and name != OUTPUT_TOKENS_PER_SECOND.name:
            continue
        low, high = _span(value)
        point = Point(
            **known,
            task=None,
            workload=row.workload,
            against=row.against,
            metric=name,
            unit=value.unit,
            mean=value.mean,
            run_to_run_deviation=value.run_to_run_deviation,
            low=low,
            high=high,
            interval_of=None if low is None else "runs",
            questions=None,
            runs=len(row.run_numbers),
            required=value.required,
            outcome=value.outcome,
            reason=value.reason,
        )
        yield _Measured(point, (row.digest, known["hardware"]))


def _span(value: SpeedValue) -> tuple[float | None, float | None]:
    """Of the verdict; else mean +- t(97.5 %, R - 1) s / sqrt(R), as verdicts have it."""
    if value.low is not None or value.mean is None or value.run_to_run_deviation is None:
        return value.low, value.high
    runs = sum(one is not None for one in value.run_values)
    reach = mean_reach(runs, value.run_to_run_deviation, 0.5 + CONFIDENCE / 2)
    return value.mean - reach, value.mean + reach


def _fits(point: Point, combination: str, task: str | None, workload: str | None) -> bool:
    if not fnmatchcase(point.combination, combination):
        return False
    if task is None and workload is None:
        return True
    asked = task if point.task is not None else workload
    return asked is not None and fnmatchcase(point.task or point.workload or "", asked)


def _name(point: Point) -> str:
    return f"{point.task or point.workload} of {point.combination}"


def _order(subject: tuple[str | None, ...]) -> tuple[bool, tuple[str, ...]]:
    return subject[1] is None, tuple(part or "" for part in subject)


def _course(told: Iterable[_Measured]) -> Iterator[Point]:
    before: _Measured | None = None
    for one in told:
        yield one.point if before is None else replace(one.point, **_change(before, one))
        before = one


def _change(before: _Measured, after: _Measured) -> dict[str, Any]:
    means = before.point.mean, after.point.mean
    if before.asked != after.asked or means[0] is None or means[1] is None:
        return {"comparable": None if None in means else False}
    if before.samples is None or after.samples is None:
        return {"comparable": True, "change": means[1] - means[0]}
    one, other = before.samples, after.samples
    shared = sorted({*one.items} & {*other.items})
    if len(shared) < ENOUGH_SHARED * max(len(one.items), len(other.items)):
        return {"comparable": False}
    found = difference(_scores(other, shared), _scores(one, shared))
    reach = two_sided(CONFIDENCE) * found.error
    low, high = max(-1.0, found.value - reach), min(1.0, found.value + reach)
    return {"comparable": True, "change": found.value, "change_low": low, "change_high": high}


def _scores(measured: Measurement, items: Sequence[int]) -> NDArray[np.float64]:
    column = {item: position for position, item in enumerate(measured.items)}
    return np.asarray(measured.samples, dtype=np.float64)[:, [column[item] for item in items]]
