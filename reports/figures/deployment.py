"""How figures tell local models from those behind an API: words, colours and shapes."""

from collections.abc import Iterable
from typing import Any

import altair as alt

from reports.answers.deployment import API, BOTH, LOCAL, deployment
from reports.figures.theme import COLOURS, SHAPES
from reports.wording.labels import Labelled

WORDS = {LOCAL: "local", BOTH: "open weights, through an API", API: "only through an API"}
"""What is shown, in the order of the legend."""

UNTOLD = "not stated"


def said(row: Labelled) -> str:
    """Where a combination ran."""
    return WORDS.get(deployment(row) or "", UNTOLD)


def kinds(rows: Iterable[Labelled]) -> list[str]:
    """What occurs, in the order of the legend; nothing where all ran alike."""
    found = {said(row) for row in rows}
    return [words for words in (*WORDS.values(), UNTOLD) if words in found] if len(found) > 1 else []


def encoded(told: list[str]) -> dict[str, Any]:
    """Stroke, fill and shape by deployment, the same in every figure; filled unless `datum.hollow`."""
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
