"""The noise floor: how far identical runs of a combination lie apart, and whether it helps to start its engine anew."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any, TypeVar

from reports.answers.scores import comparable
from reports.ledger import Ledger, RecordedLoad, RecordedRun
from reports.noise.components import Components, components
from reports.subjects import ABOUT_LOAD
from thresholds.measurement import NotMeasured, accuracy
from thresholds.speed import SPEED, STATISTICS, key
from thresholds.statistics.means import flip_rate, run_means

TOLD = tuple(key(metric, one) for metric in SPEED for one in (None, *STATISTICS) if one != "mean")
"""The values of a load that are told, in this order; a latency's mean says little that its median does not."""

Recorded = TypeVar("Recorded", RecordedRun, RecordedLoad)


@dataclass(frozen=True, slots=True)
class ScoreNoise:
    """A combination on a task, run again and again: shares of 1.

    Attributes:
        questions: Those that every run answered.
        flip_rate: Share of questions whose score differs between two runs; None for one run.
        left_out: Runs of other questions, another engine version or other hardware than the last.
    """

    combination: str
    labels: Mapping[str, Any]
    task: str
    questions: int
    flip_rate: float | None
    components: Components
    left_out: int


@dataclass(frozen=True, slots=True)
class SpeedNoise:
    """A value of a combination under a workload; the components are relative to the mean.

    Attributes:
        against: The combination beside which it was measured; None where it stood alone.
        value: The name in `LoadRun.values`.
        mean: In the unit of the value.
    """

    combination: str
    labels: Mapping[str, Any]
    workload: str
    against: str | None
    value: str
    mean: float
    components: Components
    left_out: int


@dataclass(frozen=True, slots=True)
class Noise:
    """Everything that a ledger knows about the noise of its combinations."""

    scores: tuple[ScoreNoise, ...]
    speeds: tuple[SpeedNoise, ...]


def noise_of(ledger: Ledger, pattern: str = "*") -> Noise:
    """Noise of the combinations whose id fits a pattern, over all sessions; every session started its engine anew.

    Raises:
        NotMeasured: No run of such a combination was recorded.
    """
    runs = [one for one in ledger.runs() if fnmatchcase(one.run.combination, pattern)]
    loads = [one for one in ledger.loads() if fnmatchcase(one.run.combination, pattern)]
    if not runs and not loads:
        known = sorted({one.run.combination for one in ledger.runs()} | {one.run.combination for one in ledger.loads()})
        said = f"no run of a combination that fits {pattern!r} was recorded; there are: {', '.join(known) or 'none'}"
        raise NotMeasured("no_runs", said)
    engines = _engines(ledger)
    return Noise(tuple(_scores(runs, engines)), tuple(_speeds(loads, engines)))


def _engines(ledger: Ledger) -> dict[tuple[str, str], Hashable]:
    """What may not differ between runs that are called identical, by session and combination."""
    told = (engine for session in ledger.sessions() for engine in ledger.engines(session.id))
    return {
        (one.session, one.combination): (one.description.get("engine_version"), one.description.get("hardware"))
        for one in told
    }


def _scores(runs: Sequence[RecordedRun], engines: Mapping[tuple[str, str], Hashable]) -> Iterable[ScoreNoise]:
    subjects = dict.fromkeys((one.run.combination, one.run.task) for one in runs)
    for combination, task in subjects:
        told = [one for one in runs if (one.run.combination, one.run.task) == (combination, task)]
        used = _alike(comparable(told), engines)
        try:
            measured = accuracy([one.run for one in used], {})
        except NotMeasured:
            continue
        means = run_means(measured.samples)
        yield ScoreNoise(
            combination=combination,
            labels=used[-1].labels,
            task=task,
            questions=len(measured.samples[0]),
            flip_rate=flip_rate(measured.samples),
            components=components(_by_session(used, means)),
            left_out=len(told) - len(used),
        )


def _speeds(loads: Sequence[RecordedLoad], engines: Mapping[tuple[str, str], Hashable]) -> Iterable[SpeedNoise]:
    def subject(one: RecordedLoad) -> tuple[str, str, str | None]:
        return one.run.combination, one.run.workload, one.labels.get("against")

    for combination, workload, against in dict.fromkeys(map(subject, loads)):
        told = [one for one in loads if subject(one) == (combination, workload, against) and one.run.invalid is None]
        used = _alike([one for one in told if one.run.digest == told[-1].run.digest], engines)
        for name in TOLD:
            known = [one for one in used if name in one.run.values]
            found = components(_by_session(known, [one.run.values[name] for one in known])) if known else None
            if found is None or not found.mean:
                continue
            yield SpeedNoise(
                combination=combination,
                labels={label: value for label, value in used[-1].labels.items() if label not in ABOUT_LOAD},
                workload=workload,
                against=against,
                value=name,
                mean=found.mean,
                components=_relative(found),
                left_out=len(told) - len(used),
            )


def _relative(found: Components) -> Components:
    def share(deviation: float | None) -> float | None:
        return None if deviation is None else deviation / found.mean

    return replace(
        found, mean=1.0, deviation=share(found.deviation), within=share(found.within), between=share(found.between)
    )


def _alike(told: Sequence[Recorded], engines: Mapping[tuple[str, str], Hashable]) -> list[Recorded]:
    """Those of the same engine version on the same hardware as the last one."""

    def engine(one: Recorded) -> Hashable:
        return engines.get((one.session, one.run.combination))

    return [one for one in told if engine(one) == engine(told[-1])]


def _by_session(used: Sequence[Recorded], values: Sequence[float]) -> list[list[float]]:
    both = sorted(zip((one.session for one in used), values, strict=True), key=lambda pair: pair[0])
    return [[value for _, value in group] for _, group in groupby(both, key=lambda pair: pair[0])]
