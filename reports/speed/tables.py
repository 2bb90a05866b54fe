"""Summary -> the tables about speed: who is fastest, side by side, and every metric."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from reports.answers.rank_words import ranges_explained
from reports.speed.cells import (
    asked,
    counted,
    failed,
    heading,
    headroom,
    mean,
    named,
    rank,
    required,
    runs_of,
    spread,
    title,
    verdict,
)
from reports.speed.rows import SpeedRow
from reports.speed.values import SpeedValue
from reports.summary import Summary
from reports.wording.labels import ALWAYS_SHOWN, label, short_names, telling_labels
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import signed_percent, speed_unit
from thresholds.accepted import BETWEEN_STARTS
from thresholds.measurement import Metric
from thresholds.speed import (
    ACCEPTANCE_LENGTH,
    GOODPUT,
    INTER_TOKEN_LATENCY,
    OUTPUT_TOKENS_PER_SECOND,
    REQUEST_LATENCY,
    REQUESTS_PER_SECOND,
    TIME_PER_OUTPUT_TOKEN,
    TIME_TO_FIRST_TOKEN,
    TOTAL_TOKENS_PER_SECOND,
    key,
)
from thresholds.statistics.runs import LEAST_RUNS

Cells = Mapping[str, Callable[[SpeedRow], str]]
"""Columns by their headings."""

APART = (
    f"Two speeds are told apart by {LEAST_RUNS} or more runs of each, with {100 * BETWEEN_STARTS:g} % left for what two"
    " starts of an engine may differ by."
)


def speed(summary: Summary) -> Table:
    """Who is fastest under each workload: rates, latencies, runs and headroom."""
    rows = [row for row in summary.speed if not row.repeats]
    labels = [*ALWAYS_SHOWN, *_telling_labels(rows)]
    words: Cells = {
        "workload": lambda row: row.workload,
        **{name.replace("_", " "): _labelled(name) for name in labels},
        "load": lambda row: asked(row.details),
    }
    numbers: Cells = {
        "output tokens/s": lambda row: spread(row.values.get(OUTPUT_TOKENS_PER_SECOND.name)),
        **_means(rows, TOTAL_TOKENS_PER_SECOND.name, REQUESTS_PER_SECOND.name),
        **_means(rows, key(TIME_TO_FIRST_TOKEN.name, "p50")),
        **_highest(rows, TIME_TO_FIRST_TOKEN, "p95", "p90"),
        **_means(rows, key(TIME_PER_OUTPUT_TOKEN.name, "p50"), key(INTER_TOKEN_LATENCY.name, "p50")),
        **_highest(rows, INTER_TOKEN_LATENCY, "p99", "p95", "p90"),
        **_means(rows, key(REQUEST_LATENCY.name, "p50")),
        **_if_any(rows, _means(rows, GOODPUT.name, ACCEPTANCE_LENGTH.name)),
        "runs": runs_of,
        "failed": lambda row: failed(row.details),
        "headroom": headroom,
    }
    columns = [Column("rank"), *(Column(name, TEXT) for name in words), *map(Column, numbers)]
    cells = [rank, *words.values(), *numbers.values()]
    return Table("Speed", columns, [[cell(row) for cell in cells] for row in rows], _speed_notes(rows))


def ratios(summary: Summary) -> Table:
    """What was judged side by side: a speed of one combination divided by that of another."""
    names = short_names(summary.speed)
    columns = [
        *(Column(name, TEXT) for name in ("candidate", "against", "workload", "metric")),
        *map(Column, ("ratio ± sd", "pairs", "required", "headroom")),
        Column("verdict", TEXT),
    ]
    rows = [
        [
            names[row.combination],
            names.get(row.against, row.against),
            row.workload,
            named(value),
            spread(value),
            counted(value),
            required(value),
            signed_percent(value.headroom_share),
            verdict(value),
        ]
        for row in summary.speed
        if row.against is not None
        for value in row.ratios.values()
        if value.outcome is not None
    ]
    notes = ["The candidate's value divided by that of the other; ± over pairs of runs that followed each other."]
    return Table("Side by side", columns, rows, notes)


def by_metric(summary: Summary) -> Table:
    """Every value of every load, with what was required of it; notes say why one is missing."""
    names = short_names(summary.speed)
    values = [(title(row, names), value) for row in summary.speed for value in row.values.values()]
    ranked = any(value.rank_best is not None for _, value in values)
    columns = [
        *(Column(name, TEXT) for name in ("combination, workload", "metric")),
        Column("mean ± sd"),
        Column("unit", TEXT),
        *([Column("rank")] if ranked else []),
        *map(Column, ("runs", "required", "headroom")),
        Column("verdict", TEXT),
    ]
    rows = [
        [
            of,
            key(value.metric, value.statistic),
            spread(value),
            speed_unit(value.metric, value.unit),
            *([rank(value)] if ranked else []),
            counted(value),
            required(value),
            signed_percent(value.headroom_share),
            verdict(value),
        ]
        for of, value in values
    ]
    about_ranks = ["Ranks are those of one metric within a workload.", *_told_apart(value for _, value in values)]
    notes = [*(about_ranks if ranked else []), "Headroom is a share of what is required.", *_missing(values)]
    return Table("Speed by metric", columns, rows, notes)


def _missing(values: Sequence[tuple[str, SpeedValue]]) -> list[str]:
    """Why values are missing: one note for what is missing of several loads for the same reason."""
    names: dict[tuple[str, str], list[str]] = {}
    for of, value in values:
        if value.unsupported is not None:
            names.setdefault((of, value.unsupported), []).append(named(value))
    places: dict[tuple[str, str], list[str]] = {}
    for (of, why), what in names.items():
        places.setdefault((why, ", ".join(what)), []).append(of)
    return [f"No {what}: {why} ({'; '.join(of)})." for (why, what), of in places.items()]


def _telling_labels(rows: Sequence[SpeedRow]) -> list[str]:
    """Where an engine did not start the hardware is unknown, which is no difference."""
    hardware = {row.labels.get("hardware") for row in rows} - {None}
    return [name for name in telling_labels(rows) if name != "hardware" or len(hardware) > 1]


def _labelled(name: str) -> Callable[[SpeedRow], str]:
    return lambda row: label(row, name)


def _mean_of(name: str) -> Callable[[SpeedRow], str]:
    return lambda row: mean(row.values.get(name))


def _means(rows: Sequence[SpeedRow], *names: str) -> Cells:
    return {heading(name, rows): _mean_of(name) for name in names}


def _highest(rows: Sequence[SpeedRow], metric: Metric, *wanted: str) -> Cells:
    """The highest of the percentiles that a row has; the heading names the highest that any row has."""

    def best(row: SpeedRow) -> str | None:
        return next((one for one in wanted if mean(row.values.get(key(metric.name, one))) != UNKNOWN), None)

    highest = min((wanted.index(one) for one in map(best, rows) if one), default=None)
    if highest is None:
        return {}

    def cell(row: SpeedRow) -> str:
        percentile = best(row)
        shown = mean(row.values.get(key(metric.name, percentile)))
        return shown if percentile in {None, wanted[highest]} else f"{shown} ({percentile})"

    return {heading(key(metric.name, wanted[highest]), rows): cell}


def _if_any(rows: Sequence[SpeedRow], cells: Cells) -> Cells:
    """The columns in which some row has something to say."""
    return {name: cell for name, cell in cells.items() if any(cell(row) != UNKNOWN for row in rows)}


def _told_apart(ranked: Iterable[SpeedRow | SpeedValue]) -> list[str]:
    """What their ranges of ranks mean, where any two were in one ranking."""
    places = [(one.rank, one.rank_best, one.rank_worst) for one in ranked if one.rank_best is not None]
    return [ranges_explained(places, "all pairs of a workload"), APART] if places else []


def _speed_notes(rows: Sequence[SpeedRow]) -> list[str]:
    names = short_names(rows)
    digests = {row.workload: {one.digest for one in rows if one.workload == row.workload if one.digest} for row in rows}
    return [
        "Means over the runs; ± is the run-to-run standard deviation.",
        "Ranks follow output tokens/s within a workload.",
        *_told_apart(rows),
        "TTFT: time to the first token. TPOT: time per output token of a request. ITL: time between two tokens.",
        *(
            f"Workload {workload}: not all of its rows were asked the same; compare them with care."
            for workload, asked_differently in digests.items()
            if len(asked_differently) > 1
        ),
        *(
            f"Run {run.number} of {title(row, names)} may not be used ({run.reason}): {run.message}"
            for row in rows
            for run in row.invalid
        ),
    ]
