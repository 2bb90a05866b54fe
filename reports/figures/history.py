"""History: what every session measured of each combination, with the line of its threshold."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import altair as alt

from reports.figures.axes import points_axis, speed_axis
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
from reports.figures.names import distinct, drawable, shortened
from reports.figures.spans import hundred
from reports.figures.tips import TOOLTIP, with_tips
from reports.history.points import Point
from reports.wording.words import in_speed_unit, speed_name, speed_unit, task_names

Datum = dict[str, Any]

SEVERAL = 2
COLUMNS, WIDTHS, SESSION = 3, (190, 420), 28
"""Panels beside each other; the narrowest and the widest; pixels to a session."""


def history(points: Sequence[Point], names: Mapping[str, str]) -> list[Figure]:
    """Accuracy and speed over sessions, where anything was measured in two or more of them."""
    known = [point for point in points if point.mean is not None]
    when = _when(known)
    called = _called(known, names)
    tasks = task_names(list(dict.fromkeys(point.task for point in known if point.task is not None)))
    data = [datum for _, course in groupby(known, lambda point: point.subject) for datum in _course([*course], tasks)]
    for datum in data:
        datum |= {"name": called[datum["whole"]], "when": when[datum["session"]], "whole": drawable(datum["whole"])}
    order = list(when.values())
    place = {name: number for number, name in enumerate(names.values())}
    data.sort(key=lambda datum: place.get(datum["name"], len(place)))
    data = with_tips(
        data,
        whole="combination",
        session="session",
        when="started",
        version="engine version",
        value="measured|,.2f",
        low="95 % from|,.2f",
        high="95 % to|,.2f",
        required="threshold|,.2f",
        outcome="verdict",
        n="n",
    )
    answers, speeds = ([one for one in data if one["answers"] is which] for which in (True, False))
    return [
        *_figure("history-accuracy", "Accuracy over sessions", answers, order),
        *_figure("history-speed", "Speed over sessions", speeds, order),
    ]


def _when(points: Sequence[Point]) -> dict[str, str]:
    """By session, the oldest first, 2026-11-25 17:54; or its id, where no start is known."""
    told = {point.session: point.started for point in points}
    known = {name: began for name, began in told.items() if began and began[4:5] == "-"}
    ordered = sorted(told, key=lambda name: known.get(name, name))
    return distinct({name: known[name][:16].replace("T", " ") if name in known else name for name in ordered})


def _called(points: Sequence[Point], names: Mapping[str, str]) -> dict[str, str]:
    """Combinations of earlier sessions alone are called by their ids."""
    ids = dict.fromkeys(point.combination for point in points)
    return distinct({name: names.get(name) or shortened(drawable(name)) for name in ids})


def _course(course: Sequence[Point], tasks: Mapping[str, str]) -> list[Datum]:
    """The points of one subject; `stretch` counts how often something else was asked."""
    told, stretch = [], 0
    for point in course:
        stretch += point.comparable is False
        told.append({**_datum(point, tasks), "stretch": stretch})
    return told


def _datum(point: Point, tasks: Mapping[str, str]) -> Datum:
    numbers = {"value": point.mean, "low": point.low, "high": point.high, "required": point.required}
    metric = point.metric.partition(".")[0]
    if point.task is not None:
        panel = (tasks[point.task], "accuracy (%)")
        shown = {name: hundred(value) for name, value in numbers.items()}
    else:
        unit = speed_unit(metric, point.unit)
        beside = f", beside {shortened(drawable(point.against))}" if point.against else ""
        panel = (f"{point.workload}{beside}", speed_name(point.metric) + (f" ({unit})" if unit in ("ms", "s") else ""))
        shown = {name: in_speed_unit(value, metric, point.unit) for name, value in numbers.items()}
    questions = "" if point.questions is None else f"{point.questions:,} questions, "
    return {
        **shown,
        "panel": panel,
        "answers": point.task is not None,
        "whole": point.combination,
        "session": point.session,
        "outcome": point.outcome or "not judged",
        "version": point.engine_version or "not stated",
        "questions": point.questions,
        "runs": point.runs,
        "n": f"{questions}{point.runs} {'run' if point.runs == 1 else 'runs'}",
    }


def _figure(name: str, title: str, data: Sequence[Datum], when: Sequence[str]) -> list[Figure]:
    panels = {
        panel: [one for one in data if one["panel"] == panel] for panel in dict.fromkeys(d["panel"] for d in data)
    }
    shown = [here for here in panels.values() if len({datum["when"] for datum in here}) >= SEVERAL]
    if not shown:
        return []
    lines = list(dict.fromkeys(datum["name"] for here in shown for datum in here))
    used = {datum["when"] for here in shown for datum in here}
    choice = picked("by_name", "name")
    moments = [one for one in when if one in used]
    drawn = [_panel(here, lines, moments, choice, first=number == 0) for number, here in enumerate(shown)]
    spec = finished(alt.concat(*drawn, columns=COLUMNS, spacing=20))
    return [Figure(name, title, _caption([datum for here in shown for datum in here]), spec)]


def _panel(
    data: Sequence[Datum], lines: Sequence[str], when: Sequence[str], choice: alt.Parameter, *, first: bool
) -> alt.LayerChart:
    values = [datum[end] for datum in data for end in ("value", "low", "high", "required")]
    scale = (points_axis if data[0]["answers"] else speed_axis)(values).scale
    width = max(WIDTHS[0], min(WIDTHS[1], SESSION * len(when)))
    labels = alt.Axis(labelAngle=-45, labelOverlap="greedy")
    moments = alt.Scale(domain=list(when), type="band")

    def when_of(**place: Any) -> alt.X:
        return alt.X("when:O", sort=None, scale=moments, title=None, axis=labels, **place)

    base = chart(data).encode(
        x=when_of(),
        opacity=faded(choice),
        detail="stretch:N",
    )
    y = alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5))
    look = below(lines)
    line = base.mark_line(strokeWidth=1.3).encode(y=y, color=colour(lines, **look), strokeDash=dash(lines, **look))
    dots = base.mark_point(filled=True, size=46, tooltip=TOOLTIP).encode(
        y=y, color=colour(lines, **look), shape=shape(lines, **look)
    )
    line = line.add_params(choice) if first else line
    bounds = base.transform_filter("isValid(datum.required)").mark_rule(strokeWidth=1.8)
    bounds = bounds.encode(
        x=when_of(bandPosition=0),
        x2=alt.X2("when", bandPosition=1),
        y="required:Q",
        color=colour(lines, **look),
        strokeDash=dash(lines, **look),
    )
    bars = whisker(base, "low", "high", horizontal=False, faint=0.7)
    title = panel_title(*data[0]["panel"])
    return layered(bars, line, bounds, dots, width=width, height=150, title=title)


def _caption(data: Sequence[Datum]) -> str:
    questions = _range([one["questions"] for one in data if one["questions"] is not None])
    bounds = any(datum["required"] is not None for datum in data)
    told = [
        "Bars: 95 % interval about another run of the same questions."
        if data[0]["answers"]
        else "Bars: 95 % interval of the mean of the runs, of which a single one has none.",
        "Flat lines: the threshold that held in that session." if bounds else "",
        "A line breaks where something else was asked, or on other hardware.",
        f"Questions: {questions}." if questions else "",
        f"Runs: {_range([one['runs'] for one in data])}.",
    ]
    return " ".join(one for one in told if one)


def _range(counts: Sequence[int]) -> str:
    if not counts:
        return ""
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
