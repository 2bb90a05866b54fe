"""A measurement held against a threshold: PASS, FAIL, INCONCLUSIVE or NOT_MEASURED, with the reasons in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from thresholds.catalogue import Threshold
from thresholds.error_level import ErrorLevel
from thresholds.evidence import CONFIDENCE, Evidence, evidence
from thresholds.measurement import Direction, Measurement, Metric, NotMeasured, title
from thresholds.quantities import distance, told
from thresholds.recording import recordable
from thresholds.rows import holds_anywhere
from thresholds.speed import SPEED

LEVEL = ErrorLevel()
"""Of a single decision."""


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
        details: More numbers of the decision, as plain values: questions used, flips, answers that changed.
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
    details: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.outcome is Outcome.PASS


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on a measurement, before it is put into words.

    Attributes:
        said: The decision in words.
        evidence: How sure the value is, in words.
        span: The 95 % interval, where there is one.
    """

    outcome: Outcome
    reason: str
    said: str
    evidence: str
    span: tuple[float, float] | None
    details: Mapping[str, Any] = field(default_factory=dict)


def judge(measurement: Measurement, threshold: Threshold, level: ErrorLevel = LEVEL) -> Verdict:
    """Hold a measured value against its floor or ceiling.

    PASS when at the bound or better (`must: show`: shown so, one-sided at the error level), FAIL when shown worse,
    INCONCLUSIVE otherwise, and for a speed of fewer than 3 runs whatever its value.

    The error of an accuracy is that of another run of the same questions; where the floor speaks of the whole benchmark
    and a sample was measured, the error of the sample is added. With one run the spread between runs is unknown, and
    the error of other questions, which is wider, stands in for it. The error of a speed is that of the mean of its
    runs, s / sqrt(R), with Student's t for R - 1 degrees of freedom.
    """
    if measurement.failed_requests:
        return unanswered(measurement)
    known = evidence(measurement, threshold, level.alpha)
    outcome, reason, said = _decided(measurement, threshold, known)
    words = _words(measurement.metric, known)
    return held(measurement, threshold, Decision(outcome, reason, said, words, known.span))


def _decided(measurement: Measurement, threshold: Threshold, known: Evidence) -> tuple[Outcome, str, str]:
    if known.too_few_runs:
        return (
            Outcome.INCONCLUSIVE,
            "too_few_runs",
            f"{known.extent} cannot tell a change from noise; {known.advice(0)}",
        )
    better, worse, sign = ("above", "below", 1) if _has_floor(measurement) else ("below", "above", -1)
    bound, value, limit = measurement.metric.bound, sign * measurement.value, sign * threshold.value
    if value >= limit and (threshold.must == "hold" or value - known.reach >= limit):
        return Outcome.PASS, f"at_or_{better}_{bound}", f"at or {better} its {bound}"
    apart = distance(measurement.metric, measurement.value, threshold.value)
    if value + known.reach < limit:
        return Outcome.FAIL, f"{worse}_{bound}", f"{apart} {worse} its {bound}, and shown to be {worse}"
    side = "below" if measurement.value < threshold.value else "above"
    advice = known.advice(abs(measurement.value - threshold.value))
    said = f"{apart} {side} its {bound} is within the noise of {known.noise}; {advice}"
    return Outcome.INCONCLUSIVE, "too_little_evidence", said


def not_measured(metric: str, labels: Mapping[str, Any], reason: str, message: str) -> Verdict:
    """The verdict on something that could not be measured."""
    first, *rest = message.splitlines()
    lines = (f"{title(metric, labels)}: NOT_MEASURED ({reason}) - {first}", *rest)
    return Verdict(Outcome.NOT_MEASURED, reason, metric, labels, lines)


def unanswered(measurement: Measurement) -> Verdict:
    """The verdict on a measurement some of whose requests have no answer."""
    metric, count = measurement.metric.name, measurement.failed_requests
    if metric in SPEED:
        return not_measured(metric, measurement.labels, "failed_requests", failed_load(count, measurement.causes))
    said = f"questions without an answer: {count}; a failed request is no wrong answer"
    return not_measured(metric, measurement.labels, "failed_requests", _with_causes(said, measurement.causes))


