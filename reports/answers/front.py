"""The Pareto front: which combinations no other one beats in both accuracy and speed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reports.answers.deployment import LOCAL, deployment
from reports.answers.rows import Row


@dataclass(frozen=True, slots=True)
class Front:
    """Mean accuracy against output tokens/s, by the means alone: what noise may explain is for the intervals to say.

    Attributes:
        members: Combinations than which none is at least as good in both and better in one; the most accurate first.
        dominated: By each of the others, the most accurate member that beats it.
    """

    members: tuple[str, ...]
    dominated: Mapping[str, str]


def front(rows: Iterable[Row]) -> Front:
    """The front of those that have a score in every task and a speed; the others are in neither part."""
    points = {
        row.combination: (row.mean, row.output_tokens_per_second)
        for row in rows
        if row.mean is not None and row.output_tokens_per_second is not None and not row.missing
    }
    by_accuracy = sorted(points, key=lambda name: points[name], reverse=True)
    members: list[str] = []
    for name in by_accuracy:
        if not any(_beats(points[one], points[name]) for one in members):
            members.append(name)
    others = [name for name in by_accuracy if name not in members]
    return Front(
        tuple(members),
        {name: next(one for one in members if _beats(points[one], points[name])) for name in others},
    )


def compared(rows: Sequence[Row], tasks: Iterable[str], found: Front) -> list[tuple[str, str, str | None]]:
    """Which differences a Summary tells, as first, second and task: see `Summary.gaps`."""
    wanted: list[tuple[str, str, str | None]] = []
    for task in (None, *tasks):
        means = {row.combination: _mean(row, task) for row in rows}
        ordered = sorted(
            (name for name, mean in means.items() if mean is not None), key=lambda name: -(means[name] or 0)
        )
        wanted += [(ordered[0], other, task) for other in ordered[1:]]
    wanted += [(dominator, name, None) for name, dominator in found.dominated.items()]
    wanted += [(one, other, None) for one, other in pairwise(found.members)]
    return wanted + _best_apart(rows)


def _mean(row: Row, task: str | None) -> float | None:
    if task is None:
        return None if row.missing else row.mean
    return row.tasks[task].mean if task in row.tasks else None


def _best_apart(rows: Sequence[Row]) -> list[tuple[str, str, str | None]]:
    """The best that runs here against the others that do; the best of all is among them where all do."""
    here = [row.combination for row in rows if deployment(row) == LOCAL and _mean(row, None) is not None]
    return [(here[0], other, None) for other in here[1:]]


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] >= other[0] and one[1] >= other[1]
