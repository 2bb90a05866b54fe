"""How sure a measured value is, and what would make it surer.

An accuracy varies with the answers to each question; a speed only from run to run (the requests of a run share batches,
caches and heat), so that its runs are judged by Student's t.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import stdev

from thresholds.catalogue import Threshold
from thresholds.measurement import Measurement
from thresholds.speed import SPEED
from thresholds.statistics.means import (
    UNSEEN,
    amount_needed,
    interval,
    one_sided,
    question_error,
    rerun_error,
    run_means,
)
from thresholds.statistics.runs import LEAST_RUNS, mean_reach, runs_needed

CONFIDENCE = 0.95
"""Of the intervals that are shown; decisions have an error level of their own."""

WIDEST = 0.5
"""Standard error of a score in 0..1 of which nothing is known but one answer."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the runs say about a value.

    Attributes:
        reach: How far the truth may lie to one side at the error level of the decision, in the metric's unit.
        span: The two-sided 95 % interval; None while there are too few runs for one.
        of: What the interval speaks of.
        extent, noise: How much was measured, in words, alone and behind "within the noise of".
        advice: A margin to what would show it.
    """

    reach: float
    span: tuple[float, float] | None
    of: str
    extent: str
    noise: str
    advice: Callable[[float], str]

    @property
    def too_few_runs(self) -> bool:
        """Nothing can be decided, whatever the value."""
        return self.span is None


def evidence(measurement: Measurement, threshold: Threshold, alpha: float) -> Evidence:
    """What these runs say, when a decision may be wrong with a chance of alpha."""
    if measurement.metric.name in SPEED:
        return _of_speed(measurement, alpha)
    return _of_accuracy(measurement, threshold, alpha)


def _of_speed(measurement: Measurement, alpha: float) -> Evidence:
    values = run_means(measurement.samples)
    runs = len(values)
    extent = f"{runs} {'run' if runs == 1 else 'runs'}"
    if runs < LEAST_RUNS:
        said = f"run it at least {LEAST_RUNS} times (--runs {LEAST_RUNS}), so that the spread between runs is known"
        return Evidence(math.inf, None, "", extent, extent, lambda _: said)
    deviation, metric = stdev(values), measurement.metric
    half = mean_reach(runs, deviation, 0.5 + CONFIDENCE / 2)
    span = (max(metric.lowest, measurement.value - half), min(metric.highest, measurement.value + half))

    def advice(margin: float) -> str:
        needed = runs_needed(runs, deviation, margin, 1 - alpha)
        if needed is None:
            return "it lies exactly on it" if margin == 0 else "no number of runs worth making would show it"
        return f"about {needed} runs would show it (--max-runs {needed})"

    reach = mean_reach(runs, deviation, 1 - alpha)
    return Evidence(reach, span, "another run of the same load", extent, extent, advice)


def _of_accuracy(measurement: Measurement, threshold: Threshold, alpha: float) -> Evidence:
    error, of = _error(measurement, threshold)
    metric, count, runs = measurement.metric, len(measurement.samples[0]), len(measurement.samples)

    def advice(margin: float) -> str:
        if runs == 1:
            return "run it at least twice (--runs 2), so that the spread between runs is known"
        needed = amount_needed(runs, error, margin, 1 - alpha)
        if needed is None:
            return "it lies exactly on it"
        if not threshold.exact:
            return f"about {min(measurement.population, count * needed // runs)} questions would show it"
        return f"about {needed} runs would show it (--max-runs {needed})"

    asked = f"{count} of {measurement.population}" if measurement.population > count else f"{count}"
    return Evidence(
        reach=one_sided(1 - alpha) * error,
        span=interval(measurement.value, error, CONFIDENCE, metric.lowest, metric.highest),
        of=of,
        extent=f"{asked} questions, {runs} {'run' if runs == 1 else 'runs'}",
        noise=f"{count} questions x {runs} runs",
        advice=advice,
    )


def _error(measurement: Measurement, threshold: Threshold) -> tuple[float, str]:
    """The standard error of an accuracy, and of what it is the error."""
    questions = question_error(measurement.samples, unseen=UNSEEN)
    between_runs = rerun_error(measurement.samples, UNSEEN)
    if between_runs is None:
        return WIDEST if questions is None else questions, "one run, so over other questions"
    if threshold.exact:
        return between_runs, "another run of the same questions"
    sampling = question_error(measurement.samples, measurement.population, unseen=UNSEEN)
    sampling = WIDEST if sampling is None else sampling
    return (between_runs**2 + sampling**2) ** 0.5, "another run, and the questions not asked"
