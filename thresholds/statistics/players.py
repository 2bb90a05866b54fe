"""Who bets on a bounded mean, and how much: see `thresholds.statistics.betting`.

Which bets are made never matters for the error level, only for how soon they win. Each player aims at a mean that it
believes in, shrunken towards what it has seen, and bets what would make its capital grow fastest if values lay at the
ends and in the middle of their range only (Kelly, A New Interpretation of Information Rate, 1956).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BOLDEST = 0.8
"""Largest share of its capital that a player risks on a single value."""
EPSILON = 1e-9
"""Of the range: sums that are closer than this to what they must reach have reached it."""


@dataclass(frozen=True, slots=True)
class Player:
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

    def growth(self, seen: "Seen") -> Array:
        """Logarithm of its gain on each value."""
        mean = (seen.sums + self.belief * self.target) / (seen.counts + self.belief)
        spread = (seen.squares + self.doubt * self.spread) / (seen.counts + self.doubt)
        nulls = np.where(seen.open, seen.nulls, 0.0)
        bet = np.minimum(self.boldness * kelly(seen.left(mean), spread, nulls), BOLDEST / (nulls + 1))
        gains: Array = np.log1p(np.where(seen.open, bet * (seen.values - nulls), 0.0))
        return gains


@dataclass(frozen=True, slots=True)
class Seen:
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

    def turned(self) -> "Seen":
        """The same with the sign of every value changed."""
        return Seen(-self.values, self.counts, -self.sums, self.squares, -self.nulls, self.population)


def kelly(mean: Array, spread: Array, null: Array) -> Array:
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


def players(edge: float, known: bool, sparse: bool, bound: float) -> tuple[tuple[Player, ...], tuple[Player, ...]]:
    """Those who bet on above, and on below (their targets are turned).

    Args:
        edge: How far above the bound the mean is thought to be; those on below think of it once and twice below.
        known: Somebody said so.
        sparse: The values are differences, most of them 0.
    """
    spread, doubt = (0.1, 10.0) if sparse else (1.0, 1.0)
    above = Player(1.0, bound + edge, 300.0 if known else 50.0, spread, doubt)
    spread, doubt = (0.25, 4.0) if sparse else (1.0, 1.0)
    below = tuple(Player(0.5, times * edge - bound, 100.0, spread, doubt, 1.3) for times in (1, 2))
    return (above,), below
