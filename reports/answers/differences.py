"""How much better one combination answers than another, for all pairs at once, and which pairs can be told apart."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thresholds.evidence import CONFIDENCE
from thresholds.statistics.means import two_sided
from thresholds.statistics.ranks import Pair, holm, p_values_of

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gap:
    """How much better `first` answers than `second`. Shares of 1; None is unknown.

    Attributes:
        task: None for the mean over the tasks that both have.
        difference: First minus second; low, high: its 95 % interval about other questions of this kind.
        paired: Question by question; else by their own errors, which is wider than the truth.
        told_apart: Together with all other pairs of this task at 5 % (Holm).
    """

    first: str
    second: str
    task: str | None
    difference: float
    low: float | None
    high: float | None
    paired: bool
    told_apart: bool | None


@dataclass(frozen=True)
class Differences:
    """All pairs of some combinations on a task, or over tasks.

    Attributes:
        values, errors: Row minus column, and its standard error, [combinations, combinations]; NaN is unknown.
        apart: Which of them were not paired question by question.
    """

    names: tuple[str, ...]
    values: Matrix
    errors: Matrix
    apart: NDArray[np.bool_]

    @cached_property
    def at(self) -> dict[str, int]:
        """The row and column of each name."""
        return {name: position for position, name in enumerate(self.names)}

    @cached_property
    def p_values(self) -> dict[Pair, float]:
        """Of no difference, of the pairs that were compared."""
        unknown = ~np.isfinite(self.errors) | ~np.isfinite(self.values)
        values, errors = np.where(unknown, 0.0, self.values), np.where(unknown, 1.0, self.errors)
        found = p_values_of(values, errors, self.names)
        return {pair: p for pair, p in found.items() if not unknown[self.at[pair[0]], self.at[pair[1]]]}

    @cached_property
    def told_apart(self) -> dict[Pair, bool]:
        """Of the pairs that were compared, all of them judged together."""
        return {pair: p <= 1 - CONFIDENCE for pair, p in holm(self.p_values).items()}

    def gap(self, first: str, second: str, task: str | None) -> Gap:
        """One of the pairs."""
        i, j = self.at[first], self.at[second]
        value, error = float(self.values[i, j]), float(self.errors[i, j])
        reach = two_sided(CONFIDENCE) * error if math.isfinite(error) else None
        return Gap(
            first=first,
            second=second,
            task=task,
            difference=value,
            low=None if reach is None else max(-1.0, value - reach),
            high=None if reach is None else min(1.0, value + reach),
            paired=not bool(self.apart[i, j]),
            told_apart=self.told_apart.get((first, second), self.told_apart.get((second, first))),
        )


def unpaired(means: Mapping[str, float], errors: Mapping[str, float | None]) -> Differences:
    """Of combinations of which only means and their errors are known: the error is sqrt(e_1^2 + e_2^2)."""
    values = np.array(list(means.values()), dtype=np.float64)
    own = np.array([errors[name] for name in means], dtype=np.float64)
    size = (len(values), len(values))
    return Differences(
        tuple(means), values[:, None] - values[None, :], np.hypot(own[:, None], own[None, :]), np.ones(size, np.bool_)
    )


def over_tasks(found: Sequence[Differences]) -> Differences:
    """The mean of T tasks that all of the same combinations have; the error is sqrt(sum e_t^2) / T."""
    return Differences(
        found[0].names,
        np.asarray(np.mean([one.values for one in found], axis=0)),
        np.asarray(np.sqrt(np.sum([one.errors**2 for one in found], axis=0)) / len(found)),
        np.asarray(np.any([one.apart for one in found], axis=0)),
    )


def of_two(by_task: Mapping[str, Differences], first: str, second: str) -> tuple[float, float, bool] | None:
    """Difference, error and whether they were not paired, over the tasks that both have; None where there is none."""
    shared = [(one, one.at[first], one.at[second]) for one in by_task.values() if first in one.at and second in one.at]
    if not shared:
        return None
    values = [float(one.values[i, j]) for one, i, j in shared]
    errors = [float(one.errors[i, j]) for one, i, j in shared]
    return (
        math.fsum(values) / len(shared),
        math.hypot(*errors) / len(shared),
        any(bool(one.apart[i, j]) for one, i, j in shared),
    )


def gaps(
    by_task: Mapping[str, Differences], overall: Differences | None, wanted: Iterable[tuple[str, str, str | None]]
) -> tuple[Gap, ...]:
    """The wanted pairs (first, second, task or None) of those that were compared, each once."""
    found = []
    for first, second, task in dict.fromkeys(wanted):
        of = overall if task is None else by_task.get(task)
        if of is not None and first in of.at and second in of.at and first != second:
            found.append(of.gap(first, second, task))
    return tuple(found)
