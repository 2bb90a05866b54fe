"""Accuracy by benchmark: bars with intervals, and a heat map of every combination on every task."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from reports.figures.figure import Figure
from reports.figures.marks import chart, colour, finished, layered, panel_title, whisker
from reports.figures.names import longest
from reports.figures.spans import NO_INTERVAL, OTHER_QUESTIONS
from reports.figures.theme import COLOURS, SMALL
from reports.figures.tips import TOOLTIP

Datum = dict[str, Any]

FEW = len(COLOURS)
"""Combinations that colours tell apart; of more, all bars have one colour."""

COLUMNS = 3
WIDTH, NUMBERS = 175, 31
"""Of the bars of a task, and of the numbers beside them, in pixels."""

CELL = (92, 24)
DARK_TO = 0.55
"""Share of the colour scale below which white text is read better than black."""


def bars(data: Sequence[Datum], rows: Sequence[str]) -> Figure:
    """A panel for each task, the same combinations in each."""
    tasks = dict.fromkeys(datum["panel"] for datum in data)
    panels = [
        _panel([datum for datum in data if datum["panel"] == panel], rows, named=number % COLUMNS == 0)
        for number, panel in enumerate(tasks)
    ]
    known = any(datum["low"] is not None for datum in data)
    told = [
        "Bars: mean over questions and runs.",
        f"Thin lines: {OTHER_QUESTIONS}." if known else NO_INTERVAL,
        "Upright ticks: the floor." if any(datum["required"] is not None for datum in data) else "",
    ]
    drawn = finished(alt.concat(*panels, columns=COLUMNS, spacing=20))
    return Figure("accuracy-by-benchmark", "Accuracy by benchmark", " ".join(one for one in told if one), drawn)


def _panel(here: Sequence[Datum], rows: Sequence[str], *, named: bool) -> alt.LayerChart:
    step = 20 if len(rows) <= FEW else 15
    labels = alt.Axis(labelLimit=0, ticks=False, domain=False, labelPadding=6) if named else None
    base = chart(here).encode(y=alt.Y("name:N", sort=None, scale=alt.Scale(domain=rows), title=None, axis=labels))
    drawn = base.mark_bar(color=COLOURS[0], opacity=0.75, tooltip=TOOLTIP).encode(
        x=alt.X("mean:Q", scale=alt.Scale(domain=[0, 100]), title="accuracy (%)"),
    )
    if len(rows) <= FEW:
        drawn = drawn.encode(color=colour(rows).legend(None))
    floors = base.transform_filter("isValid(datum.required)").mark_tick(style="ink", thickness=2, size=step - 4)
    numbers = base.mark_text(style="label", align="right").encode(x=alt.value(WIDTH + NUMBERS), text="said:N")
    layers = (drawn, whisker(base, "low", "high", horizontal=True), floors.encode(x="required:Q"), numbers)
    return layered(*layers, width=WIDTH, height=alt.Step(step), title=panel_title(*here[0]["panel"]))


def heat_map(data: Sequence[Datum], rows: Sequence[str]) -> Figure:
    """Every combination on every task: mean, and half of its interval."""
    tasks = list(dict.fromkeys(datum["task"] for datum in data))
    values = [datum["mean"] for datum in data]
    least, most = min(values), max(values)
    plain: dict[str, Any] = {"ticks": False, "domain": False, "labelLimit": 0, "grid": False}
    base = chart(data).encode(
        x=alt.X("task:N", sort=None, scale=alt.Scale(domain=tasks), title=None).axis(
            orient="top", labelAngle=0, **plain
        ),
        y=alt.Y("name:N", sort=None, scale=alt.Scale(domain=rows), title=None).axis(labelPadding=6, **plain),
    )
    legend = alt.Legend(gradientLength=max(50, min(140, CELL[1] * len(rows))))
    scale = alt.Scale(scheme="viridis", domain=[least, most])
    cells = base.mark_rect(tooltip=TOOLTIP).encode(
        color=alt.Color("mean:Q", title="accuracy (%)", scale=scale, legend=legend)
    )
    light = f"datum.mean > {least + DARK_TO * (most - least)}"
    text = base.mark_text(fontSize=SMALL).encode(
        text="cell:N", color=alt.condition(light, alt.value("#000000"), alt.value("#ffffff"))
    )
    width = max(CELL[0], 7 * longest(tasks))
    drawn = finished(layered(cells, text, width=alt.Step(width), height=alt.Step(CELL[1])))
    return Figure("accuracy-heatmap", "Accuracy of every combination on every task", _caption(data), drawn)


def _caption(data: Sequence[Datum]) -> str:
    if all(datum["low"] is None for datum in data):
        return NO_INTERVAL
    counts: dict[str, list[str]] = {}
    for task, n in dict.fromkeys((datum["task"], datum["panel"][1]) for datum in data):
        counts.setdefault(n, []).append(task)
    told = "; ".join(f"{', '.join(tasks)}: {n}" for n, tasks in counts.items())
    return f"± half of the {OTHER_QUESTIONS}. {told}."
