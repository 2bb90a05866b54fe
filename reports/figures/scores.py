"""Accuracy task by task: what is known of every score, and its trade-off with throughput as small multiples."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from reports.answers.rows import Row
from reports.answers.scores import TaskScore
from reports.figures.axes import points_axis, speed_axis
from reports.figures.benchmarks import bars, heat_map
from reports.figures.figure import Figure
from reports.figures.marks import below, chart, colour, faded, finished, layered, panel_title, picked, shape, whisker
from reports.figures.names import drawable
from reports.figures.spans import NO_INTERVAL, OTHER_QUESTIONS, asked, hundred, span
from reports.figures.tips import TOOLTIP, with_tips
from reports.summary import Summary
from reports.wording.words import points, task_names

Datum = dict[str, Any]

SEVERAL = 2


def by_task(summary: Summary, names: Mapping[str, str]) -> list[Figure]:
    """Up to three figures, where there are several tasks: one alone is the ranking."""
    scored = [(row, score) for row in summary.rows for score in row.tasks.values() if score.mean is not None]
    if len({score.task for _, score in scored}) < SEVERAL:
        return []
    data = with_tips(
        [_datum(row, score, summary, names) for row, score in scored],
        whole="combination",
        task="task",
        mean="accuracy %|.2f",
        low="95 % from|.1f",
        high="95 % to|.1f",
        deviation="run-to-run sd|.2f",
        required="floor %|.1f",
        speed="output tokens/s|,.1f",
        n="n",
    )
    rows = list(dict.fromkeys(datum["name"] for datum in data))
    timed = [datum for datum in data if datum["speed"] is not None]
    return [
        *([_small_multiples(timed, rows)] if len({datum["name"] for datum in timed}) > 1 else []),
        bars(data, rows),
        *([heat_map(data, rows)] if len(rows) > 1 else []),
    ]


def _datum(row: Row, score: TaskScore, summary: Summary, names: Mapping[str, str]) -> Datum:
    low, high = span(score)
    task = task_names(summary.tasks)[score.task]
    counts = [one.tasks[score.task] for one in summary.rows if score.task in one.tasks]
    reach = None if low is None or high is None else (high - low) / 2
    return {
        "name": names[row.combination],
        "whole": drawable(row.combination),
        "task": task,
        "panel": (task, asked(counts)),
        "mean": hundred(score.mean),
        "low": low,
        "high": high,
        "deviation": hundred(score.run_to_run_deviation),
        "said": points(score.mean),
        "cell": points(score.mean) if reach is None else f"{points(score.mean)} ±{points(reach / 100)}",
        "required": hundred(score.required),
        "speed": row.output_tokens_per_second,
        "n": asked([score]),
    }


def _small_multiples(data: Sequence[Datum], rows: Sequence[str]) -> Figure:
    choice = picked("by_name", "name")
    tasks = dict.fromkeys(datum["panel"] for datum in data)
    panels = [
        _panel([datum for datum in data if datum["panel"] == panel], rows, choice, first=number == 0)
        for number, panel in enumerate(tasks)
    ]
    known = any(datum["low"] is not None for datum in data)
    told = [
        "Each task has its own scale of accuracy. Throughput is that of the combination over all its answers.",
        f"Bars: {OTHER_QUESTIONS}." if known else NO_INTERVAL,
    ]
    drawn = finished(alt.concat(*panels, columns=3, spacing=22))
    return Figure("accuracy-throughput-by-task", "Accuracy against throughput, task by task", " ".join(told), drawn)


def _panel(here: Sequence[Datum], rows: Sequence[str], choice: alt.Parameter, *, first: bool) -> alt.LayerChart:
    y = points_axis([datum[end] for datum in here for end in ("mean", "low", "high")])
    x = speed_axis([datum["speed"] for datum in here])
    base = chart(here).encode(
        x=alt.X("speed:Q", title="output tokens/s", scale=x.scale, axis=alt.Axis(tickCount=4)),
        y=alt.Y("mean:Q", title="accuracy (%)", scale=y.scale, axis=alt.Axis(tickCount=5)),
        opacity=faded(choice),
    )
    look = below(rows)
    dots = base.mark_point(filled=True, size=64, tooltip=TOOLTIP).encode(
        color=colour(rows, **look),
        shape=shape(rows, **look),
    )
    dots = dots.add_params(choice) if first else dots
    error_bars = whisker(base, "low", "high", horizontal=False, faint=0.5)
    return layered(error_bars, dots, width=210, height=170, title=panel_title(*here[0]["panel"]))
