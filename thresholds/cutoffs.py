"""Answers that ended at their token limit: a benchmark that cuts many off measures its limit, not the model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thresholds.catalogue import Threshold
from thresholds.error_level import ErrorLevel
from thresholds.evidence import CONFIDENCE, evidence
from thresholds.measurement import Direction, Item, Measurement, Metric, Run, title
from thresholds.quantities import points
from thresholds.statistics.means import interval, two_sided
from thresholds.statistics.pairs import difference, pooled
from thresholds.upgrade import Margin, Pair
from thresholds.verdict import Outcome, Verdict, unanswered

CUT_OFF = Metric("cut_off", "share of the answers", Direction.LOWER, 0.0, 1.0)
"""Answers that ended at their token limit, as a share of those that were generated."""

CEILING = 0.10
"""Where no row says otherwise. What is cut off is mostly wrong, so that this share may hide as many points. A smaller
one would be red by chance where a few of 40 answers are cut off."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Answers that came to an end by themselves.

    Attributes:
        accuracy: Their mean score; None where there is none. low, high: 95 % interval about other questions.
    """

    answers: int
    accuracy: float | None
    low: float | None
    high: float | None


def cut_off(runs: Sequence[Run], labels: Mapping[str, Any]) -> Measurement | None:
    """The answers of a task that were cut off; None where the endpoint says of none why it ended.

    Raises:
        NotMeasured: No question has an answer in every run.
    """
    if not any(item.finish_reasons for run in runs for item in run.items):
        return None
    failed = {item.item for run in runs for item in run.items if item.failed is not None}
    samples = tuple(tuple(float(i.cut_off) for i in run.items if i.item not in failed) for run in runs)
    return Measurement(
        metric=CUT_OFF,
        samples=samples,
        labels=dict(labels),
        population=max(run.population for run in runs),
        failed_requests=sum(run.failed_requests for run in runs),
        runs=tuple(runs),
        items=tuple(item.item for item in runs[0].items if item.item not in failed),
    )


def together(measured: Sequence[Measurement], labels: Mapping[str, Any]) -> Measurement:
    """The shares of several tasks, run by run; its value is their mean."""
    runs = min(len(one.samples) for one in measured)
    return Measurement(
        metric=CUT_OFF,
        samples=tuple(tuple(math.fsum(one.samples[r]) / len(one.items) for one in measured) for r in range(runs)),
        labels=dict(labels),
        population=len(measured),
        failed_requests=sum(one.failed_requests for one in measured),
        runs=tuple(run for one in measured for run in one.runs),
    )


def finished(runs: Sequence[Run]) -> Finished:
    """The accuracy among answers that were not cut off.

    A ratio estimate over questions, sum of scores / sum of answers; its error is that of Cochran (Sampling Techniques,
    1977, section 6.4), as a question may end in one run and be cut off in the next.
    """
    sums: dict[int, list[float]] = {}
    for run in runs:
        for item in run.items:
            if item.failed is None and not item.cut_off:
                sums.setdefault(item.item, []).append(item.scores[run.primary])
    answers = sum(map(len, sums.values()))
    if not answers:
        return Finished(0, None, None, None)
    accuracy = math.fsum(score for scores in sums.values() for score in scores) / answers
    if len(sums) < 2:  # noqa: PLR2004 - a variance needs two values
        return Finished(answers, accuracy, None, None)
    left = np.array([math.fsum(scores) - accuracy * len(scores) for scores in sums.values()])
    error = math.sqrt(float((left**2).sum()) * len(left) / (len(left) - 1)) / answers
    low, high = interval(accuracy, error, CONFIDENCE, 0.0, 1.0)
    return Finished(answers, accuracy, low, high)


def ended_by_themselves(measurement: Measurement, ceiling: Margin, level: ErrorLevel) -> Verdict:
    """Whether few enough answers were cut off: PASS at the ceiling or below, FAIL shown above, else INCONCLUSIVE.

    Args:
        ceiling: The largest share, and where it is written.
    """
    if measurement.failed_requests:
        return unanswered(measurement)
    whole = measurement.population <= len(measurement.items)
    known = evidence(measurement, Threshold(CUT_OFF, ceiling.share, "hold", ceiling.where, {}, whole), level.alpha)
    value = measurement.value
    outcome = Outcome.FAIL if value - known.reach > ceiling.share else Outcome.INCONCLUSIVE
    outcome = Outcome.PASS if value <= ceiling.share else outcome
    reasons = {Outcome.PASS: "few_cut_off", Outcome.FAIL: "cut_off_answers"}
    details = _details(measurement)
    low, high = known.span or (None, None)
    lines = (
        f"{title(CUT_OFF.name, measurement.labels)}: {outcome} - {_said(outcome, measurement, details)}",
        f"measured  {points(value)} % ({_ends(low, high)}; {known.extent}): {_scores(details)}",
        f"required  <= {points(ceiling.share)} %   {ceiling.where}",
    )
    return replace(
        _verdict(measurement, outcome, reasons.get(outcome, "too_little_evidence"), lines, ceiling),
        low=low,
        high=high,
        details=details,
    )


def cut_off_no_more_often(candidate: Measurement, pairs: Sequence[Pair], margin: Margin, level: ErrorLevel) -> Verdict:
    """Whether answers are cut off no more often than the baseline's, by a margin, as a mean over tasks.

    The difference of the shares of each task, question by question, with the error of `statistics.pairs.difference`.
    PASS at the margin or below, FAIL shown above, INCONCLUSIVE otherwise.

    Args:
        pairs: `cut_off` of candidate and baseline on each task that generates.
    """
    if candidate.failed_requests:
        return unanswered(candidate)
    found = pooled([difference(pair.candidate.samples, pair.baseline.samples) for pair in pairs])
    outcome = Outcome.FAIL if found.lower(level.alpha) > margin.share else Outcome.INCONCLUSIVE
    outcome = Outcome.PASS if found.value <= margin.share else outcome
    reach = two_sided(CONFIDENCE) * found.error
    low, high = max(-1.0, found.value - reach), min(1.0, found.value + reach)
    after, before = (math.fsum(share) / len(pairs) for share in zip(*_shares(pairs), strict=True))
    sides = f"baseline {points(before)} %, candidate {points(after)} %"
    lines = (
        f"{title(CUT_OFF.name, candidate.labels)}: {outcome} - {_change_said(outcome, found.value)}",
        f"measured  {100 * found.value:+.1f} ({_ends(low, high)}; {found.questions} questions)",
        f"required  <= {100 * margin.share:+.1f}   {margin.where} ({sides})",
    )
    reasons = {Outcome.PASS: "no_more_cut_off", Outcome.FAIL: "cut_off_more_often"}
    return replace(
        _verdict(candidate, outcome, reasons.get(outcome, "too_little_evidence"), lines, margin),
        measured=found.value,
        low=low,
        high=high,
        headroom=margin.share - found.value,
        details={
            "baseline": before,
            "candidate": after,
            "questions": found.questions,
            "worse": found.better,  # a higher share is worse
            "better": found.worse,
        },
    )


def _change_said(outcome: Outcome, change: float) -> str:
    said = f"{points(abs(change))} points {'more' if change > 0 else 'fewer'} answers are cut off"
    if outcome is Outcome.PASS:
        return said if round(change, 3) else "as many answers are cut off"
    if outcome is Outcome.FAIL:
        return f"{said}, and shown to be more than allowed; it needs to write longer to come to an answer"
    return f"{said}, within the noise; add questions"


def _shares(pairs: Sequence[Pair]) -> list[tuple[float, float]]:
    return [(pair.candidate.value, pair.baseline.value) for pair in pairs]


def _verdict(measurement: Measurement, outcome: Outcome, reason: str, lines: tuple[str, ...], bound: Margin) -> Verdict:
    return Verdict(
        outcome,
        reason,
        CUT_OFF.name,
        measurement.labels,
        lines,
        measured=measurement.value,
        required=bound.share,
        headroom=bound.share - measurement.value,
        where=bound.where,
    )


def _details(measurement: Measurement) -> dict[str, Any]:
    runs = [run for run in measurement.runs if isinstance(run, Run)]
    items = [(run, item) for run in runs for item in run.items if item.failed is None]
    ended = finished(runs)
    return {
        "answers": len(items),
        "cut_off": sum(item.cut_off for _, item in items),
        "accuracy": math.fsum(item.scores[run.primary] for run, item in items) / len(items),
        "finished": ended.answers,
        "finished_accuracy": ended.accuracy,
        "finished_low": ended.low,
        "finished_high": ended.high,
        "tokens": _tokens([item for _, item in items]),
    }


def _tokens(items: Sequence[Item]) -> float | None:
    """Completion tokens an answer; None where the endpoint does not count them."""
    counted = [item.completion_tokens for item in items if item.completion_tokens is not None]
    return math.fsum(counted) / len(counted) if counted else None


def _said(outcome: Outcome, measurement: Measurement, details: Mapping[str, Any]) -> str:
    limit = measurement.labels.get("max_tokens")
    at = f"at max_tokens {limit}" if limit else "at the task's own limit"
    share = f"{details['cut_off']} of {details['answers']} answers were cut off {at}"
    if outcome is Outcome.PASS:
        return share
    raise_it = "raise max_tokens in the matrix" if limit else "set a higher max_tokens in the matrix"
    if outcome is Outcome.FAIL:
        return f"{share}: the score speaks of the limit as much as of the model; {raise_it}"
    return f"{share}, above its ceiling but within the noise; {raise_it}, or add runs (--max-runs) or questions"


def _scores(details: Mapping[str, Any]) -> str:
    among = details["finished_accuracy"]
    rest = "none finished" if among is None else f"{points(among)} among the {details['finished']} that finished"
    return f"accuracy {points(details['accuracy'])}, {rest}"


def _ends(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "no interval"
    return f"{CONFIDENCE:.0%} interval {100 * low:.1f} to {100 * high:.1f}"
