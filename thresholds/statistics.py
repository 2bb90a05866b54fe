"""Uncertainty of a mean of item scores x[r][i] (run r of R, item i of n). Pure functions with their formulas.

For speeds the run is the unit: each has one value, and few runs are judged by Student's t.
Does not cover yet: paired comparisons, sequential tests, ranks with ties.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist, stdev, variance

Samples = Sequence[Sequence[float]]

LEAST_RUNS = 3
"""Runs from which the spread of a speed is taken: with two, Student's t reaches 4.5 standard deviations."""

MOST_RUNS = 10_000
"""More than anybody would make."""


def run_means(samples: Samples) -> list[float]:
    """Mean score of each run."""
    return [math.fsum(run) / len(run) for run in samples]


def run_to_run_deviation(samples: Samples) -> float | None:
    """Standard deviation (R - 1) over run means; None for one run, whose spread is unknown."""
    means = run_means(samples)
    return stdev(means) if len(means) > 1 else None


def item_means(samples: Samples) -> list[float]:
    """Mean score of each item over the runs."""
    return [math.fsum(scores) / len(samples) for scores in zip(*samples, strict=True)]


def rerun_error(samples: Samples) -> float | None:
    """Standard error of the score if the same questions were asked again: sqrt(sum_i s_i^2 / R) / n.

    s_i^2 is the variance of item i over runs. None for one run.
    """
    if len(samples) < 2:  # noqa: PLR2004 - a variance needs two values
        return None
    spread = math.fsum(variance(scores) for scores in zip(*samples, strict=True))
    return math.sqrt(spread / len(samples)) / len(samples[0])


def question_error(samples: Samples, population: int | None = None) -> float | None:
    """Standard error from having asked these questions and no others: S / sqrt(n), S the spread of item means.

    With a `population` it is the error about that finite benchmark: S / sqrt(n) * sqrt(1 - n / N)
    (Cochran, Sampling Techniques, 1977, section 2.6). None for a single question.
    """
    means = item_means(samples)
    count = len(means)
    if count < 2:  # noqa: PLR2004 - a variance needs two values
        return None
    unseen = 1.0 if population is None else max(0.0, 1 - count / population)
    spread = variance(means)
    if spread == 0:  # equal scores are no certainty: Agresti and Coull's share (The American Statistician 52, 1998)
        share = (math.fsum(means) + 2) / (count + 4)
        spread = share * (1 - share)
    return math.sqrt(spread / count * unseen)


def interval(mean: float, error: float, confidence: float, low: float, high: float) -> tuple[float, float]:
    """Normal two-sided interval, cut to the values that are possible."""
    reach = two_sided(confidence) * error
    return max(low, mean - reach), min(high, mean + reach)


def two_sided(confidence: float) -> float:
    """Half-width of a two-sided normal interval in standard errors (1.96 for 0.95)."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def one_sided(confidence: float) -> float:
    """Reach of a one-sided normal bound in standard errors (1.645 for 0.95)."""
    return NormalDist().inv_cdf(confidence)


def amount_needed(amount: int, error: float, margin: float, confidence: float) -> int | None:
    """Runs (or questions) after which an error that falls with 1/sqrt(amount) shows a margin one-sidedly.

    amount * (z * error / margin)^2, rounded up; None when the margin is 0, which nothing can show.
    """
    if margin <= 0:
        return None
    return max(amount + 1, math.ceil(amount * (one_sided(confidence) * error / margin) ** 2))


def student_reach(confidence: float, degrees: int) -> float:
    """Reach of a one-sided Student's t bound in standard errors (2.920 for 0.95 and 2 degrees of freedom)."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    return float(stdtrit(degrees, confidence))


def mean_reach(runs: int, deviation: float, confidence: float) -> float:
    """How far the true mean may lie to one side of that of R runs: t(confidence, R - 1) * s / sqrt(R).

    In the unit of s, the standard deviation over the runs (Student, Biometrika 6, 1908).
    """
    return student_reach(confidence, runs - 1) * deviation / math.sqrt(runs)


def later_reach(runs: int, deviation: float, later: int, confidence: float) -> float:
    """How far the mean of `later` runs may lie to one side of that of R earlier ones, when nothing has changed.

    t(confidence, R - 1) * s * sqrt(1 / R + 1 / later), in the unit of s (Hahn and Meeker, Statistical Intervals, 1991,
    chapter 4).
    """
    return student_reach(confidence, runs - 1) * deviation * math.sqrt(1 / runs + 1 / later)


def runs_needed(runs: int, deviation: float, margin: float, confidence: float) -> int | None:
    """The fewest runs, more than were made, whose `mean_reach` is at most the margin; None beyond `MOST_RUNS`."""
    ratio = one_sided(confidence) * deviation / margin if margin > 0 else math.inf
    if ratio > math.sqrt(MOST_RUNS):
        return None
    needed = max(runs + 1, math.ceil(ratio**2))  # a normal bound reaches less than Student's, so this is no overshoot
    while mean_reach(needed, deviation, confidence) > margin:
        needed += 1
    return needed
