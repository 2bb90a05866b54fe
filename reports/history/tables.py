"""History -> tables: one for each subject, a row for each session."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from reports.history.points import Point
from reports.wording.layout import TEXT, UNKNOWN, Column, Table, one_line
from reports.wording.words import (
    count,
    figure,
    figure_spread,
    in_speed_unit,
    points,
    signed_percent,
    signed_points,
    speed_name,
    speed_unit,
    spread,
)

ALIKE, OTHER = "~", "≠"
WORDS = ("session", "started", "engine version")
SCORES = ("score ± sd", "95% interval", "questions", "runs", "change", "floor")
SPEEDS = ("mean ± sd", "95% interval", "runs", "change", "threshold")

LEGEND = (
    "± is the run-to-run standard deviation. The interval: another run of the same questions; *, of others (one run).",
    f"The change: from the row above, question by question; {ALIKE} may be noise (95 %), {OTHER} other questions.",
)
SPEED_LEGEND = (
    "± is the run-to-run standard deviation. The interval: that of the mean of the runs.",
    f"The change: from the row above; {OTHER} another load, or other hardware.",
)


def history_tables(told: Sequence[Point]) -> list[Table]:
    """A table for each subject; the last of scores and the last of speeds explain what stands in them."""
    tables = [_table(list(course)) for _, course in groupby(told, key=lambda point: point.subject)]
    last = {tuple(table.notes): position for position, table in enumerate(tables)}
    return [table if position in last.values() else replace(table, notes=()) for position, table in enumerate(tables)]


def _table(course: Sequence[Point]) -> Table:
    first = course[0]
    places = ["hardware"] if len({point.hardware for point in course}) > 1 else []
    numbers = SCORES if first.task is not None else SPEEDS
    columns = [
        *(Column(name, TEXT) for name in (*WORDS, *places)),
        *map(Column, numbers),
        Column("verdict", TEXT),
    ]
    rows = [[*_said(point, hardware=bool(places)), *_numbers(point), _verdict(point)] for point in course]
    return Table(_title(first), columns, rows, LEGEND if first.task else SPEED_LEGEND)


def _title(point: Point) -> str:
    if point.task is not None:
        return one_line(f"{point.task} of {point.combination}")
    against = f" against {point.against}" if point.against else ""
    unit = f", {speed_unit(_metric(point), point.unit)}"
    return one_line(f"{speed_name(point.metric)}{unit}: {point.workload} of {point.combination}{against}")


def _metric(point: Point) -> str:
    return point.metric.partition(".")[0]


def _said(point: Point, *, hardware: bool) -> list[str]:
    said = [point.session, point.started or UNKNOWN, point.engine_version or UNKNOWN]
    return [*said, point.hardware or UNKNOWN] if hardware else said


def _numbers(point: Point) -> list[str]:
    if point.task is None:
        return _speeds(point)
    star = "*" if point.interval_of == "questions" else ""
    interval = UNKNOWN if point.low is None else f"{points(point.low)} to {points(point.high)}{star}"
    return [
        spread(point.mean, point.run_to_run_deviation),
        interval,
        count(point.questions),
        count(point.runs),
        _change(point),
        points(point.required),
    ]


def _speeds(point: Point) -> list[str]:
    mean, deviation, low, high, required = (
        in_speed_unit(value, _metric(point), point.unit)
        for value in (point.mean, point.run_to_run_deviation, point.low, point.high, point.required)
    )
    interval = UNKNOWN if low is None else f"{figure(low)} to {figure(high)}"
    return [figure_spread(mean, deviation), interval, count(point.runs), _change(point), figure(required)]


def _change(point: Point) -> str:
    if point.comparable is False:
        return OTHER
    if point.change is None:
        return UNKNOWN
    if point.task is None:
        earlier = (point.mean or 0.0) - point.change
        return signed_percent(point.change / earlier if earlier else None)
    certain = point.change_low is None or point.change_high is None or not point.change_low <= 0 <= point.change_high
    return signed_points(point.change) + ("" if certain else f" {ALIKE}")


def _verdict(point: Point) -> str:
    if point.outcome is None:
        return UNKNOWN
    return point.outcome if point.outcome == "PASS" else f"{point.outcome} ({point.reason})"
