"""The ranking: mean accuracy with error bars, groups that cannot be told apart, local models and APIs."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from reports.answers.deployment import kinds, said
from reports.answers.rank_words import place
from reports.answers.rows import Row
from reports.figures.axes import points_axis
from reports.figures.figure import Figure
from reports.figures.marks import by_deployment, chart, faded, finished, layered, picked, whisker
from reports.figures.names import accuracy_of, drawable, listed
from reports.figures.spans import NO_INTERVAL, OTHER_QUESTIONS, SIZES, hundred, mean_span, sizes, spread
from reports.figures.theme import COLOURS
from reports.figures.ties import groups
from reports.figures.tips import TOOLTIP, with_tips
from reports.summary import Summary
from reports.wording.words import points
from reports.wording.words import spread as spread_words

STEP = 19
WIDTH = 430
GROUP = 9
"""Pixels to a line of the ranking, across it, and to a group of ties."""


def ranking(summary: Summary, names: dict[str, str]) -> list[Figure]:
    """One figure, where any combination has a mean."""
    rows = [row for row in summary.rows if row.mean is not None]
    if not rows:
        return []
    data = _told([_datum(row, names) for row in rows])
    panels = [_means(data, summary), _numbers(data), *_ties(rows, names)]
    drawn = alt.hconcat(*panels, spacing=6)
    return [Figure("ranking", f"Ranking by {accuracy_of(summary)}", _caption(rows), finished(drawn))]


def _datum(row: Row, names: dict[str, str]) -> dict[str, Any]:
    low, high = mean_span(row)
    sd_low, sd_high = spread(row.mean, row.run_to_run_deviation)
    return {
        "name": names[row.combination],
        "whole": drawable(row.combination),
        "rank": place(row.rank, row.rank_best, row.rank_worst),
        "mean": hundred(row.mean),
        "low": low,
        "high": high,
        "sd_low": sd_low,
        "sd_high": sd_high,
        "deviation": hundred(row.run_to_run_deviation),
        "said": spread_words(row.mean, row.run_to_run_deviation) if row.runs > 1 else points(row.mean),
        "n": sizes(row),
        "hollow": bool(row.missing),
        "deployment": said(row),
        "ties": listed([names[one] for one in row.ties if one in names], 8) or "none",
    }


def _lines(data: Sequence[dict[str, Any]], axis: alt.Axis | None) -> alt.Y:
    order = [datum["name"] for datum in data]
    return alt.Y("name:N", sort=None, scale=alt.Scale(domain=order), title=None, axis=axis)


def _means(data: Sequence[dict[str, Any]], summary: Summary) -> alt.LayerChart:
    labels = alt.Axis(labelLimit=0, ticks=False, domain=False, grid=True, labelPadding=6)
    told_apart = kinds(summary.rows)
    base = chart(data).encode(y=_lines(data, labels))
    known = [
        datum[key] for datum in data for key in ("low", "high", "sd_low", "sd_high", "mean") if datum[key] is not None
    ]
    x = alt.X("mean:Q", scale=points_axis(known).scale, title=f"{accuracy_of(summary)} (%)")
    layers: list[Any] = [
        whisker(base, "low", "high", horizontal=True),
        base.transform_filter("isValid(datum.sd_low)")
        .mark_rule(strokeWidth=5, opacity=0.55, color=COLOURS[5])
        .encode(x=alt.X("sd_low:Q"), x2="sd_high"),
    ]
    dots = base.mark_point(size=58, strokeWidth=1.6, tooltip=TOOLTIP).encode(x=x, **by_deployment(told_apart))
    if told_apart:
        choice = picked("by_deployment", "deployment")
        dots = dots.encode(opacity=faded(choice)).add_params(choice)
    return layered(*layers, dots, width=WIDTH, height=alt.Step(STEP), name="means")


def _told(data: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return with_tips(
        data,
        whole="combination",
        rank="rank (places)",
        mean="mean %|.2f",
        deviation="run-to-run sd|.2f",
        low="95 % from|.1f",
        high="95 % to|.1f",
        n=SIZES,
        deployment="runs",
        ties="tied with",
    )


def _numbers(data: Sequence[dict[str, Any]]) -> alt.LayerChart:
    """Two columns of text: the mean with its deviation, and what it rests on."""
    base = chart(data).encode(y=_lines(data, None))
    first, second = 58, 96
    several = any("±" in datum["said"] for datum in data)
    columns = [("said", first, "mean ± sd" if several else "mean"), ("n", first + second, SIZES)]
    drawn: list[Any] = []
    for field, right, heading in columns:
        drawn.append(base.mark_text(align="right", style="label").encode(x=alt.value(right), text=f"{field}:N"))
        head = chart([{"text": heading}]).mark_text(align="right", style="note", baseline="bottom", lineBreak="\n")
        drawn.append(head.encode(x=alt.value(right), y=alt.value(-4), text="text:N"))
    return layered(*drawn, width=first + second, height=alt.Step(STEP), view=alt.ViewConfig(stroke=None))


def _ties(rows: Sequence[Row], names: dict[str, str]) -> list[alt.LayerChart]:
    """A line down the ranking for each group, with a dot at each of its members; none where nothing is tied."""
    order = [row.combination for row in rows]
    found = groups({row.combination: set(row.ties) for row in rows}, order)
    if not found:
        return []
    dots = [{"group": i, "name": names[one]} for i, group in enumerate(found) for one in group]
    lines = [{"group": i, "name": names[one[0]], "last": names[one[-1]]} for i, one in enumerate(found)]
    y = _lines([{"name": names[one]} for one in order], None)
    x = alt.X("group:O", axis=None, scale=alt.Scale(domain=list(range(len(found)))))
    rule = chart(lines).mark_rule(style="faint", strokeWidth=1.2).encode(x=x, y=y, y2="last:N")
    dot = chart(dots).mark_point(filled=True, size=22, style="dot", opacity=1).encode(x=x, y=y)
    head = chart([{"text": "ties"}]).mark_text(align="left", style="note", baseline="bottom")
    head = head.encode(x=alt.value(0), y=alt.value(-4), text="text:N")
    size: dict[str, Any] = {"width": alt.Step(GROUP), "height": alt.Step(STEP)}
    return [layered(rule, dot, head, **size, view=alt.ViewConfig(stroke=None))]


def _caption(rows: Sequence[Row]) -> str:
    known = any(mean_span(row)[0] is not None for row in rows)
    several = any(row.run_to_run_deviation is not None for row in rows)
    tied = any(row.ties for row in rows)
    told = [
        f"Thin bars: {OTHER_QUESTIONS}." if known else NO_INTERVAL,
        "Thick bars: ± standard deviation from run to run." if several else "",
        "Dots joined by a line at the right cannot be told apart (5 % over all pairs together; Holm)." if tied else "",
        "Hollow: not all tasks have a score; such combinations stand last." if any(row.missing for row in rows) else "",
    ]
    return " ".join(one for one in told if one)
