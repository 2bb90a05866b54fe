"""How fast answers came, run by run, and how much faster one combination was than another."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from reports.answers.run_rows import RunRow
from thresholds.accepted import BETWEEN_STARTS
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.ranks import Pair, holm
from thresholds.statistics.speeds import p_values_of_runs, ratio_interval


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as fast one is as another, by the means over runs of output tokens/s while answering.

    Attributes:
        before, after: Tokens/s.
        low, high: 95 % interval of the ratio over other runs and other starts of both; None with a single run on either
            side.
        p_value: Of no difference, by the same error; None with a single run.
        told_apart: By that at 5 %, together with everything that it is told beside (Holm).
    """

    before: float
    after: float
    low: float | None
    high: float | None
    p_value: float | None = None
    told_apart: bool | None = None

    @property
    def value(self) -> float:
        """After divided by before."""
        return self.after / self.before


def tasks_timed(runs: Iterable[RunRow]) -> set[str]:
    """The tasks of which some run has a speed."""
    return {run.task for run in runs if run.completion_tokens_per_second}


def speeds(runs: Iterable[RunRow], tasks: Collection[str]) -> list[float]:
    """Output tokens/s of each repetition over these tasks: the first run of each, then the second.

    All tokens of a repetition by all their time; where only rates are known, a rate that all of its tasks share.
    """
    by_task: dict[str, list[RunRow]] = defaultdict(list)
    for run in runs:
        if run.task in tasks and run.completion_tokens_per_second:
            by_task[run.task].append(run)
    if len(by_task) < len(set(tasks)):
        return []
    found = (_rate(repetition) for repetition in zip(*by_task.values(), strict=False))
    return [rate for rate in found if rate]


def alike(before: Sequence[RunRow], after: Sequence[RunRow], labels: Collection[str]) -> list[list[RunRow]]:
    """The runs of both that have a counterpart made alike, by these of their labels; two empty lists without any."""

    def made(run: RunRow) -> tuple[object, ...]:
        return tuple(run.labels.get(name) for name in labels)

    both = {made(run) for run in before} & {made(run) for run in after}
    return [[run for run in runs if made(run) in both] for runs in (before, after)]


def ratio(before: Sequence[RunRow], after: Sequence[RunRow]) -> Ratio | None:
    """How many times as fast the second is on the tasks that both have a speed of; None where they share none."""
    shared = tasks_timed(before) & tasks_timed(after)
    sides = [speeds(runs, shared) for runs in (before, after)] if shared else [[], []]
    if not all(sides):
        return None
    low, high = ratio_interval(sides[1], sides[0], BETWEEN_STARTS, CONFIDENCE) or (None, None)
    p_value = p_values_of_runs(dict(zip(("before", "after"), sides, strict=True)), BETWEEN_STARTS).get(
        ("before", "after")
    )
    return judged([Ratio(fmean(sides[0]), fmean(sides[1]), low, high, p_value)])[0]


def judged(ratios: Sequence[Ratio]) -> list[Ratio]:
    """The same ratios, told apart from 1 together."""
    p_values = {(str(place), ""): one.p_value for place, one in enumerate(ratios) if one.p_value is not None}
    apart = {int(place): p <= 1 - CONFIDENCE for (place, _), p in holm(p_values).items()}
    return [replace(one, told_apart=apart.get(place)) for place, one in enumerate(ratios)]


def speeds_apart(runs: Iterable[RunRow]) -> dict[Pair, bool]:
    """Of each two combinations with two or more timed runs whether their speeds differ, in either order.

    Over all tasks of which any has a speed, by those that have one of each; all pairs together at 5 % (Holm).
    """
    made: dict[str, list[RunRow]] = defaultdict(list)
    for run in runs:
        made[run.combination].append(run)
    timed = set[str]().union(*map(tasks_timed, made.values()))
    each = {name: speeds(own, timed) for name, own in made.items()} if timed else {}
    apart = {pair: p <= 1 - CONFIDENCE for pair, p in holm(p_values_of_runs(each, BETWEEN_STARTS)).items()}
    return apart | {(other, one): told for (one, other), told in apart.items()}


def _rate(repetition: Sequence[RunRow]) -> float | None:
    known = [(run.completion_tokens, run.completion_tokens_per_second) for run in repetition]
    seconds = math.fsum(tokens / rate for tokens, rate in known if tokens and rate)
    if seconds and all(tokens for tokens, _ in known):
        return sum(tokens for tokens, _ in known if tokens) / seconds
    rates = {rate for _, rate in known if rate}
    return rates.pop() if len(rates) == 1 else None
