"""The marks that figures share: data, error bars, and legends that filter."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import altair as alt

from reports.answers.deployment import UNTOLD, WORDS
from reports.figures.names import longest
from reports.figures.theme import COLOURS, SHAPES, SMALL, looks

Datum = Mapping[str, Any]

FADED = 0.12
"""Opacity of what the legend has not picked."""


LETTERS = 105
"""Of a line of a legend."""


def chart(rows: Sequence[Datum]) -> alt.Chart:
    """A chart of these rows, which stand in the spec itself."""
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def layered(*layers: alt.Chart, **properties: Any) -> alt.LayerChart:
    """One above the other, with these properties of the whole."""
    return cast("alt.LayerChart", alt.layer(*layers).properties(**properties))


def finished(drawn: alt.TopLevelMixin) -> dict[str, Any]:
    """The spec as plain data, without altair's own look, which `theme` replaces."""
    spec = drawn.to_dict(validate=False)
    spec.pop("config", None)
    return dict(spec)


def whisker(base: alt.Chart, low: str, high: str, *, horizontal: bool, faint: float = 1.0) -> alt.Chart:
    """An error bar between two fields, in the colour of the text; rows without one have none.

    `faint` is its opacity, for figures where many stand close together.
    """
    ends: dict[str, Any] = (
        {"x": alt.X(f"{low}:Q"), "x2": alt.X2(high)} if horizontal else {"y": alt.Y(f"{low}:Q"), "y2": alt.Y2(high)}
    )
    known = base.transform_filter(f"isValid(datum.{low})")
    return cast("alt.Chart", known.mark_rule(style="ink", strokeWidth=1.1, strokeOpacity=faint).encode(**ends))


def picked(name: str, field: str) -> alt.Parameter:
    """A choice by clicks on the legend of a field; shift adds to it.

    It belongs to the first layer that has this legend: Vega-Lite makes a legend clickable for that one alone.
    """
    return alt.selection_point(name=name, fields=[field], bind="legend")


def faded(choice: alt.Parameter) -> Any:
    """Opacity that leaves only what was picked."""
    return alt.condition(choice, alt.value(1.0), alt.value(FADED))


def colour(names: Sequence[str], field: str = "name", **legend: Any) -> alt.Color:
    """A colour for each name."""
    scale = alt.Scale(domain=list(names), range=looks(names)["colour"])
    return alt.Color(f"{field}:N", scale=scale, title=None, legend=alt.Legend(symbolStrokeWidth=0, **legend))


def shape(names: Sequence[str], field: str = "name", **legend: Any) -> alt.Shape:
    """A shape for each name; legends of the same field become one."""
    scale = alt.Scale(domain=list(names), range=looks(names)["shape"])
    return alt.Shape(f"{field}:N", scale=scale, title=None, legend=alt.Legend(symbolStrokeWidth=0, **legend))


def dash(names: Sequence[str], field: str = "name", **legend: Any) -> alt.StrokeDash:
    """A dash for each name; the legend shows colour and shape alone, as symbols have no stroke."""
    scale = alt.Scale(domain=list(names), range=looks(names)["dash"])
    look = alt.Legend(symbolStrokeWidth=0, **legend)
    return alt.StrokeDash(f"{field}:N", scale=scale, title=None, legend=look)


def by_deployment(told: list[str]) -> dict[str, Any]:
    """Stroke, fill and shape by where it ran, the same in every figure; filled unless `datum.hollow`."""
    if not told:
        fill: Any = alt.condition("datum.hollow", alt.value("transparent"), alt.value(COLOURS[0]))
        return {"stroke": alt.value(COLOURS[0]), "fill": fill, "shape": alt.value(SHAPES[0])}
    order = [*WORDS.values(), UNTOLD]
    colours = alt.Scale(domain=told, range=[COLOURS[order.index(one)] for one in told])
    shapes = alt.Scale(domain=told, range=[SHAPES[order.index(one)] for one in told])
    legend = alt.Legend(orient="top", title=None)
    return {
        "stroke": alt.Stroke("deployment:N", scale=colours, legend=legend),
        "fill": alt.condition(
            "datum.hollow", alt.value("transparent"), alt.Fill("deployment:N", scale=colours, legend=legend)
        ),
        "shape": alt.Shape("deployment:N", scale=shapes, legend=legend),
    }


def below(names: Sequence[str]) -> dict[str, Any]:
    """A legend below the figure, in as many columns as its names leave room for."""
    return {"orient": "bottom", "columns": max(1, min(4, LETTERS // (longest(names) + 4)))}


def panel_title(text: str, below: str) -> alt.TitleParams:
    """The heading of one of several panels, with a line below."""
    return alt.TitleParams(
        text=text,
        subtitle=below or alt.Undefined,
        anchor="start",
        frame="group",
        fontSize=SMALL + 2,
        subtitleFontSize=SMALL,
        subtitlePadding=2,
        offset=8,
    )
