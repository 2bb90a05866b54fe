"""Comparison -> tables."""

from collections.abc import Callable, Mapping, Sequence

from reports.comparison.paired import Compared, Comparison
from reports.wording.labels import short_names
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import beginning_left_out, count, points, signed_points, task_names

OVER_ALL = "mean of tasks"


def comparison_table(comparison: Comparison) -> Table:
    """Every task of every combination that both sides asked, and the mean over tasks."""
    rows = comparison.rows
    names, tasks = short_names(rows), task_names(list(dict.fromkeys(row.task for row in rows if row.task)))
    words: Mapping[str, Callable[[Compared], str]] = {
        **({"combination": lambda row: names[row.combination]} if comparison.of_sessions else {}),
        "task": lambda row: OVER_ALL if row.task is None else tasks[row.task],
    }
    again = {"same again": lambda row: span(row.again_low, row.again_high)}
    numbers: Mapping[str, Callable[[Compared], str]] = {
        "before": lambda row: points(row.before),
        "after": lambda row: points(row.after),
        "change": lambda row: signed_points(row.difference),
        "95% interval": lambda row: span(row.low, row.high),
        **(again if any(row.again_low is not None for row in rows) else {}),
        "worse": lambda row: count(row.worse),
        "better": lambda row: count(row.better),
        "questions": lambda row: count(row.questions),
        "runs": lambda row: f"{row.before_runs}, {row.after_runs}",
        "p": lambda row: chance(row.p_value),
    }
    columns = [*(Column(name, TEXT) for name in words), *map(Column, numbers)]
    cells = [[told(row) for told in (*words.values(), *numbers.values())] for row in rows]
    return Table(f"From {comparison.before} to {comparison.after}", columns, cells, _notes(rows, comparison.left_out))


def span(low: float | None, high: float | None) -> str:
    """-1.2 to +3.4, in points."""
    return UNKNOWN if low is None or high is None else f"{signed_points(low)} to {signed_points(high)}"


def chance(p_value: float) -> str:
    """0.034, or < 0.001."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"  # noqa: PLR2004 - three decimals are enough


def _notes(rows: Sequence[Compared], not_compared: Sequence[str]) -> list[str]:
    notes = [
        "Question by question, over the questions that both answered. The interval: of other questions like these."
    ]
    if any(row.again_low is not None for row in rows):
        notes.append("Same again: where the change would lie if the same questions were asked once more (95 %).")
    notes.append("Worse, better: questions whose score fell, rose. p: the chance of a split as uneven by noise alone:")
    notes.append("exact McNemar; signs permuted where scores are fractions or tasks are pooled.")
    if len(rows) > 1:
        notes.append(f"With {len(rows)} rows, expect one p below 0.05 in 20 from noise alone.")
    if any(row.questions < max(row.before_questions, row.after_questions) for row in rows):
        notes.append("Some questions were asked on one side only; they are not counted here.")
    notes += beginning_left_out([row.task for row in rows if row.task])
    return [*notes, *(f"Not compared: {said}" for said in not_compared)]
