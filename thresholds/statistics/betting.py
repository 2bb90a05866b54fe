"""Decide early, at any time, without more wrong decisions: bets on a bounded mean.

Bet on every value, before it is seen, that it lies above m: a capital of 1 is multiplied by 1 + lambda_t (x_t - m). If
the mean is m or less, nobody can expect to gain, whatever the bets: the capital is an e-process, and it ever reaches
1 / alpha with a chance of at most alpha (Ville, 1939). So it may be looked at after every value, and the first time it
gets there decides (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024).

Without replacement from N values with mean m, those left after t - 1 have the mean
m_t = (N m - S_{t-1}) / (N - t + 1), and the bets are against m_t.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from thresholds.statistics.players import BOLDEST, EPSILON, Array, Seen, players

NEAR = 1 / 40
"""Of the range: how far from the bound the mean is thought to be when nobody has said where it is."""
AIMS = (32, 128, 512, 2048, 8192)
"""Numbers of values for which the interval of a confidence sequence is at its best."""


class Wager:
    """Whether a mean of values in low..high is at or above a bound, or below it; decided as early as it can be.

    Two one-sided e-processes, each at the level alpha. With a `population` the mean is that of the whole finite
    population, drawn without replacement in random order; else that of the distribution.

    Args:
        guess: Where the mean is thought to be: a wrong one costs values, never validity. Differences (low < 0 < high)
            are thought to be 0, other means a little above the bound.

    Attributes:
        above: True once the mean is shown to be at or above the bound, False once shown to be below; else None. The
            first decision stays. With a population it also comes when the values left cannot change it.
        used: Values seen.
        decided: Values that the decision took; None before it.

    Raises:
        ValueError: For a range without room, an alpha outside 0..1, or a population of nothing.
    """

    def __init__(
        self,
        bound: float,
        alpha: float,
        low: float = 0.0,
        high: float = 1.0,
        population: int | None = None,
        *,
        guess: float | None = None,
    ) -> None:
        _check(alpha, low, high, population)
        if not math.isfinite(bound):
            raise ValueError(f"the bound of a wager must be a finite number, not {bound}")
        self.bound, self.alpha, self.low, self.high, self.population = bound, alpha, low, high, population
        self.used = 0
        self.above: bool | None = None
        self.decided: int | None = None
        if bound <= low or bound > high:
            self.above, self.decided = bound <= low, 0
        self._sum = self._turned_sum = self._squares = 0.0
        sparse, turned = low < 0 < high, _turned(bound, low, high)
        if guess is None and sparse:
            guess = 0.0
        edge = 0.0 if guess is None else _turned(guess, low, high) - turned
        self._sides = players(edge if edge > 0 else 2 * NEAR, edge > 0, sparse, turned)
        self._capital = [np.log([player.capital for player in side]) for side in self._sides]

    @property
    def estimate(self) -> float | None:
        """Mean of the values seen; None before the first."""
        return self._sum / self.used if self.used else None

    @property
    def evidence(self) -> tuple[float, float]:
        """E-values that the mean is at or above the bound, and that it is below: 1 is none, 1 / alpha decides."""
        above, below = (math.exp(min(700.0, float(np.logaddexp.reduce(capital)))) for capital in self._capital)
        return above, below

    def add(self, values: Sequence[float] | Array) -> None:
        """Take the next values, in the order in which they were drawn. How they are cut into blocks changes nothing.

        Raises:
            ValueError: For a value outside low..high, or more values than the population has.
        """
        block = _values(values, self.low, self.high, self.population, self.used)
        if not len(block):
            return
        seen = self._seen((2 * block - self.low - self.high) / (self.high - self.low))
        evidence = []
        for index, (side, one) in enumerate(zip(self._sides, (seen, seen.turned()), strict=True)):
            paths = np.cumsum([player.growth(one) for player in side], axis=1) + self._capital[index][:, None]
            self._capital[index] = paths[:, -1]
            evidence.append(np.logaddexp.reduce(paths, axis=0))
        self._decide(seen, np.asarray(evidence) >= -math.log(self.alpha))
        self.used += len(block)
        self._sum += math.fsum(block)
        self._turned_sum = float(seen.sums[-1] + seen.values[-1])
        self._squares = float(seen.squares[-1] + seen.values[-1] ** 2)

    def _seen(self, values: Array) -> Seen:
        counts = self.used + np.arange(len(values), dtype=np.float64)
        sums = self._turned_sum + np.concatenate([[0.0], np.cumsum(values[:-1])])
        squares = self._squares + np.concatenate([[0.0], np.cumsum(values[:-1] ** 2)])
        bound = np.full(len(values), _turned(self.bound, self.low, self.high))
        seen = Seen(values, counts, sums, squares, bound, self.population)
        return replace(seen, nulls=seen.left(bound))

    def _decide(self, seen: Seen, shown: NDArray[np.bool_]) -> None:
        """The first value after which a side has won, or after which the values left cannot change the side."""
        if self.above is not None:
            return
        above, below = shown
        if self.population is not None:
            left = self.population - seen.counts - 1
            needed = seen.nulls * (left + 1) - seen.values  # what those left must add up to
            above, below = above | (needed <= -left + EPSILON), below | (needed > left + EPSILON)
        decided = np.flatnonzero(above | below)
        if len(decided):
            self.above, self.decided = bool(above[decided[0]]), self.used + int(decided[0]) + 1


def confidence_sequence(
    values: Sequence[float] | Array,
    alpha: float,
    low: float = 0.0,
    high: float = 1.0,
    population: int | None = None,
) -> tuple[float, float]:
    """The interval of a bounded mean after all of these values, valid at whatever time it is looked at.

    The means against which a hedged capital has never reached 2 / alpha on its side (Waudby-Smith and Ramdas, 2024,
    section 4.2 and, without replacement, section 5). On each side several players share the capital equally; the bets
    of one are the best for an interval after h values, lambda_t = sqrt(2 ln(2 / alpha) / (v_{t-1} h)), v_{t-1} the
    variance before, with h = 32, 128, 512, ... (without replacement 1 / h - 1 / N for 1 / h, and N / (N - t + 1) times
    as much). Intersected over time, so that it never widens, and with what the values left can still change. Before the
    first value it is low..high; of a whole population it is the mean; a point, too, where every mean was refuted.

    Raises:
        ValueError: For a value outside low..high, more values than the population has, or an alpha outside 0..1.
    """
    _check(alpha, low, high, population)
    seen = (_values(values, low, high, population, 0) - low) / (high - low)
    if not len(seen):
        return low, high
    lowest, highest = _lower_bound(seen, alpha, population), 1 - _lower_bound(1 - seen, alpha, population)
    if population == len(seen):
        lowest = highest = float(seen.mean())
    if lowest > highest:
        lowest = highest = (lowest + highest) / 2
    return max(low, low + lowest * (high - low)), min(high, low + highest * (high - low))


def _lower_bound(values: Array, alpha: float, population: int | None) -> float:
    """The largest mean that the capital of who bets on more has refuted; values in 0..1."""
    count = np.arange(len(values), dtype=np.float64)
    sums = np.cumsum(values) - values
    distances = (values - (0.5 + sums + values) / (count + 2)) ** 2
    spreads = (0.25 + np.cumsum(distances) - distances) / (count + 1)
    # without replacement the difference that a mean makes grows as values run out, and so do the bets on it
    size = np.inf if population is None else population
    aims: list[float] = [aim for aim in AIMS if aim < size] or [size / 2]
    scale = 2 * math.log(2 / alpha) * (1 / np.array(aims) - 1 / size)
    bets = np.sqrt(scale[:, None] / spreads) / (1 - count / size)

    def refuted(mean: float) -> bool:
        nulls = np.full(len(values), mean) if population is None else (population * mean - sums) / (population - count)
        if np.any(nulls <= 0):
            return True
        capital = np.cumsum(np.log1p(np.minimum(bets, BOLDEST / nulls) * (values - nulls)), axis=1)
        return bool(np.logaddexp.reduce(capital, axis=0).max() >= math.log(2 * len(aims) / alpha))

    below = 0.0 if population is None else float(values.sum()) / population
    above = 1.0 if population is None else below + 1 - len(values) / population
    for _ in range(40):
        middle = (below + above) / 2
        below, above = (middle, above) if refuted(middle) else (below, middle)
    return below


def _turned(value: float, low: float, high: float) -> float:
    """A number in low..high in -1..1."""
    return (2 * value - low - high) / (high - low)


def _values(values: Sequence[float] | Array, low: float, high: float, population: int | None, used: int) -> Array:
    block = np.asarray(values, dtype=np.float64)
    if not ((block >= low) & (block <= high)).all():
        raise ValueError(f"values must be numbers in {low}..{high}")
    if population is not None and used + len(block) > population:
        raise ValueError(f"{used + len(block)} values are more than the population of {population}")
    return block


def _check(alpha: float, low: float, high: float, population: int | None) -> None:
    if not low < high or not math.isfinite(high - low):
        raise ValueError(f"the range of a mean needs finite ends, low below high, not {low}..{high}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    if population is not None and population < 1:
        raise ValueError(f"a population needs at least one value, not {population}")
