"""The cells that tables about speed share."""

from collections.abc import Mapping, Sequence

from reports.answers.rank_words import place
from reports.speed.load_details import LoadDetails
from reports.speed.rows import SpeedRow
from reports.speed.values import SpeedValue
from reports.wording.layout import UNKNOWN
from reports.wording.words import (
    count,
    figure,
    figure_spread,
    in_speed_unit,
    runs,
    signed_percent,
    speed_name,
    speed_unit,
)
from thresholds.speed import key

REFERENCE = "(reference)"


def mean(value: SpeedValue | None) -> str:
    """The mean in the unit that the heading names."""
    return UNKNOWN if value is None else figure(in_speed_unit(value.mean, value.metric, value.unit))


def spread(value: SpeedValue | None) -> str:
    """The mean and its run-to-run standard deviation."""
    if value is None:
        return UNKNOWN
    numbers = (in_speed_unit(one, value.metric, value.unit) for one in (value.mean, value.run_to_run_deviation))
    return figure_spread(*numbers)


def required(value: SpeedValue) -> str:
    """The floor or ceiling, with the side on which the value must be."""
    if value.required is None:
        return UNKNOWN
    sign = "<=" if value.direction == "lower" else ">="
    return f"{sign} {figure(in_speed_unit(value.required, value.metric, value.unit))}"


def verdict(value: SpeedValue) -> str:
    """The outcome, with the reason of one that is not PASS."""
    if value.outcome is None:
        return UNKNOWN
    return value.outcome if value.outcome == "PASS" else f"{value.outcome} ({value.reason})"


def counted(value: SpeedValue) -> str:
    """How many runs have the value, and of how many when some have not."""
    known, made = sum(one is not None for one in value.run_values), len(value.run_values)
    if not known:
        return UNKNOWN
    return str(known) if known == made else f"{known} of {made}"


def named(value: SpeedValue) -> str:
    """The metric and its statistic."""
    return speed_name(key(value.metric, value.statistic))


def heading(name: str, rows: Sequence[SpeedRow]) -> str:
    """A value's name, with the unit where it is one of time."""
    values = [row.values[name] for row in rows if name in row.values]
    units = {speed_unit(value.metric, value.unit) for value in values} & {"ms", "s"}
    return " ".join([speed_name(name), *units])


def rank(ranked: SpeedRow | SpeedValue) -> str:
    """The place in its workload, as the ranking by answers tells it."""
    return place(ranked.rank, ranked.rank_best, ranked.rank_worst)


def asked(details: LoadDetails | None) -> str:
    """Requests per second, or requests under way."""
    if details is None:
        return UNKNOWN
    said = [
        None if details.rate is None else f"{details.rate:g} requests/s",
        None
        if details.streams is None
        else f"{count(details.streams)} {'stream' if details.streams == 1 else 'streams'}",
    ]
    return ", ".join(one for one in said if one) or UNKNOWN


def runs_of(row: SpeedRow) -> str:
    """The valid runs, those of earlier sessions, and the invalid ones."""
    shown = runs(len(row.run_numbers), row.earlier_runs)
    return f"{shown} ({len(row.invalid)} invalid)" if row.invalid else shown


def failed(details: LoadDetails | None) -> str:
    """Requests without a whole answer."""
    return UNKNOWN if details is None else count(sum(details.failures.values()))


def headroom(row: SpeedRow) -> str:
    """The least headroom of the row's verdicts, and whose it is."""
    if row.headroom_value is None:
        return UNKNOWN
    ratio = "" if row.against is None else " ratio"
    return f"{signed_percent(row.headroom)} ({speed_name(row.headroom_value)}{ratio})"


def beside(row: SpeedRow, names: Mapping[str, str]) -> str:
    """Beside which combination it was measured, if beside any."""
    if row.against is None:
        return UNKNOWN
    return REFERENCE if row.against == row.combination else names.get(row.against, row.against)


def title(row: SpeedRow, names: Mapping[str, str]) -> str:
    """What tells a row from all others."""
    other = beside(row, names)
    joined = {UNKNOWN: "", REFERENCE: f" {REFERENCE}"}.get(other, f" beside {other}")
    return f"{names[row.combination]}{joined}, {row.workload}"
