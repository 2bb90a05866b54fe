"""`--spend least`: questions in random order, and none more than the verdict needs.

A betting e-process (`thresholds.statistics.betting`) may be looked at after every question without a correction. It
speaks of the score that all of the chosen questions would have in this run: sampling without replacement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from thresholds.catalogue import Threshold
from thresholds.error_level import ErrorLevel
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import Measurement
from thresholds.quantities import points
from thresholds.statistics.betting import Wager, confidence_sequence
from thresholds.upgrade import Finding, Margin, Pair, told
from thresholds.verdict import Decision, Outcome, Verdict, held, unanswered


@dataclass(frozen=True, slots=True)
class Spent:
    """How a decision was reached.

    Attributes:
        used, asked: Questions that it took, of those that a full run would ask.
        low, high: An interval of the full run's mean, valid whenever one looks.
    """

    outcome: Outcome
    used: int
    asked: int
    estimate: float
    low: float
    high: float

    @property
    def told(self) -> str:
        """How many questions it took."""
        verb = "not decided" if self.outcome is Outcome.INCONCLUSIVE else "decided"
        return f"{verb} after {self.used:,} of {self.asked:,} questions"


def spend(
    values: Sequence[float], bound: float, level: ErrorLevel, asked: int, low: float, guess: float | None = None
) -> Spent:
    """Whether the mean of `asked` values, of which these came first, is at or above a bound.

    Args:
        low: The least possible value; the largest is 1.
        guess: What the mean is likely to be; a good one saves questions, a bad one costs some.
    """
    above = _wager(values, bound, level, low, asked, guess).above
    outcome = Outcome.INCONCLUSIVE if above is None else Outcome.PASS if above else Outcome.FAIL
    ends = confidence_sequence(values, 1 - CONFIDENCE, low=low, high=1.0, population=asked)
    return Spent(outcome, len(values), asked, sum(values) / len(values), *ends)


def _wager(
    values: Sequence[float], bound: float, level: ErrorLevel, low: float, asked: int | None, guess: float | None
) -> Wager:
    wager = Wager(bound, level.alpha, low=low, high=1.0, population=asked, guess=guess)
    wager.add(values)
    return wager


def floor_reached(measurement: Measurement, threshold: Threshold, level: ErrorLevel, asked: int) -> Verdict:
    """Hold the first answers of a run against a floor.

    PASS when all questions of this run would reach it. FAIL only when other answers would not either (sampling with
    replacement): a whole run a little below its floor is INCONCLUSIVE, and no more may be claimed of a part.
    """
    if measurement.failed_requests:
        return unanswered(measurement)
    accepted = float(threshold.row["measured"])
    spent = spend(measurement.samples[0], threshold.value, level, asked, low=0.0, guess=accepted)
    if spent.outcome is Outcome.FAIL:
        below = _wager(measurement.samples[0], threshold.value, level, 0.0, None, accepted).above is False
        spent = spent if below else replace(spent, outcome=Outcome.INCONCLUSIVE)
    said = {
        Outcome.PASS: "shown to be at or above its floor",
        Outcome.FAIL: f"{points(threshold.value - spent.estimate)} points below its floor, and shown to be below",
    }.get(spent.outcome, "not decided yet")
    reasons = {Outcome.PASS: "at_or_above_floor", Outcome.FAIL: "below_floor"}
    reason = reasons.get(spent.outcome, "too_little_evidence")
    interval = f"{CONFIDENCE:.0%} interval {points(spent.low)} to {points(spent.high)}: all {asked:,} questions"
    details = {"spend": "least", "used": spent.used, "asked": asked}
    decision = Decision(spent.outcome, reason, f"{said}, {spent.told}", interval, (spent.low, spent.high), details)
    return held(measurement, threshold, decision)


def no_worse(pair: Pair, margin: Margin, level: ErrorLevel, asked: int) -> Verdict:
    """Hold the first answers of a candidate against those of its baseline."""
    if pair.candidate.failed_requests:
        return unanswered(pair.candidate)
    values = [float(gap) for gap in pair.differences]
    spent = spend(values, -margin.share, level, asked, low=-1.0)
    more = {"spend": "least", "used": spent.used, "asked": asked}
    advice = f"{spent.told}; add runs, questions or a wider margin"
    finding = Finding(spent.outcome, spent.estimate, (spent.low, spent.high), spent.told, advice, more)
    return told(pair.candidate, [pair], margin, finding)
