"""A ranking that admits its ties: which combinations cannot be told apart on the questions that all have answered."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thresholds.statistics.means import table

Matrix = NDArray[np.float64]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Rank:
    """The place of one combination among N; 1 is the best.

    Attributes:
        rank: By value alone: 1 + the number with a higher value.
        best, worst: 1 + the number shown to be better; N - the number shown to be worse.
        ties: Those that cannot be told apart from it, best value first.
    """

    rank: int
    best: int
    worst: int
    ties: tuple[str, ...]


def compared(scores: Sequence[Sequence[float]] | Matrix) -> tuple[Matrix, Matrix]:
    """Mean differences (row minus column) and their paired errors, both [combinations, combinations].

    `scores` is [combinations, items], each a mean over runs in 0..1. The errors are those of `pairs.difference`, here
    for all pairs at once: sum d^2 = |x|^2 + |y|^2 - 2 x.y. That of a combination with itself is 0.

    Raises:
        ValueError: Without a score, with rows of different length, or with a score that is no finite number.
    """
    rows = table(scores)
    count, sums = rows.shape[1], rows.sum(axis=1)
    products = rows @ rows.T
    own = np.diag(products)
    squares = np.maximum(0.0, own[:, None] + own[None, :] - 2 * products)
    totals = sums[:, None] - sums[None, :]
    errors = np.sqrt(np.maximum(0.0, squares - totals**2 / (count + 2)) + 1) / (count + 2)
    np.fill_diagonal(errors, 0.0)
    return totals / count, errors


def p_values_of(differences: Matrix, errors: Matrix, names: Sequence[str]) -> dict[Pair, float]:
    """Two-sided normal p-value of each pair of names, in their order: P(|Z| >= |difference| / error).

    A difference with no error is certain: p is 0, or 1 when there is none.

    Raises:
        ValueError: When the matrices do not have a row and a column for each name, or hold what is no finite number.
    """
    if np.shape(differences) != (len(names),) * 2 or np.shape(errors) != (len(names),) * 2:
        raise ValueError(f"{len(names)} names need matrices of as many rows and columns")
    if not (np.isfinite(differences).all() and np.isfinite(errors).all()):
        raise ValueError("a difference or an error is not a finite number")
    pairs = zip(*(index.tolist() for index in np.triu_indices(len(names), 1)), strict=True)
    return {(names[i], names[j]): _two_sided(float(differences[i, j]), float(errors[i, j])) for i, j in pairs}


def holm(p_values: Mapping[Pair, float]) -> dict[Pair, float]:
    """Adjusted p-values: to call all those at most alpha real errs at all in a share of alpha.

    The k-th smallest of m becomes the largest of (m - j + 1) p_j over j <= k, at most 1 (Holm, Scandinavian Journal of
    Statistics 6, 1979).

    Raises:
        ValueError: For a p-value outside 0..1.
    """
    if any(not 0 <= p <= 1 for p in p_values.values()):
        raise ValueError("p-values must be numbers in 0..1")
    adjusted, largest = {}, 0.0
    for place, pair in enumerate(sorted(p_values, key=lambda pair: p_values[pair])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[pair]))
        adjusted[pair] = largest
    return adjusted


def ranks(values: Mapping[str, float], p_values: Mapping[Pair, float], alpha: float = 0.05) -> dict[str, Rank]:
    """Rank by value, higher is better; two are told apart when Holm's adjusted p-value is at most alpha.

    A pair has one p-value, in either order. A pair without one was not compared and cannot be told apart.

    Raises:
        ValueError: For a value that is no finite number, a p-value outside 0..1, of an unknown name, or given twice.
    """
    if not all(map(math.isfinite, values.values())):
        raise ValueError("only finite values can be ranked")
    for one, other in p_values:
        if one not in values or other not in values or (other, one) in p_values:
            raise ValueError(f"the pair {one!r}, {other!r} has a name without a value, or is given twice")
    apart = {pair for pair, p in holm(p_values).items() if p <= alpha}
    ordered = sorted(values, key=lambda name: -values[name])
    return {name: _rank(name, ordered, values, apart) for name in values}


def _rank(name: str, ordered: Sequence[str], values: Mapping[str, float], apart: set[Pair]) -> Rank:
    better = worse = 0
    ties = []
    for other in ordered:
        told = (name, other) in apart or (other, name) in apart
        if told and values[other] > values[name]:
            better += 1
        elif told and values[other] < values[name]:
            worse += 1
        elif other != name:
            ties.append(other)
    higher = sum(bool(values[other] > values[name]) for other in ordered)
    return Rank(1 + higher, 1 + better, len(ordered) - worse, tuple(ties))


def _two_sided(difference: float, error: float) -> float:
    if error <= 0:
        return float(difference == 0)
    return math.erfc(abs(difference) / error / math.sqrt(2))
