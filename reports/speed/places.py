"""Where every speed stands among those of its workload, as far as runs tell them apart."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reports.speed.values import SpeedValue
from thresholds.accepted import BETWEEN_STARTS
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import Direction
from thresholds.statistics.ranks import Pair, ranks
from thresholds.statistics.runs import LEAST_RUNS
from thresholds.statistics.speeds import p_values_of_runs

Values = Mapping[str, SpeedValue]


@dataclass(frozen=True, slots=True)
class Contender:
    """A combination under a workload: what it was asked, and its values by name."""

    asked: str | None
    values: Values


def placed(contenders: Mapping[str, Contender]) -> dict[str, Values]:
    """The values of the combinations of one workload, each with its place among those of the same name.

    All pairs of one value are judged together at 5 % (Holm, as answers are), by `p_values_of_runs`. A combination with
    fewer than 3 runs of a value, and those that were asked other things, are told apart from none.
    """
    found: dict[str, dict[str, SpeedValue]] = {one: dict(of.values) for one, of in contenders.items()}
    for name in dict.fromkeys(name for of in contenders.values() for name in of.values):
        told = {one: of.values[name] for one, of in contenders.items() if name in of.values}
        for one, value in _placed(told, {one: contenders[one].asked for one in told}).items():
            found[one][name] = value
    return dict(found)


def _placed(told: Mapping[str, SpeedValue], asked: Mapping[str, str | None]) -> dict[str, SpeedValue]:
    signed = {
        one: sign * value.mean for one, value in told.items() if value.mean is not None and (sign := _sign(value))
    }
    places = ranks(signed, _p_values({one: told[one] for one in signed}, asked), 1 - CONFIDENCE)
    alone = len(places) == 1
    return {
        one: replace(
            told[one],
            rank=place.rank,
            rank_best=None if alone else place.best,
            rank_worst=None if alone else place.worst,
            ties=place.ties,
        )
        for one, place in places.items()
    }


def _sign(value: SpeedValue) -> int:
    """1 where more is better; 0 of what is not known, and of what no run has measured."""
    if value.direction is None or all(one is None for one in value.run_values):
        return 0
    return 1 if value.direction == Direction.HIGHER else -1


def _p_values(told: Mapping[str, SpeedValue], asked: Mapping[str, str | None]) -> dict[Pair, float]:
    found: dict[Pair, float] = {}
    for same in dict.fromkeys(asked.values()):
        runs = {
            one: known
            for one, value in told.items()
            if asked[one] == same and len(known := [run for run in value.run_values if run is not None]) >= LEAST_RUNS
        }
        found |= p_values_of_runs(runs, BETWEEN_STARTS)
    return found
