"""How much of the spread of repeated runs comes from the runs, and how much from starting the engine anew."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from thresholds.statistics.means import two_sided


@dataclass(frozen=True, slots=True)
class Components:
    """Standard deviations of repeated measurements of the same thing, in its unit. None is unknown.

    Attributes:
        mean: Over all runs.
        runs, starts: How many runs, and how many engine starts (sessions) they come from.
        deviation: Over all runs; None for a single one.
        within: Of runs of the same start; None when no start has two runs.
        between: Of starts, apart from their runs' own spread; None without two starts, or without `within`.
    """

    mean: float
    runs: int
    starts: int
    deviation: float | None
    within: float | None
    between: float | None

    @property
    def dominant(self) -> str | None:
        """Whichever spreads more, "runs" or "starts"; None when either is unknown, or when nothing varied."""
        if self.within is None or self.between is None or self.within == self.between == 0:
            return None
        return "starts" if self.between > self.within else "runs"

    @property
    def runs_per_start(self) -> int:
        """Rounded."""
        return max(1, round(self.runs / self.starts))

    def starts_needed(self, reach: float, confidence: float = 0.95) -> int | None:
        """Engine starts, of as many runs each as were made, after which the mean is known to +- `reach`.

        S = z^2 * (between^2 + within^2 / r) / reach^2, rounded up. None when a component is unknown.
        """
        if self.within is None or self.between is None:
            return None
        variance = self.between**2 + self.within**2 / self.runs_per_start
        return max(1, math.ceil(variance * (two_sided(confidence) / reach) ** 2))


def components(starts: Sequence[Sequence[float]]) -> Components:
    """Split the variance of runs, grouped by engine start, by the method of moments.

    One-way random effects with k groups of n_j values, N in all: within^2 = MSW, between^2 = (MSB - MSW) / n0, at
    least 0, with n0 = (N - sum n_j^2 / N) / (k - 1) (Searle, Casella and McCulloch, Variance Components, 1992, ch. 3).

    Raises:
        ValueError: Without a value, or with one that is no finite number.
    """
    groups = [list(group) for group in starts if len(group)]
    values = [value for group in groups for value in group]
    if not values or not all(map(math.isfinite, values)):
        raise ValueError("variance components need at least one value, and only finite ones")
    mean, total, count = fmean(values), len(values), len(groups)
    within = _within(groups)
    return Components(
        mean=mean,
        runs=total,
        starts=count,
        deviation=stdev(values) if total > 1 else None,
        within=within,
        between=None if within is None or count == 1 else _between(groups, mean, within),
    )


def _within(groups: Sequence[Sequence[float]]) -> float | None:
    degrees = sum(len(group) - 1 for group in groups)
    if not degrees:
        return None
    return math.sqrt(sum((value - fmean(group)) ** 2 for group in groups for value in group) / degrees)


def _between(groups: Sequence[Sequence[float]], mean: float, within: float) -> float:
    total, degrees = sum(map(len, groups)), len(groups) - 1
    spread = sum(len(group) * (fmean(group) - mean) ** 2 for group in groups) / degrees
    typical = (total - sum(len(group) ** 2 for group in groups) / total) / degrees
    return math.sqrt(max(0.0, spread - within**2) / typical)
