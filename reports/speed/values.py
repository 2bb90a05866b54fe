"""One speed of one row over its runs, with the verdict on it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from reports.answers.scores import WORST_FIRST
from thresholds.speed import SPEED, STATISTICS, LoadRun, key, ratio_of
from thresholds.verdict import Verdict


@dataclass(frozen=True, slots=True)
class SpeedValue:
    """One statistic of one metric, or its ratio to that of another combination. None is unknown.

    Attributes:
        statistic: "mean", "p50", …; None for a rate, which has one value a run.
        unit, direction: The metric's ("s", "lower"); "x" for a ratio.
        mean: Over the runs that have a value; where no run is known, what the verdict measured.
        run_to_run_deviation: Standard deviation over these runs; None for one.
        run_values: One a run, in the order of the row's `run_numbers` (of a ratio: one a pair of runs).
        unsupported: Why a run has no value.
        outcome, reason, required, low, high, headroom: Of the verdict, in `unit`.
        headroom_share: Headroom as a share of what is required.
        rank: 1 is the best mean of its workload; None where no run has a value, of a ratio, and where the row has none.
        rank_best, rank_worst: The places that it may have, as far as runs tell it apart from the others; None where
            there is no other.
        ties: The combinations from which it cannot be told apart, the best first.
    """

    metric: str
    statistic: str | None
    unit: str | None
    direction: str | None
    mean: float | None
    run_to_run_deviation: float | None
    run_values: tuple[float | None, ...]
    unsupported: str | None
    outcome: str | None
    reason: str | None
    required: float | None
    low: float | None
    high: float | None
    headroom: float | None
    headroom_share: float | None
    rank: int | None = None
    rank_best: int | None = None
    rank_worst: int | None = None
    ties: tuple[str, ...] = ()


def values_of(runs: Sequence[LoadRun], verdicts: Sequence[Verdict]) -> dict[str, SpeedValue]:
    """Every value that the runs have, lack with a reason, or were judged by; by name."""
    judged = _by_name(verdicts)
    names = _ordered([*(name for run in runs for name in (*run.values, *run.unsupported)), *judged])
    return {
        name: _value(
            name,
            tuple(run.values.get(name) for run in runs),
            next((run.unsupported[name] for run in runs if name in run.unsupported), None),
            judged.get(name, ()),
        )
        for name in names
    }


def ratios_of(pairs: Sequence[tuple[LoadRun, LoadRun]], verdicts: Sequence[Verdict]) -> dict[str, SpeedValue]:
    """Every value of the first divided by that of the second of each pair; by name."""
    judged = _by_name(verdicts)
    names = _ordered([*(name for one, other in pairs for name in one.values if name in other.values), *judged])
    return {
        name: _value(
            name,
            tuple(_divided(one.values.get(name), other.values.get(name)) for one, other in pairs),
            next((run.unsupported[name] for pair in pairs for run in pair if name in run.unsupported), None),
            judged.get(name, ()),
            ratio=True,
        )
        for name in names
    }


def tightest(values: Mapping[str, SpeedValue]) -> tuple[float | None, str | None]:
    """The least headroom, as a share of what is required, and the name of its value."""
    known = [(value.headroom_share, name) for name, value in values.items() if value.headroom_share is not None]
    return min(known, default=(None, None))


def _value(
    name: str,
    run_values: tuple[float | None, ...],
    unsupported: str | None,
    verdicts: Sequence[Verdict],
    *,
    ratio: bool = False,
) -> SpeedValue:
    metric_name, _, statistic = name.partition(".")
    metric = SPEED.get(metric_name)
    metric = ratio_of(metric) if metric and ratio else metric
    known = [value for value in run_values if value is not None]
    verdict = min(verdicts, key=lambda one: WORST_FIRST.index(one.outcome), default=None)
    told = None if verdict is None else verdict.measured
    return SpeedValue(
        metric=metric_name,
        statistic=statistic or None,
        unit=metric.unit if metric else None,
        direction=str(metric.direction) if metric else None,
        mean=math.fsum(known) / len(known) if known else told,
        run_to_run_deviation=stdev(known) if len(known) > 1 else None,
        run_values=run_values,
        unsupported=unsupported,
        outcome=str(verdict.outcome) if verdict is not None else None,
        reason=verdict.reason if verdict is not None else None,
        required=verdict.required if verdict is not None else None,
        low=verdict.low if verdict is not None else None,
        high=verdict.high if verdict is not None else None,
        headroom=verdict.headroom if verdict is not None else None,
        headroom_share=_headroom_share(verdict),
    )


def _headroom_share(verdict: Verdict | None) -> float | None:
    if verdict is None or verdict.headroom is None or not verdict.required:
        return None
    return verdict.headroom / abs(verdict.required)


def _divided(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _by_name(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    judged: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        judged.setdefault(key(verdict.metric, verdict.labels.get("statistic")), []).append(verdict)
    return judged


def _ordered(names: Iterable[str]) -> list[str]:
    """In the order of the vocabulary; what it does not know comes last."""
    metrics, statistics = list(SPEED), ["", *STATISTICS]

    def place(name: str) -> tuple[int, int, str]:
        metric, _, statistic = name.partition(".")
        return (
            metrics.index(metric) if metric in metrics else len(metrics),
            statistics.index(statistic) if statistic in statistics else len(statistics),
            name,
        )

    return sorted(set(names), key=place)
