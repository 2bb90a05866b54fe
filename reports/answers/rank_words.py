"""Ranks as people read them."""

from collections.abc import Iterable

from reports.wording.layout import UNKNOWN

Ranked = tuple[int | None, int | None, int | None]
"""A rank, and the best and the worst place that it may be in truth; None is unknown, or was not compared."""


def place(rank: int | None, best: int | None, worst: int | None) -> str:
    """2 (1-3): the rank by the mean, and the places among which it cannot be told apart; alone where it is sure."""
    if rank is None:
        return UNKNOWN
    return str(rank) if best == worst else f"{rank} ({best}-{worst})"


def ranges_explained(ranked: Iterable[Ranked], pairs: str = "all pairs together") -> str:
    """What a range means, by the example of the first in the table; `pairs` were judged together."""
    told = f"5 % over {pairs}; Holm"
    example = next((one for one in ranked if one[1] != one[2]), None)
    if example is None:
        return f"Every two are told apart ({told})."
    rank, best, worst = example
    return f"Rank {place(*example)}: {rank} by the mean, {best} to {worst} by what can be told apart ({told})."