def failed_load(count: int, causes: Sequence[str]) -> str:
    """Why a load with failed requests is no measurement."""
    return _with_causes(f"requests without a whole answer: {count}; without them the load was a lighter one", causes)


def _with_causes(said: str, causes: Sequence[str]) -> str:
    return "\n".join([said, *(f"cause     {cause}" for cause in causes[:3])])


def missing(measurement: Measurement, where: str, row: str) -> Verdict:
    """The verdict on a measurement for which nobody has said what is good enough."""
    metric, labels = measurement.metric, measurement.labels
    of_speed = metric.name in SPEED
    placed = of_speed and not holds_anywhere(metric.name, labels.get("against"))
    on = f" on {labels['hardware']}" if placed else ""
    first = (
        f"{title(metric.name, labels)}: FAIL - it has no {metric.bound}{on}; measured {told(metric, measurement.value)}"
    )
    section, times = ("speed", "at least 3 times") if of_speed else ("accuracy", "at least twice")
    lines: tuple[str, ...] = (
        first,
        f"accept it by adding to {where} under `{section}:` (or run with --record, {times}):",
        f"  - {row}",
    )
    if of_speed and (refused := _refusal(measurement)):
        lines = (first, f"nothing can be added to {where} yet: {refused}")
    return Verdict(Outcome.FAIL, "missing_threshold", metric.name, labels, lines, measurement.value)


def of_another_load(measurement: Measurement, threshold: Threshold, row: str) -> Verdict:
    """The verdict on a load that asks something else than the one of its threshold, though it has its name."""
    metric, labels = measurement.metric, measurement.labels
    said = f"the {metric.bound} at {threshold.where} was accepted for another load of this name"
    lines = (
        f"{title(metric.name, labels)}: FAIL - {said}; measured {told(metric, measurement.value)}",
        f"that asked {threshold.row['asks']}, this asks {labels['asks']}; give the new load a new name, or accept it:",
        f"  - {row}",
    )
    return Verdict(
        Outcome.FAIL, "threshold_of_another_load", metric.name, labels, lines, measurement.value, where=threshold.where
    )


def _refusal(measurement: Measurement) -> str | None:
    try:
        recordable(measurement)
    except NotMeasured as error:
        return str(error)
    return None


def _has_floor(measurement: Measurement) -> bool:
    return measurement.metric.direction is Direction.HIGHER


def held(measurement: Measurement, threshold: Threshold, decision: Decision) -> Verdict:
    """The verdict on a measurement and its threshold, however it was reached."""
    metric, value, required, span = measurement.metric, measurement.value, threshold.value, decision.span
    shown_by = " and must be shown" if threshold.must == "show" else ""
    accepted = f"accepted at {told(metric, threshold.row['measured'])}, run {threshold.row['run']}"
    sign = ">=" if _has_floor(measurement) else "<="
    lines = (
        f"{title(metric.name, measurement.labels)}: {decision.outcome} - {decision.said}",
        f"measured  {told(metric, value)} ({decision.evidence})",
        f"required  {sign} {told(metric, required)}{shown_by}   {threshold.where} ({accepted})",
    )
    return Verdict(
        outcome=decision.outcome,
        reason=decision.reason,
        metric=metric.name,
        labels=measurement.labels,
        lines=lines,
        measured=value,
        low=span[0] if span else None,
        high=span[1] if span else None,
        required=required,
        headroom=value - required if _has_floor(measurement) else required - value,
        where=threshold.where,
        details=decision.details,
    )


def _words(metric: Metric, known: Evidence) -> str:
    if known.span is None:
        return known.extent
    ends = " to ".join(told(metric, end) for end in known.span)
    return f"{CONFIDENCE:.0%} interval {ends}: {known.of}; {known.extent}"
