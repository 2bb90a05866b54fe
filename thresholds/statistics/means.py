"""Uncertainty of a mean of item scores x[r][i] (run r of R, item i of n). Pure functions with their formulas.

Every function that takes samples raises ValueError when there are none, when runs differ in length, or when a score is
no finite number.
"""

import math
import sys
from collections.abc import Hashable, Sequence
from statistics import NormalDist, stdev

import numpy as np
from numpy.typing import NDArray

Samples = Sequence[Sequence[float]] | NDArray[np.float64]
"""Scores by run and item."""

UNSEEN = 0.25
"""Half a flip between two runs, which has a variance of 1/2: what `rerun_error` and `question_error` may allow for.

With it 95 % intervals cover 93-97 %, near 0 and 1 too and for one to four runs; without, as little as 25 % where less
than one flip is to be expected. tests/test_statistics_coverage.py
"""


BEYOND = 1e6
"""How many times larger than a margin an error is when nobody would make the runs, or ask the questions, to show it."""


def table(samples: Samples) -> NDArray[np.float64]:
    """The scores as an array [runs, items].

    Raises:
        ValueError: Without a score, with runs of different length, or with a score that is no finite number.
    """
    if len({len(run) for run in samples}) > 1:
        raise ValueError("runs hold different numbers of items; every run must score the same items")
    scores = np.asarray(samples, dtype=np.float64)
    if scores.size == 0:
        raise ValueError("there are no scores; at least one run of one item is needed")
    if not np.isfinite(scores).all():
        raise ValueError("a score is not a finite number")
    return scores


def run_means(samples: Samples) -> list[float]:
    """Mean score of each run."""
    scores = table(samples)
    return [math.fsum(run) / len(run) for run in scores.tolist()]


def run_to_run_deviation(samples: Samples) -> float | None:
    """Standard deviation (R - 1) over run means; None for one run, whose spread is unknown."""
    means = run_means(samples)
    return stdev(means) if len(means) > 1 else None


def item_means(samples: Samples) -> list[float]:
    """Mean score of each item over the runs."""
    means: list[float] = table(samples).mean(axis=0).tolist()
    return means


