"""Uncertainty of a mean of item scores x[r][i] (run r of R, item i of n). Pure functions with their formulas."""

import math
from collections.abc import Sequence
from statistics import NormalDist, stdev, variance

Samples = Sequence[Sequence[float]]


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
