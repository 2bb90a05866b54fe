"""Accuracy against throughput: all tasks together with the Pareto front."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import altair as alt

from reports.answers.deployment import kinds, said
from reports.answers.rows import Row
from reports.answers.speeds import speeds, tasks_timed
from reports.figures.axes import Axis, points_axis, speed_axis
from reports.figures.figure import Figure
from reports.figures.labels import Box, Point, beside
from reports.figures.marks import by_deployment, chart, faded, finished, layered, picked, whisker
from reports.figures.names import accuracy_of, drawable
from reports.figures.spans import NO_INTERVAL, OTHER_QUESTIONS, SIZES, asked, hundred, mean_span, sizes
from reports.figures.tips import TOOLTIP, with_tips
from reports.summary import Summary
from reports.wording.words import task_names

WIDTH, LEAST_HEIGHT, STEP = 760, 400, 14
"""Pixels; the last to a combination, where these are many."""

SEVERAL = 2
SPEED = "output tokens/s"
HOLLOW = (
    "Hollow: beaten. Another one is at least as accurate and as fast, and told apart from it in accuracy or speed"
    " (5 % over all pairs of each; Holm)."
)
HOLLOW_BY_MEANS = "Hollow: another one is at least as accurate and as fast, and better in one, by the means alone."
DASHED = "Dashed: the Pareto front, the best accuracy at that throughput or more, by the means."


def tradeoff(summary: Summary, names: Mapping[str, str]) -> list[Figure]:
    """One figure, where two or more combinations have a mean and a throughput."""
    rows = [row for row in summary.rows if row.mean is not None and row.output_tokens_per_second is not None]
    if len(rows) < SEVERAL:
        return []
    data = _told([_datum(row, summary, names) for row in rows])
    x = speed_axis([datum[key] for datum in data for key in ("speed", "slowest", "fastest")])
    y = points_axis([datum[key] for datum in data for key in ("mean", "low", "high")])
    height = max(LEAST_HEIGHT, STEP * len(rows))
    named = _named(data, x, y, height)
    drawn = layered(*_layers(summary, data, named, (x, y)), width=WIDTH, height=height)
    title = f"Accuracy against throughput{_where(summary)}"
    return [Figure("accuracy-throughput", title, _caption(summary, data, named), finished(drawn))]


def _datum(row: Row, summary: Summary, names: Mapping[str, str]) -> dict[str, Any]:
    low, high = mean_span(row)
    runs = [run for run in summary.runs if run.combination == row.combination]
    each = speeds(runs, tasks_timed(runs))
    beaten = summary.beaten.get(row.combination)
    return {
        "name": names[row.combination],
        "whole": drawable(row.combination),
        "mean": hundred(row.mean),
        "low": low,
        "high": high,
        "speed": row.output_tokens_per_second,
        "slowest": min(each) if len(each) > 1 else None,
        "fastest": max(each) if len(each) > 1 else None,
        "n": sizes(row),
        "deployment": said(row),
        "front": row.combination in summary.front.members,
        "hollow": beaten is not None,
        "beaten": names[beaten] if beaten else None,
    }


def _named(data: Sequence[dict[str, Any]], x: Axis, y: Axis, height: float) -> list[dict[str, Any]]:
    """The names with their places in pixels, those on the front first."""
    ordered = sorted(data, key=lambda datum: not datum["front"])

    def at(datum: dict[str, Any], speed: str, mean: str) -> tuple[float, float]:
        return WIDTH * x.share(datum[speed]), height * (1 - y.share(datum[mean]))

    points = [Point(*at(datum, "speed", "mean"), datum["name"]) for datum in ordered]
    upright = [(*at(one, "speed", "high"), *at(one, "speed", "low")) for one in ordered if one["low"] is not None]
    across = [(*at(one, "slowest", "mean"), *at(one, "fastest", "mean")) for one in ordered if one["slowest"]]
    front = [point for point, datum in zip(points, ordered, strict=True) if datum["front"]]
    places = zip(ordered, points, beside(points, (WIDTH, height), [*upright, *across, *_stairs(front)]), strict=True)
    return [
        {
            "name": datum["name"],
            "front": datum["front"],
            "deployment": datum["deployment"],
            "x": place.x,
            "align": place.align,
            "y": place.y,
            "from_x": point.x if place.leader else None,
            "from_y": point.y if place.leader else None,
            "to_x": place.leader[0] if place.leader else None,
            "to_y": place.leader[1] if place.leader else None,
        }
        for datum, point, place in places
        if place is not None
    ]


def _stairs(front: Sequence[Point]) -> list[Box]:
    """Where the dashed line runs, as boxes."""
    ordered = sorted(front, key=lambda point: point.x)
    flat = [
        (before, point.y, point.x, point.y)
        for before, point in zip([0.0, *(one.x for one in ordered)], ordered, strict=False)
    ]
    steep = [(one.x, one.y, one.x, other.y) for one, other in pairwise(ordered)]
    return [*flat, *steep]


def _layers(
    summary: Summary, data: Sequence[dict[str, Any]], named: Sequence[dict[str, Any]], axes: tuple[Axis, Axis]
) -> list[Any]:
    base = chart(data).encode(
        x=alt.X("speed:Q", scale=axes[0].scale, title=SPEED, axis=alt.Axis(tickCount=8)),
        y=alt.Y("mean:Q", scale=axes[1].scale, title=f"{accuracy_of(summary)} (%)"),
    )
    bars = [
        whisker(base, "low", "high", horizontal=False, faint=0.4),
        whisker(base, "slowest", "fastest", horizontal=True, faint=0.4),
    ]
    told_apart = kinds(summary.rows)
    dots = base.mark_point(size=70, strokeWidth=1.8, filled=False, tooltip=TOOLTIP).encode(**by_deployment(told_apart))
    names = _names(named)
    if told_apart:
        choice = picked("by_deployment", "deployment")
        dots = dots.encode(opacity=faded(choice)).add_params(choice)
        names = [one.encode(opacity=faded(choice)) for one in names]
    return [_staircase(data, axes), *bars, *names, dots]


def _staircase(data: Sequence[dict[str, Any]], axes: tuple[Axis, Axis]) -> alt.Chart:
    """The best accuracy that is had at a throughput or more."""
    front = sorted((datum for datum in data if datum["front"]), key=lambda datum: datum["speed"])
    steps = [{"speed": datum["speed"], "mean": datum["mean"]} for datum in front]
    if front:
        steps = [{"speed": axes[0].least, "mean": front[0]["mean"]}, *steps]
        steps.append({"speed": front[-1]["speed"], "mean": axes[1].least})
    line = chart(steps).mark_line(style="faint", interpolate="step-before", strokeWidth=1.2, strokeDash=[5, 3])
    encoded_line: alt.Chart = line.encode(
        x=alt.X("speed:Q", scale=axes[0].scale), y=alt.Y("mean:Q", scale=axes[1].scale), order=alt.Order("speed:Q")
    )
    return encoded_line


def _names(named: Sequence[dict[str, Any]]) -> list[alt.Chart]:
    base = chart(named)
    leaders = base.transform_filter("isValid(datum.to_x)").mark_rule(style="faint", strokeWidth=0.6)
    pixel: dict[str, Any] = {"scale": None, "axis": None}
    return [
        leaders.encode(x=alt.X("from_x:Q", **pixel), y=alt.Y("from_y:Q", **pixel), x2="to_x:Q", y2="to_y:Q"),
        *(
            base.mark_text(style=style, align=alt.ExprRef("datum.align"), baseline="middle").encode(
                x=alt.X("x:Q", **pixel), y=alt.Y("y:Q", **pixel), text="name:N"
            )
            for style in ("halo", "label")
        ),
    ]


def _told(data: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return with_tips(
        data,
        whole="combination",
        mean="accuracy %|.2f",
        low="95 % from|.1f",
        high="95 % to|.1f",
        speed=f"{SPEED}|,.1f",
        slowest="slowest run|,.1f",
        fastest="fastest run|,.1f",
        n=SIZES,
        deployment="runs",
        beaten="beaten by",
    )


def _where(summary: Summary) -> str:
    return ", all tasks together" if len(summary.tasks) > 1 else f" on {task_names(summary.tasks)[summary.tasks[0]]}"


def _caption(summary: Summary, data: Sequence[dict[str, Any]], named: Sequence[dict[str, Any]]) -> str:
    front = [datum["name"] for datum in data if datum["front"]]
    rest = len(summary.rows) - len(data)
    unnamed = len(data) - len(named)
    scores = [score for row in summary.rows for score in row.tasks.values()]
    told = [
        f"{HOLLOW_BY_MEANS if summary.plain else HOLLOW} {DASHED}" if front else "",
        f"Vertical bars: {OTHER_QUESTIONS}; {asked(scores)}."
        if any(datum["low"] is not None for datum in data)
        else NO_INTERVAL,
        "Horizontal bars: from the slowest run to the fastest."
        if any(datum["slowest"] is not None for datum in data)
        else "",
        f"{rest} without a throughput are left out." if rest else "",
        f"{unnamed} of the names found no room." if unnamed else "",
    ]
    return " ".join(one for one in told if one)
