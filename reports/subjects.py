"""What a verdict speaks of, and which verdict stands after a later one on the same subject."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from thresholds.speed import SPEED
from thresholds.verdict import Verdict

ABOUT_LOAD = ("workload", "statistic", "against")
"""Labels that a load or its verdict has beside those of its combination and of the hardware."""


def about_load(verdict: Verdict) -> bool:
    """It speaks of a speed, not of answers."""
    return verdict.labels.get("workload") is not None


def latest(batches: Iterable[Sequence[Verdict]]) -> list[Verdict]:
    """The verdicts that stand: of batches in the order of their telling, those that no later batch replaces.

    A load that could not be measured has one verdict, which names no metric or no statistic: it speaks of all.
    """
    standing: list[Verdict] = []
    for batch in batches:
        told: dict[tuple[Any, ...], list[Verdict]] = defaultdict(list)
        for verdict in batch:
            told[_subject(verdict)].append(verdict)
        standing = [one for one in standing if not any(_overlap(one, later) for later in told[_subject(one)])]
        standing += batch
    return standing


def _subject(verdict: Verdict) -> tuple[Any, ...]:
    return tuple(verdict.labels.get(name) for name in ("combination", "task", "workload", "against"))


def _overlap(one: Verdict, other: Verdict) -> bool:
    if about_load(one) and not {one.metric, other.metric} <= set(SPEED):
        return True
    statistics = {one.labels.get("statistic"), other.labels.get("statistic")}
    return one.metric == other.metric and (len(statistics) == 1 or None in statistics)
