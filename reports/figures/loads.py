"""Loads: latency percentiles, and how latency grows with throughput."""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import altair as alt

from reports.figures.axes import speed_axis
from reports.figures.figure import Figure
from reports.figures.marks import (
    below,
    chart,
    colour,
    dash,
    faded,
    finished,
    layered,
    panel_title,
    picked,
    shape,
    whisker,
)
from reports.figures.names import drawable
from reports.figures.theme import COLOURS, SHAPES
from reports.figures.tips import TOOLTIP, with_tips
from reports.speed.cells import asked, rank
from reports.speed.rows import SpeedRow
from reports.speed.values import SpeedValue
from reports.summary import Summary
from reports.wording.words import in_speed_unit, speed_name
from thresholds.speed import LATENCIES, OUTPUT_TOKENS_PER_SECOND, PERCENTILES, key

SPREAD = "Bars: ± standard deviation from run to run; a single run has none."
TYPICAL = "p50"
FEW = len(COLOURS)
MANY = 20
"""Combinations of which each percentile has a line of its own no more."""


def loads(summary: Summary, names: Mapping[str, str]) -> list[Figure]:
    """Percentiles of every load; and the curve, where a combination was put under several loads of a kind."""
    rows = [row for row in summary.speed if not row.repeats and row.run_numbers]
    return [*_percentiles(rows, names), *_curves(rows, names)]


def spread(value: SpeedValue) -> tuple[float | None, float | None, float | None]:
    """Mean and one standard deviation to either side, in the unit that is shown."""
    deviation = value.run_to_run_deviation
    ends: tuple[float | None, float | None, float | None] = (value.mean, None, None)
    if value.mean is not None and deviation is not None:
        ends = (value.mean, max(0.0, value.mean - deviation), value.mean + deviation)
    mean, low, high = (in_speed_unit(end, value.metric, value.unit) for end in ends)
    return mean, low, high


def _percentiles(rows: Sequence[SpeedRow], names: Mapping[str, str]) -> list[Figure]:
    data = [
        _datum(row, row.values[key(metric.name, one)], names)
        for row in rows
        for metric in LATENCIES
        for one in PERCENTILES
        if key(metric.name, one) in row.values and row.values[key(metric.name, one)].mean is not None
    ]
    if not data:
        return []
    data = _told(data)
    present, bands = {str(datum["statistic"]) for datum in data}, []
    for workload in dict.fromkeys(datum["workload"] for datum in data):
        here = [datum for datum in data if datum["workload"] == workload]
        metrics = list(dict.fromkeys(datum["metric"] for datum in here))
        bands.append(
            alt.hconcat(
                *(_dots(here, metric, number, present) for number, metric in enumerate(metrics)), spacing=14
            ).resolve_scale(yOffset="independent")
        )
    caption = (
        f"Means over {_counted(data)} of each run's percentile. {SPREAD}"
        " A percentile that too few requests support is left out."
    )
    drawn = alt.vconcat(*bands, spacing=24).resolve_scale(yOffset="independent")
    return [Figure("latency-percentiles", "Latency percentiles under load", caption, finished(drawn))]


def _datum(row: SpeedRow, value: SpeedValue, names: Mapping[str, str]) -> dict[str, Any]:
    mean, low, high = spread(value)
    runs = len(row.run_numbers)
    requests = "" if row.details is None else f", {row.details.requests:,} requests"
    return {
        "name": names[row.combination],
        "whole": drawable(row.combination),
        "workload": row.workload,
        "metric": f"{speed_name(value.metric)} (ms)",
        "statistic": value.statistic,
        "rank": rank(value),
        "value": mean,
        "low": low,
        "high": high,
        "load": asked(row.details),
        "runs": runs,
        "n": f"{runs} {'run' if runs == 1 else 'runs'}{requests}",
    }


def _dots(here: Sequence[dict[str, Any]], metric: str, number: int, present: AbstractSet[str]) -> alt.LayerChart:
    data = [datum for datum in here if datum["metric"] == metric]
    lines = list(dict.fromkeys(datum["name"] for datum in here))
    shown = [one for one in PERCENTILES if any(datum["statistic"] == one for datum in here)]
    labels = alt.Axis(labelLimit=0, ticks=False, domain=False, grid=False, labelPadding=6) if number == 0 else None
    scale = speed_axis([datum[end] for datum in data for end in ("value", "low", "high")]).scale
    base = chart(data).encode(
        y=alt.Y("name:N", sort=None, scale=alt.Scale(domain=lines, type="band", padding=0.2), title=None, axis=labels),
    )
    if len(lines) <= MANY:
        apart = alt.Scale(domain=shown, type="point", padding=0.5)
        base = base.encode(yOffset=alt.YOffset("statistic:N", sort=None, scale=apart))
    every = [one for one in PERCENTILES if one in present]
    look = alt.Legend(orient="bottom", title=None)
    dots = base.mark_point(filled=True, size=52, opacity=1, tooltip=TOOLTIP).encode(
        x=alt.X("value:Q", title=metric, scale=scale, axis=alt.Axis(tickCount=4)),
        color=alt.Color("statistic:N", scale=alt.Scale(domain=every, range=list(COLOURS[: len(every)])), legend=look),
        shape=alt.Shape("statistic:N", scale=alt.Scale(domain=every, range=list(SHAPES[: len(every)])), legend=look),
    )
    of = here[0]
    title = panel_title(of["workload"], f"{of['load']}; {_counted(here)}") if number == 0 else panel_title("", "")
    step = alt.Step(9 if len(shown) > 1 and len(lines) <= MANY else 14)
    return layered(whisker(base, "low", "high", horizontal=True), dots, width=150, height=step, title=title)


