"""Decide early, at any time, without more wrong decisions: bets on a bounded mean.

Bet on every value, before it is seen, that it lies above m: a capital of 1 is multiplied by 1 + lambda_t (x_t - m). If
the mean is m or less, nobody can expect to gain, whatever the bets: the capital is an e-process, and it ever reaches
1 / alpha with a chance of at most alpha (Ville, 1939). So it may be looked at after every value, and the first time it
gets there decides (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, JRSS B 86, 2024).

Without replacement from N values with mean m, those left after t - 1 have the mean
m_t = (N m - S_{t-1}) / (N - t + 1), and the bets are against m_t.

Which bets are made never matters for the error level, only for how soon they win. Each player here aims at a mean that
it believes in, shrunken towards what it has seen, and bets what would make its capital grow fastest if values lay at
the ends and in the middle of their range only (Kelly, A New Interpretation of Information Rate, 1956).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BOLDEST = 0.8
"""Largest share of its capital that a player risks on a single value."""
EPSILON = 1e-9
"""Of the range: sums that are closer than this to what they must reach have reached it."""
NEAR = 1 / 40
"""Of the range: how far from the bound the mean is thought to be when nobody has said where it is."""


@dataclass(frozen=True, slots=True)
class _Player:
    """Who bets on one side, in a range turned so that this side is above, from -1 to 1.

    Attributes:
        capital: What it starts with; the players of a side start with 1 together.
        target: The mean that it believes in at first, worth `belief` values.
        spread: The mean square that it believes in at first, worth `doubt` values.
        boldness: A multiple of the bet that is best on what it believes.
    """

    capital: float
    target: float
    belief: float
    spread: float
    doubt: float
    boldness: float = 1.0

    def growth(self, seen: "_Seen") -> Array:
        """Logarithm of its gain on each value."""
        mean = (seen.sums + self.belief * self.target) / (seen.counts + self.belief)
        spread = (seen.squares + self.doubt * self.spread) / (seen.counts + self.doubt)
        nulls = np.where(seen.open, seen.nulls, 0.0)
        bet = np.minimum(self.boldness * _kelly(seen.left(mean), spread, nulls), BOLDEST / (nulls + 1))
        gains: Array = np.log1p(np.where(seen.open, bet * (seen.values - nulls), 0.0))
        return gains


@dataclass(frozen=True, slots=True)
class _Seen:
    """A block of values in -1..1, and what was known before each of them.

    Attributes:
        counts, sums, squares: Of the values before.
        nulls: The mean of what is left if the whole has the bound's; where `open`, it is possible.
    """

    values: Array
    counts: Array
    sums: Array
    squares: Array
    nulls: Array
    population: int | None

    @property
    def open(self) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = np.abs(self.nulls) < 1 - EPSILON
        return inside

    def left(self, mean: Array) -> Array:
        """The mean of what is left if the whole has this one."""
        if self.population is None:
            return mean
        return (self.population * mean - self.sums) / (self.population - self.counts)

    def turned(self) -> "_Seen":
        """The same with the sign of every value changed."""
        return _Seen(-self.values, self.counts, -self.sums, self.squares, -self.nulls, self.population)


def _kelly(mean: Array, spread: Array, null: Array) -> Array:
    """The bet on values above `null` that grows fastest if they are -1, 0 or 1 with this mean and mean square.

    It solves E[y / (1 + bet y)] = 0 for y = x - null, a quadratic equation; 0 when the mean is not above `null`.
    """
    mean = np.clip(mean, -1, 1)
    spread = np.clip(spread, np.abs(mean), 1)
    worst, middle, best = null + 1, -null, 1 - null
    low, high = (spread - mean) / 2, (spread + mean) / 2
    edge = mean - null
    slope = -low * worst * (middle + best) + (1 - spread) * middle * (best - worst) + high * best * (middle - worst)
    root = np.sqrt(np.maximum(0.0, slope**2 + 4 * worst * middle * best * edge))
    return np.where(edge > 0, 2 * edge / np.maximum(root - slope, EPSILON), 0.0)


def _players(edge: float, known: bool, sparse: bool, bound: float) -> tuple[tuple[_Player, ...], tuple[_Player, ...]]:
    """Those who bet on above, and on below (their targets are turned).

    Args:
        edge: How far above the bound the mean is thought to be; those on below think of it once and twice below.
        known: Somebody said so.
        sparse: The values are differences, most of them 0.
    """
    spread, doubt = (0.1, 10.0) if sparse else (1.0, 1.0)
    above = _Player(1.0, bound + edge, 300.0 if known else 50.0, spread, doubt)
    spread, doubt = (0.25, 4.0) if sparse else (1.0, 1.0)
    below = tuple(_Player(0.5, times * edge - bound, 100.0, spread, doubt, 1.3) for times in (1, 2))
    return (above,), below


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
        self._sides = _players(edge if edge > 0 else 2 * NEAR, edge > 0, sparse, turned)
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

    def _seen(self, values: Array) -> _Seen:
        counts = self.used + np.arange(len(values), dtype=np.float64)
        sums = self._turned_sum + np.concatenate([[0.0], np.cumsum(values[:-1])])
        squares = self._squares + np.concatenate([[0.0], np.cumsum(values[:-1] ** 2)])
        bound = np.full(len(values), _turned(self.bound, self.low, self.high))
        seen = _Seen(values, counts, sums, squares, bound, self.population)
        return replace(seen, nulls=seen.left(bound))

    def _decide(self, seen: _Seen, shown: NDArray[np.bool_]) -> None:
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

    The means against which a hedged capital has never reached 2 / alpha on its side, with the bets
    lambda_t = sqrt(2 ln(2 / alpha) / (v_{t-1} t ln(t + 1))), v_{t-1} the variance before it (Waudby-Smith and Ramdas,
    2024, section 4.2 and, without replacement, section 5). Intersected over time, so that it never widens, and with
    what the values left can still change. Before the first value it is low..high.

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
    ends = sorted(low + end * (high - low) for end in (lowest, highest))
    return max(low, ends[0]), min(high, ends[1])


def _lower_bound(values: Array, alpha: float, population: int | None) -> float:
    """The largest mean that the capital of who bets on more has refuted; values in 0..1."""
    count = np.arange(len(values), dtype=np.float64)
    sums = np.cumsum(values) - values
    distances = (values - (0.5 + sums + values) / (count + 2)) ** 2
    spreads = (0.25 + np.cumsum(distances) - distances) / (count + 1)
    bets = np.sqrt(2 * math.log(2 / alpha) / (spreads * (count + 1) * np.log(count + 2)))

    def refuted(mean: float) -> bool:
        null = mean if population is None else (population * mean - sums) / (population - count)
        if np.any(null <= 0):
            return True
        capital = np.cumsum(np.log1p(np.minimum(bets, BOLDEST / null) * (values - null)))
        return bool(capital.max() >= math.log(2 / alpha))

    below = 0.0 if population is None else float(values.sum()) / population
    above = 1.0 if population is None else below + 1 - len(values) / population
    for _ in range(50):
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