def flip_rate(samples: Samples) -> float | None:
    """Share of items whose score differs between two identical runs: mean over all pairs of runs; None for one run.

    Of item i with c_k runs at its k-th distinct score, 1 - sum_k c_k (c_k - 1) / (R (R - 1)) of the pairs differ.
    """
    scores = table(samples)
    runs, items = scores.shape
    if runs < 2:  # noqa: PLR2004 - a flip needs two runs
        return None
    ordered = np.sort(scores, axis=0)
    new = np.ones((runs, items), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    of_item, rank = np.nonzero(new.T)
    starts = of_item * runs + rank
    lengths = np.diff(np.append(starts, runs * items))
    alike = int((lengths * (lengths - 1)).sum())
    return float(1 - alike / (runs * (runs - 1) * items))


def rerun_error(samples: Samples, unseen: float = 0.0) -> float | None:
    """Standard error of the score if the same questions were asked again: sqrt((sum_i s_i^2 + unseen) / R) / n.

    s_i^2 is the variance of item i over runs. None for one run.

    Args:
        unseen: What is added so that runs that agree item by item are not taken for certainty; see `UNSEEN`.
    """
    scores = table(samples)
    runs, items = scores.shape
    if runs < 2:  # noqa: PLR2004 - a variance needs two values
        return None
    moved = scores - scores[0]  # equal scores then have no variance at all, however they round
    return math.sqrt((float(moved.var(axis=0, ddof=1).sum()) + unseen) / runs) / int(items)


def question_error(
    samples: Samples,
    population: int | None = None,
    clusters: Sequence[Hashable] | None = None,
    unseen: float = 0.0,
) -> float | None:
    """Standard error from having asked these questions and no others: S / sqrt(n), S the spread of item means.

    With a `population` it is the error about that finite benchmark: S / sqrt(n) * sqrt(1 - n / N)
    (Cochran, Sampling Techniques, 1977, section 2.6). With `clusters` (the source of each item: a passage, a template)
    it is sqrt(G / (G - 1) * sum_g (sum_{i in g} (m_i - m))^2) / n over the G sources (Miller, arXiv 2411.00640, 2024,
    section 2.2). None for a single question or a single source.

    Args:
        unseen: Added to the sum of squares in the share by which it falls short of n m (1 - m), the most that it can
            be, so that a few items that differ a little are not taken for all that there are; see `UNSEEN`.
    """
    means = table(samples).mean(axis=0)
    count, mean = len(means), float(means.mean())
    sums = means - mean if clusters is None else cluster_sums(means - mean, clusters)
    if len(sums) < 2:  # noqa: PLR2004 - a variance needs two values
        return None
    spread = float((sums**2).sum())
    if (means == means[0]).all():  # no certainty: Agresti and Coull's share (The American Statistician 52, 1998)
        share = (mean * len(sums) + 2) / (len(sums) + 4)
        spread = share * (1 - share) * (len(sums) - 1) / len(sums) * count**2 / len(sums)
    elif 0 < mean < 1:
        spread += unseen * max(0.0, 1 - spread / (count * mean * (1 - mean)))
    left_out = 1.0 if population is None else max(0.0, 1 - count / population)
    return math.sqrt(spread * len(sums) / (len(sums) - 1) * left_out) / count


def cluster_sums(values: NDArray[np.float64], clusters: Sequence[Hashable]) -> NDArray[np.float64]:
    """Sum of the values of each cluster, in order of first appearance.

    Raises:
        ValueError: When there is not one cluster name for each value.
    """
    if len(clusters) != len(values):
        raise ValueError(f"{len(clusters)} cluster names were given for {len(values)} items; every item needs one")
    numbers: dict[Hashable, int] = {}
    members = [numbers.setdefault(name, len(numbers)) for name in clusters]
    sums = np.zeros(len(numbers))
    np.add.at(sums, members, values)
    return sums


def interval(mean: float, error: float, confidence: float, low: float, high: float) -> tuple[float, float]:
    """Two-sided interval of a mean of values in low..high: Wilson's score interval (JASA 22, 1927).

    With p the mean's share of the range, e that of the error, and n = p (1 - p) / e^2 the independent yes-or-no answers
    that would have this error: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n). It keeps its
    coverage near the ends, where the normal interval reaches past them, and is a point only when the error is 0. Values
    without an end (high = inf) have the normal interval.

    Raises:
        ValueError: When the mean lies outside low..high, the error is negative, one is no number, or the confidence
            does not lie between 0 and 1.
    """
    if not (error >= 0 and low <= mean <= high):
        raise ValueError(f"no interval follows from a mean of {mean} in {low}..{high} with an error of {error}")
    if error == 0 or not math.isfinite(high - low):
        reach = two_sided(confidence) * error
        return max(low, mean - reach), min(high, mean + reach)
    share, size = (mean - low) / (high - low), error / (high - low)
    alike = share * (1 - share)
    answers = alike / size / size if alike > 0 else _equal_answers(size)
    prior = two_sided(confidence) ** 2 / (answers + two_sided(confidence) ** 2)
    middle = (1 - prior) * share + prior / 2
    half = math.sqrt(alike * (1 - prior) * prior + prior**2 / 4)
    below, above = low + (middle - half) * (high - low), low + (middle + half) * (high - low)
    return max(low, min(mean, below)), min(high, max(mean, above))


def _equal_answers(error: float) -> float:
    """How many answers, all right or all wrong, have this `question_error`: its share put in and solved for n."""
    few, many = 0.0, min(2 / error, sys.float_info.max)
    for _ in range(60):
        middle = (few + many) / 2
        too_few = math.sqrt(2 * (middle + 2) / middle) / (middle + 4) > error
        few, many = (middle, many) if too_few else (few, middle)
    return many


def two_sided(confidence: float) -> float:
    """Half-width of a two-sided normal interval in standard errors (1.96 for 0.95).

    Raises:
        ValueError: When the confidence does not lie between 0 and 1.
    """
    return one_sided(0.5 + confidence / 2)


def one_sided(confidence: float) -> float:
    """Reach of a one-sided normal bound in standard errors (1.645 for 0.95).

    Raises:
        ValueError: When the confidence does not lie between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError("a confidence, power or error level must lie between 0 and 1")
    return NormalDist().inv_cdf(confidence)


def amount_needed(amount: int, error: float, margin: float, confidence: float) -> int | None:
    """Runs (or questions) after which an error that falls with 1/sqrt(amount) shows a margin one-sidedly.

    amount * (z * error / margin)^2, rounded up; None when the margin is 0, which nothing can show, or a millionth of
    the error.

    Raises:
        ValueError: When the error is negative, one is no number, or the confidence does not lie between 0 and 1.
    """
    if not error >= 0 or math.isnan(margin):
        raise ValueError(f"no amount follows from an error of {error} and a margin of {margin}")
    ratio = one_sided(confidence) * error / margin if margin > 0 else math.inf
    if ratio > BEYOND:
        return None
    return max(amount + 1, math.ceil(amount * ratio**2))