def _told(data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return with_tips(
        data,
        whole="combination",
        workload="workload",
        load="load",
        metric="latency",
        statistic="percentile",
        value="ms|,.1f",
        low="ms from|,.1f",
        high="ms to|,.1f",
        rank="rank (places)",
        speed="output tokens/s|,.1f",
        n="n",
    )


def _counted(data: Sequence[Mapping[str, Any]]) -> str:
    runs = {datum["runs"] for datum in data}
    if len(runs) > 1:
        return f"{min(runs)} to {max(runs)} runs"
    return "1 run" if runs == {1} else f"{min(runs)} runs"


def _curves(rows: Sequence[SpeedRow], names: Mapping[str, str]) -> list[Figure]:
    kinds: dict[tuple[str, str], list[SpeedRow]] = {}
    for row in rows:
        if _asked(row) is not None and row.output_tokens_per_second is not None:
            kinds.setdefault((row.combination, _kind(row.workload)), []).append(row)
    several = {of: sorted(group, key=lambda row: _asked(row) or 0) for of, group in kinds.items() if len(group) > 1}
    different = len({kind for _, kind in several}) > 1
    data = [
        _point(row, row.values[key(metric.name, TYPICAL)], f"{names[name]}, {kind}" if different else names[name])
        for (name, kind), group in several.items()
        for row in group
        for metric in LATENCIES
        if key(metric.name, TYPICAL) in row.values and row.values[key(metric.name, TYPICAL)].mean is not None
    ]
    metrics = [one for one in dict.fromkeys(d["metric"] for d in data) if sum(d["metric"] == one for d in data) > 1]
    if not metrics:
        return []
    data = _told(data)
    lines = list(dict.fromkeys(datum["series"] for datum in data))
    choice = picked("by_series", "series")
    panels = [
        _curve([datum for datum in data if datum["metric"] == one], lines, choice, first=number == 0)
        for number, one in enumerate(metrics)
    ]
    drawn = alt.concat(*panels, columns=2, spacing=22)
    named = ", named by its streams or requests/s" if len(lines) <= FEW else ""
    caption = (
        f"Each point is a load{named}; a line joins the loads of a kind, whose names differ in a number alone."
        f" Medians; both axes: means over {_counted(data)}. {SPREAD}"
    )
    return [Figure("throughput-latency", "Latency against throughput as the load grows", caption, finished(drawn))]


def _kind(workload: str) -> str:
    """The workload without numbers, so that 1_stream and 8_streams are of a kind."""
    words = (word for word in re.split(r"[_\-\s]+", workload) if not re.fullmatch(r"[a-z]?\d+(\.\d+)?[a-z]?", word))
    return " ".join(word.removesuffix("s") for word in words)


def _asked(row: SpeedRow) -> float | None:
    return None if row.details is None else row.details.streams or row.details.rate


def _point(row: SpeedRow, value: SpeedValue, series: str) -> dict[str, Any]:
    speed, slow, fast = spread(row.values[OUTPUT_TOKENS_PER_SECOND.name])
    return {
        **_datum(row, value, {row.combination: series}),
        "series": series,
        "speed": speed,
        "slow": slow,
        "fast": fast,
        "asked": _asked(row),
    }


def _curve(
    data: Sequence[dict[str, Any]], lines: Sequence[str], choice: alt.Parameter, *, first: bool
) -> alt.LayerChart:
    x = speed_axis([datum[end] for datum in data for end in ("speed", "slow", "fast")])
    y = speed_axis([datum[end] for datum in data for end in ("value", "low", "high")])
    base = chart(data).encode(
        x=alt.X("speed:Q", title="output tokens/s", scale=x.scale, axis=alt.Axis(tickCount=5)),
        y=alt.Y("value:Q", title=f"median {data[0]['metric']}", scale=y.scale, axis=alt.Axis(tickCount=5)),
        opacity=faded(choice),
    )
    look = below(lines)
    line = base.mark_line(strokeWidth=1.4).encode(
        color=colour(lines, "series", **look), strokeDash=dash(lines, "series", **look), order=alt.Order("asked:Q")
    )
    dots = base.mark_point(filled=True, size=60, tooltip=TOOLTIP).encode(
        color=colour(lines, "series", **look),
        shape=shape(lines, "series", **look),
    )
    line = line.add_params(choice) if first else line
    text = base.mark_text(style="label", dy=-10).encode(text=alt.Text("asked:Q", format="~g"))
    texts = [text] if len(lines) <= FEW else []
    bars = [
        whisker(base, "low", "high", horizontal=False, faint=0.7),
        whisker(base, "slow", "fast", horizontal=True, faint=0.7),
    ]
    return layered(*bars, line, dots, *texts, width=300, height=200)
