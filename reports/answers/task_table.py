"""Summary -> tasks by models: every score with its interval, the best of each task and who cannot be told from it."""

import math
from collections.abc import Sequence

from reports.answers.rows import Row
from reports.answers.speeds import speeds_apart
from reports.summary import Summary
from reports.wording.labels import short_names
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import beginning_left_out, points, rate, task_names
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.means import interval

BEST, TIED = "*", "~"
MEAN = "mean"


def by_model(summary: Summary) -> Table:
    """A line for each of several tasks and for their mean, a column for each combination that has a score."""
    names, tasks = short_names(summary.rows), task_names(summary.tasks)
    rows = [row for row in summary.rows if row.mean is not None]
    columns = [Column("task", TEXT), *(Column(names[row.combination]) for row in rows)]
    if len(tasks) < 2 or len(rows) < 2:  # noqa: PLR2004 - the ranking says it all
        return Table("Tasks by model", columns, [])
    lines = [[name, *(_cell(summary, row, task) for row in rows)] for task, name in tasks.items()]
    lines.append([MEAN, *(_cell(summary, row, None) for row in rows)])
    lines.append(["output tokens/s", *_speeds(summary, rows)])
    return Table("Tasks by model", columns, lines, _notes(summary))


def _cell(summary: Summary, row: Row, task: str | None) -> str:
    """82.5 (78.9-85.7) *, or a dash."""
    if task is None:
        mean, errors = row.mean, [score.question_error for score in row.tasks.values()]
        mean = None if row.missing else mean
    else:
        score = row.tasks.get(task)
        mean, errors = (score.mean, [score.question_error]) if score else (None, [])
    if mean is None:
        return UNKNOWN
    known = [error for error in errors if error is not None]
    if not known or len(known) < len(errors) or not 0 <= mean <= 1:
        return f"{points(mean)}{_mark(summary, row, task)}"
    low, high = interval(mean, math.hypot(*known) / len(known), CONFIDENCE, 0.0, 1.0)
    return f"{points(mean)} ({points(low)}-{points(high)}){_mark(summary, row, task)}"


def _speeds(summary: Summary, rows: Sequence[Row]) -> list[str]:
    """Every speed, marked as the scores are; one that a single run gave cannot be told from the highest."""
    known = {row.combination: row.output_tokens_per_second for row in rows if row.output_tokens_per_second}
    first, apart = max(known, key=lambda name: known[name], default=None), speeds_apart(summary.runs)
    compared = any(gap.low is not None for gap in summary.gaps)
    marks = {
        name: f" {BEST}" if value == known[first] else f" {TIED}" if compared and not apart.get((first, name)) else ""
        for name, value in known.items()
        if first is not None
    }
    return [rate(row.output_tokens_per_second) + marks.get(row.combination, "") for row in rows]


def _mark(summary: Summary, row: Row, task: str | None) -> str:
    means = [_mean(one, task) for one in summary.rows]
    best = max(mean for mean in means if mean is not None)
    if _mean(row, task) == best:
        return f" {BEST}"
    tied = any(
        gap.second == row.combination and gap.told_apart is False and _mean_of(summary, gap.first, task) == best
        for gap in summary.gaps
        if gap.task == task
    )
    return f" {TIED}" if tied else ""


def _mean_of(summary: Summary, combination: str, task: str | None) -> float | None:
    return next((_mean(row, task) for row in summary.rows if row.combination == combination), None)


def _mean(row: Row, task: str | None) -> float | None:
    if task is None:
        return None if row.missing else row.mean
    return row.tasks[task].mean if task in row.tasks else None


def _notes(summary: Summary) -> list[str]:
    known = any(gap.low is not None for gap in summary.gaps)
    judged = f"{TIED} cannot be told apart from it (5 % over all pairs of its line; Holm)"
    return [
        f"{BEST} is the highest of its line{f'; {judged}' if known else ', by a plain comparison'}.",
        *(["In brackets: the 95 % interval of other questions like these."] if known else []),
        *beginning_left_out(summary.tasks),
    ]
