"""Accuracy against bits per weight: what a quantization costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from reports.answers.changes import bits
from reports.answers.deployment import API, LOCAL, deployment
from reports.answers.rows import Row
from reports.figures.axes import points_axis
from reports.figures.figure import Figure
from reports.figures.marks import below, chart, colour, dash, faded, finished, layered, picked, shape, whisker
from reports.figures.names import accuracy_of, distinct, drawable, shortened
from reports.figures.spans import NO_INTERVAL, OTHER_QUESTIONS, SIZES, asked, hundred, mean_span, sizes
from reports.figures.tips import TOOLTIP, with_tips
from reports.summary import Summary
from reports.wording.labels import label, telling_labels

UNSAID = (None, "none", "—")
APART = 1.015
"""How many times as far to the right each series stands as the one before."""

SAME = ("quantization", "combination", "deployment", "engine", "hardware", "model")
"""Labels that do not tell series apart."""


def bits_per_weight(summary: Summary, names: Mapping[str, str]) -> list[Figure]:
    """One figure, where a model was weighed with two or more known numbers of bits."""
    known = [(row, of) for row in summary.rows if row.mean is not None and (of := _bits(row)) is not None]
    series = _series([row for row, _ in known], published=summary.source is not None)
    levels: dict[str, set[float]] = {}
    for row, of in known:
        levels.setdefault(series[row.combination], set()).add(of)
    data = [_datum(row, of, names, series) for row, of in known if len(levels[series[row.combination]]) > 1]
    if not data:
        return []
    told = with_tips(
        sorted(data, key=lambda datum: datum["bits"]),
        whole="combination",
        bits="bits per weight|g",
        mean="accuracy %|.2f",
        low="95 % from|.1f",
        high="95 % to|.1f",
        n=SIZES,
    )
    drawn = _drawn(_beside(told), accuracy_of(summary))
    return [Figure("accuracy-bits", "Accuracy against bits per weight", _caption(summary, data), finished(drawn))]


def _bits(row: Row) -> float | None:
    """None too where nobody says what an API serves."""
    quantization = row.labels.get("quantization")
    if quantization in UNSAID and deployment(row) == API:
        return None
    return bits(quantization)


def _series(rows: Sequence[Row], *, published: bool) -> dict[str, str]:
    """By combination, its model and whatever else differs among those of the model.

    Configurations of a study pool runs with and without a draft, which is no difference.
    """
    told = {}
    for row in rows:
        alike = [one for one in rows if one.labels.get("model") == row.labels.get("model")]
        extra = [
            name
            for name in ("draft", *telling_labels(alike))
            if name not in SAME and not (published and name == "draft")
        ]
        more = [_more(name, label(row, name)) for name in extra if row.labels.get(name) not in (*UNSAID, "auto")]
        told[row.combination] = " ".join([label(row, "model"), *more])
    short = distinct({name: shortened(drawable(name), 60) for name in dict.fromkeys(told.values())})
    return {combination: short[name] for combination, name in told.items()}


def _more(name: str, value: str) -> str:
    return f"with {value}" if name == "draft" else f"{name.replace('_', ' ')} {value}"


def _datum(row: Row, of: float, names: Mapping[str, str], series: Mapping[str, str]) -> dict[str, Any]:
    low, high = mean_span(row)
    return {
        "name": names[row.combination],
        "whole": drawable(row.combination),
        "series": series[row.combination],
        "bits": of,
        "assumed": row.labels.get("quantization") in UNSAID,
        "elsewhere": deployment(row) not in (LOCAL, None),
        "mean": hundred(row.mean),
        "low": low,
        "high": high,
        "n": sizes(row),
    }


def _beside(data: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The data with a place on the axis for each, so that error bars of the same number of bits stand side by side."""
    lines = list(dict.fromkeys(datum["series"] for datum in data))
    best: dict[tuple[str, float], float] = {}
    for datum in data:
        here = datum["series"], datum["bits"]
        best[here] = max(best.get(here, 0.0), datum["mean"])
    return [
        {
            **datum,
            "at": datum["bits"] * APART ** (lines.index(datum["series"]) - (len(lines) - 1) / 2),
            "best": datum["mean"] == best[datum["series"], datum["bits"]],
        }
        for datum in data
    ]


def _drawn(data: Sequence[dict[str, Any]], what: str) -> alt.LayerChart:
    lines = list(dict.fromkeys(datum["series"] for datum in data))
    scale = points_axis([datum[end] for datum in data for end in ("mean", "low", "high")]).scale
    at = sorted({datum["bits"] for datum in data})
    x = alt.X(
        "at:Q",
        title="bits per weight",
        scale=alt.Scale(type="log", base=2, domain=[at[0] / 1.12, at[-1] * 1.12], nice=False),
        axis=alt.Axis(values=at, format="~g", labelOverlap=True),
    )
    look = below(lines)
    choice = picked("by_series", "series")
    base = chart(data).encode(x=x, opacity=faded(choice))
    y = alt.Y("mean:Q", title=f"{what} (%)", scale=scale)
    best = chart([datum for datum in data if datum["best"]]).encode(x=x, opacity=faded(choice))
    line = best.mark_line(strokeWidth=1.4).encode(
        y=y, color=colour(lines, "series", **look), strokeDash=dash(lines, "series", **look)
    )
    dots = base.mark_point(size=64, filled=True, tooltip=TOOLTIP).encode(
        y=y, color=colour(lines, "series", **look), shape=shape(lines, "series", **look)
    )
    bars = whisker(base, "low", "high", horizontal=False, faint=0.7)
    return layered(bars, line.add_params(choice), dots, width=480, height=330, name="bits")


def _caption(summary: Summary, data: Sequence[Mapping[str, Any]]) -> str:
    scores = [score for row in summary.rows for score in row.tasks.values()]
    said = [
        "Models that were weighed with two or more numbers of bits; all else of a line is the same, save where it ran.",
        "Of several quantizations to the same bits the line joins the best." if _several(data) else "",
        f"Bars: {OTHER_QUESTIONS}; {asked(scores)}." if any(one["low"] is not None for one in data) else NO_INTERVAL,
        "Unquantized weights stand at 16 bits." if any(one["assumed"] for one in data) else "",
        "What an API really serves is not known." if any(one["assumed"] and one["elsewhere"] for one in data) else "",
    ]
    return " ".join(one for one in said if one)


def _several(data: Sequence[Mapping[str, Any]]) -> bool:
    places = [(one["series"], one["bits"]) for one in data]
    return len(set(places)) < len(places)
