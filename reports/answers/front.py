"""The Pareto front: which combinations no other one beats in both accuracy and speed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from reports.answers.deployment import LOCAL, deployment
from reports.answers.differences import Differences
from reports.answers.rows import Row
from thresholds.statistics.ranks import Pair


@dataclass(frozen=True, slots=True)
class Front:
    """Mean accuracy against output tokens/s: by the means alone, and what of it is shown.

    Attributes:
        members: Combinations than which none is at least as good in both and better in one; the most accurate first.
        dominated: By each of the others, the most accurate member that beats it.
        shown: Of these, the ones that are told apart, in accuracy or in speed, from one that beats them: by each the
            most accurate such one. Noise may explain what beats the others.
    """

    members: tuple[str, ...]
    dominated: Mapping[str, str]
    shown: Mapping[str, str] = field(default_factory=dict)


def front(rows: Iterable[Row], answers: Differences | None = None, speeds: Mapping[Pair, bool] | None = None) -> Front:
    """The front of those that have a score in every task and a speed; the others are in neither part.

    Args:
        rows: All combinations.
        answers: Which are told apart in accuracy; None where there is no interval.
        speeds: Which are told apart in speed, in either order.
    """
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
    apart = {} if answers is None else answers.told_apart

    def shown(one: str, name: str) -> bool:
        told = (apart.get((one, name)), apart.get((name, one)), (speeds or {}).get((one, name)))
        return _beats(points[one], points[name]) and True in told

    surely = {name: next((one for one in by_accuracy if shown(one, name)), None) for name in others}
    return Front(
        tuple(members),
        {name: next(one for one in members if _beats(points[one], points[name])) for name in others},
        {name: one for name, one in surely.items() if one is not None},
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
    wanted += [(dominator, name, None) for of in (found.dominated, found.shown) for name, dominator in of.items()]
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
