"""Intervals of shares and percentiles that ask for no normal distribution."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from thresholds.statistics.means import table, two_sided

Values = Sequence[float] | NDArray[np.float64]


def wilson(successes: float, total: float, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share k / n (JASA 22, 1927).

    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), p = k / n. It covers the true share as often
    as the confidence says on the average over shares near it.

    Raises:
        ValueError: When the counts are no share, or the confidence lies outside 0..1.
    """
    _check(successes, total, confidence)
    share, prior = successes / total, two_sided(confidence) ** 2 / (total + two_sided(confidence) ** 2)
    middle = share + prior * (0.5 - share)
    half = math.sqrt(share * (1 - share) * (1 - prior) * prior + prior**2 / 4)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def exact(successes: int, total: int, confidence: float) -> tuple[float, float]:
    """Exact interval of a share k / n (Clopper and Pearson, Biometrika 26, 1934): its coverage is never less.

    The alpha / 2 quantile of Beta(k, n - k + 1) and the 1 - alpha / 2 quantile of Beta(k + 1, n - k).

    Raises:
        ValueError: When the counts are no share, or the confidence lies outside 0..1.
    """
    _check(successes, total, confidence)
    from scipy.special import betaincinv  # type: ignore[import-untyped]

    tail, failures = (1 - confidence) / 2, total - successes
    low = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0
    return low, high


def percentile_interval(values: Values, share: float, confidence: float) -> tuple[float, float] | None:
    """Interval of a percentile of the distribution behind independent values, whatever it is.

    From the l-th to the u-th smallest, l the largest and u the smallest with P(B < l) <= alpha / 2 and
    P(B >= u) <= alpha / 2, B ~ Binomial(n, share) the number of values below the percentile (David and Nagaraja, Order
    Statistics, 2003, section 7.1). None when there are too few values for one: p99 at 95 % needs 368, at 90 % 299.

    Raises:
        ValueError: Without values, for one that is no finite number, or for a share or confidence outside 0..1.
    """
    ordered = np.sort(table(np.asarray([values], dtype=np.float64))[0])
    if not 0 < share < 1 or not 0 < confidence < 1:
        raise ValueError(f"share and confidence must lie between 0 and 1: {share}, {confidence}")
    from scipy.special import bdtr

    count, tail = len(ordered), (1 - confidence) / 2
    up_to = bdtr(np.arange(count), count, share)  # P(B <= k) for k below n
    first = int(np.searchsorted(up_to, tail, side="right"))
    last = int(np.searchsorted(up_to, 1 - tail, side="left")) + 1
    return None if first < 1 or last > count else (float(ordered[first - 1]), float(ordered[last - 1]))


def _check(successes: float, total: float, confidence: float) -> None:
    if not 0 <= successes <= total or not 0 < total < math.inf:
        raise ValueError(f"{successes} of {total} is no share")
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence must lie between 0 and 1, not {confidence}")
