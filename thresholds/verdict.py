"""A measurement held against a threshold: PASS, FAIL, INCONCLUSIVE or NOT_MEASURED, with the reasons in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from thresholds.catalogue import Threshold
from thresholds.measurement import Measurement
from thresholds.statistics import (
    amount_needed,
    interval,
    one_sided,
    question_error,
    rerun_error,
)

CONFIDENCE = 0.95
WIDEST = 0.5
"""Standard error of a score in 0..1 of which nothing is known but one answer."""


class Outcome(StrEnum):
    """Only PASS is green."""

    PASS = "PASS"  # noqa: S105 - an outcome, no password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_MEASURED = "NOT_MEASURED"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided, on which numbers; true only for PASS.

    Attributes:
        reason: A stable code ("below_floor", "too_few_runs", "engine_failed", …).
        lines: The verdict in words: first what was decided, then measured, required and where.
        headroom: Measured value minus floor (ceiling minus measured value), in the metric's unit.
    """

    outcome: Outcome
    reason: str
    metric: str
    labels: Mapping[str, Any]
    lines: tuple[str, ...]
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    required: float | None = None
    headroom: float | None = None
    where: str | None = None

    def __bool__(self) -> bool:
        return self.outcome is Outcome.PASS


def judge(measurement: Measurement, threshold: Threshold) -> Verdict:
    """Hold an accuracy against its floor.

    PASS when at or above the floor (`must: show`: shown so with 95 % one-sided), FAIL when shown below,
    INCONCLUSIVE otherwise. The error is that of another run of the same questions; where the floor speaks of the
    whole benchmark and a sample was measured, the error of the sample is added. With one run the spread between
    runs is unknown, and the error of other questions, which is wider, stands in for it.
    """
    if measurement.failed_requests:
        return unanswered(measurement)
    noise = _noise(measurement, threshold)
    score, floor = measurement.value, threshold.value
    reach = one_sided(CONFIDENCE) * noise.error
    if score >= floor and (threshold.must == "hold" or score - reach >= floor):
        return _verdict(Outcome.PASS, "at_or_above_floor", measurement, threshold, noise, "at or above its floor")
    if score + reach < floor:
        said = f"{points(floor - score)} points below its floor, and shown to be below"
        return _verdict(Outcome.FAIL, "below_floor", measurement, threshold, noise, said)
    said = _what_would_show_it(measurement, threshold, abs(score - floor), noise.error)
    return _verdict(Outcome.INCONCLUSIVE, "too_little_evidence", measurement, threshold, noise, said)


def not_measured(metric: str, labels: Mapping[str, Any], reason: str, message: str) -> Verdict:
    """The verdict on something that could not be measured."""
    first, *rest = message.splitlines()
    lines = (f"{_title(metric, labels)}: NOT_MEASURED ({reason}) - {first}", *rest)
    return Verdict(Outcome.NOT_MEASURED, reason, metric, labels, lines)


def unanswered(measurement: Measurement) -> Verdict:
    """The verdict on a measurement some of whose questions have no answer."""
    causes = sorted({item.failed for run in measurement.runs for item in run.items if item.failed})
    message = "\n".join(
        [
            f"questions without an answer: {measurement.failed_requests}; a failed request is no wrong answer",
            *(f"cause     {cause}" for cause in causes[:3]),
        ]
    )
    return not_measured(measurement.metric.name, measurement.labels, "failed_requests", message)


def missing(measurement: Measurement, where: str, row: str) -> Verdict:
    """The verdict on a measurement for which nobody has said what is good enough."""
    title = _title(measurement.metric.name, measurement.labels)
    lines = (
        f"{title}: FAIL - it has no floor; measured {points(measurement.value)}",
        f"accept it by adding to {where} under `accuracy:` (or run with --record, at least twice):",
        f"  - {row}",
    )
    return Verdict(
        Outcome.FAIL, "missing_threshold", measurement.metric.name, measurement.labels, lines, measurement.value
    )


def points(share: float) -> str:
    """A share of 1 in percentage points, to one decimal."""
    return f"{100 * share:.1f}"


@dataclass(frozen=True, slots=True)
class _Noise:
    """A standard error, and what would have to be done again to see it."""

    error: float
    of: str


def _noise(measurement: Measurement, threshold: Threshold) -> _Noise:
    questions = question_error(measurement.samples)
    between_runs = rerun_error(measurement.samples)
    if between_runs is None:
        return _Noise(WIDEST if questions is None else questions, "one run, so over other questions")
    if threshold.exact:
        return _Noise(between_runs, "another run of the same questions")
    sampling = question_error(measurement.samples, measurement.population)
    sampling = WIDEST if sampling is None else sampling
    return _Noise((between_runs**2 + sampling**2) ** 0.5, "another run, and the questions not asked")


def _verdict(
    outcome: Outcome, reason: str, measurement: Measurement, threshold: Threshold, noise: _Noise, said: str
) -> Verdict:
    metric = measurement.metric
    low, high = interval(measurement.value, noise.error, CONFIDENCE, metric.lowest, metric.highest)
    span = f"{CONFIDENCE:.0%} interval {points(low)} to {points(high)}: {noise.of}"
    shown_by = " and must be shown" if threshold.must == "show" else ""
    accepted = f"accepted at {points(threshold.row['measured'])}, run {threshold.row['run']}"
    lines = (
        f"{_title(metric.name, measurement.labels)}: {outcome} - {said}",
        f"measured  {points(measurement.value)} ({span}; {_extent(measurement)})",
        f"required  >= {points(threshold.value)}{shown_by}   {threshold.where} ({accepted})",
    )
    return Verdict(
        outcome,
        reason,
        metric.name,
        measurement.labels,
        lines,
        measurement.value,
        low,
        high,
        threshold.value,
        measurement.value - threshold.value,
        threshold.where,
    )


def _extent(measurement: Measurement) -> str:
    count, runs = len(measurement.samples[0]), len(measurement.samples)
    of = f" of {measurement.population}" if measurement.population > count else ""
    return f"{count}{of} questions, {runs} {'run' if runs == 1 else 'runs'}"


def _what_would_show_it(measurement: Measurement, threshold: Threshold, margin: float, error: float) -> str:
    runs, count = len(measurement.samples), len(measurement.samples[0])
    side = "below" if measurement.value < threshold.value else "above"
    what = f"{points(margin)} points {side} its floor is within the noise of {count} questions x {runs} runs"
    if runs == 1:
        return f"{what}; run it at least twice (--runs 2), so that the spread between runs is known"
    needed = amount_needed(runs, error, margin, CONFIDENCE)
    if needed is None:
        return f"{what}; it lies exactly on it"
    if not threshold.exact:
        return f"{what}; about {min(measurement.population, count * needed // runs)} questions would show it"
    return f"{what}; about {needed} runs would show it (--max-runs {needed})"


def _title(metric: str, labels: Mapping[str, Any]) -> str:
    return f"{metric}/{labels['task']} of {labels['combination']}"
