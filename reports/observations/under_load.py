"""How fast combinations are under the same workload: who is fastest, and what one setting changed."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev

from reports.answers.changes import alone, subject_of, value_of
from reports.observations.evidence import Evidence
from reports.observations.observation import Observation
from reports.speed.rows import SpeedRow
from reports.wording.labels import short_names
from reports.wording.sentences import NOT_TOLD_APART, listed, not_told_apart, times, times_reach, tokens_per_second
from reports.wording.words import figure, rate
from thresholds.accepted import BETWEEN_STARTS
from thresholds.evidence import CONFIDENCE
from thresholds.speed import ACCEPTANCE_LENGTH, OUTPUT_TOKENS_PER_SECOND
from thresholds.statistics.runs import LEAST_RUNS, mean_reach
from thresholds.statistics.speeds import ratio_interval


def under_load(evidence: Evidence) -> Iterable[Observation]:
    """The fastest of each workload, if that is not said by what a setting changed, which is told of each setting."""
    rows = [row for row in evidence.summary.speed if not row.repeats and row.output_tokens_per_second]
    names = short_names(evidence.summary.speed)
    for workload in dict.fromkeys(row.workload for row in rows):
        alike = [row for row in rows if row.workload == workload]
        alike = [row for row in alike if _asked(row) == _asked(alike[0])]
        pairs = alone(alike)
        if len(alike) > 1 and not any({before, after} == {*map(id, alike[:2])} for before, after in _ids(pairs)):
            yield _fastest(names, *alike)
        yield from (_changed(setting, before, after) for setting, before, after in pairs)


def _ids(pairs: Sequence[tuple[str, SpeedRow, SpeedRow]]) -> list[tuple[int, int]]:
    return [(id(before), id(after)) for _, before, after in pairs]


def _fastest(names: Mapping[str, str], first: SpeedRow, second: SpeedRow, *others: SpeedRow) -> Observation:
    tied = [row for row in (second, *others) if row.combination in first.ties]
    said = (
        f"Under {first.workload}, {names[first.combination]} {'comes first' if tied else 'is the fastest'}:"
        f" {_compared(second, first)} of {names[second.combination]}."
    )
    if tied not in ([], [second]):
        whom = "any other" if len(tied) == 1 + len(others) else listed([names[row.combination] for row in tied])
        said += f" It cannot be told apart from {whom}."
    return Observation("fastest_under_load", said, (first.combination, second.combination), _numbers(second, first))


def _changed(setting: str, before: SpeedRow, after: SpeedRow) -> Observation:
    said = (
        f"Under {after.workload}, {subject_of(before, setting)}: {setting} {value_of(after, setting)} instead of"
        f" {value_of(before, setting)} has {_compared(before, after)}{_accepted(after)}."
    )
    about = (after.combination, before.combination)
    return Observation("setting_under_load", said, about, {"setting": setting, **_numbers(before, after)})


def _asked(row: SpeedRow) -> tuple[object, ...]:
    return row.digest, row.labels.get("hardware")


def _compared(before: SpeedRow, after: SpeedRow) -> str:
    sides = [row.output_tokens_per_second or 0.0 for row in (after, before)]
    both = f"{rate(sides[0])} against {tokens_per_second(sides[1])}"
    value = fmean(paired) if (paired := _paired(before, after)) else sides[0] / sides[1]
    return f"{times(value)} the output ({'; '.join([both, *_known(before, after)])})"


def _known(before: SpeedRow, after: SpeedRow) -> list[str]:
    """The interval of the ratio over runs, and whether the two are told apart."""
    reach = _reach(before, after)
    if reach is None:
        return ["too few runs for an interval"]
    if before.combination not in after.ties:
        return [times_reach(*reach)]
    few = min(len(_runs(row)) for row in (before, after)) < LEAST_RUNS
    tied = f"{NOT_TOLD_APART}: fewer than {LEAST_RUNS} runs" if few else not_told_apart(*reach)
    if _paired(before, after) and not few and not reach[0] <= 1 <= reach[1]:
        tied = f"{NOT_TOLD_APART} by rank, which allows for other starts and all pairs"
    return [times_reach(*reach), tied]


def _paired(before: SpeedRow, after: SpeedRow) -> Sequence[float]:
    """The ratios that tables tell, by runs that followed each other, where one was measured beside the other."""
    found = after.ratios.get(OUTPUT_TOKENS_PER_SECOND.name) if after.against == before.combination else None
    return [] if found is None else [value for value in found.run_values if value]


def _reach(before: SpeedRow, after: SpeedRow) -> tuple[float, float] | None:
    if paired := _paired(before, after):
        if len(paired) < LEAST_RUNS or len(set(paired)) == 1:  # equal ones are no certainty
            return None
        reach = mean_reach(len(paired), stdev(paired), 0.5 + CONFIDENCE / 2)
        return fmean(paired) - reach, fmean(paired) + reach
    sides = [_runs(row) for row in (after, before)]
    return ratio_interval(sides[0], sides[1], BETWEEN_STARTS, CONFIDENCE) if all(sides) else None


def _runs(row: SpeedRow) -> Sequence[float]:
    return [value for value in row.values[OUTPUT_TOKENS_PER_SECOND.name].run_values if value]


def _accepted(row: SpeedRow) -> str:
    found = row.values.get(ACCEPTANCE_LENGTH.name)
    return "" if found is None or found.mean is None else f", {figure(found.mean)} tokens a step"


def _numbers(before: SpeedRow, after: SpeedRow) -> dict[str, object]:
    reach = _reach(before, after)
    return {
        "workload": after.workload,
        "before": before.output_tokens_per_second,
        "after": after.output_tokens_per_second,
        "told_apart": before.combination not in after.ties,
        "low": None if reach is None else reach[0],
        "high": None if reach is None else reach[1],
    }
