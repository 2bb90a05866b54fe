"""Summary -> the ranking: who answers best, and how far that can be trusted."""

from collections.abc import Callable, Mapping, Sequence

from reports.answers.behind import BEHIND, behind_explained, behind_the_best
from reports.answers.deployment import deployment
from reports.answers.early import marked, stopped
from reports.answers.rank_words import place, ranges_explained
from reports.answers.rows import Row
from reports.summary import Summary
from reports.wording.labels import ALWAYS_SHOWN, label, short_names, telling_labels
from reports.wording.layout import TEXT, UNKNOWN, Column, Table, known_columns
from reports.wording.words import beginning_left_out, points, runs, signed_points, spread, task_names

SHORT = 8
"""Rows of a ranking that may stand side by side."""

Cells = Mapping[str, Callable[[Row], str]]
"""Columns by their headings."""


def ranking(summary: Summary) -> Table:
    """A column for each task, the mean over tasks with its spread, runs and headroom.

    A long one, and one of published results, begins with whole names and is folded by columns where it is too wide.
    """
    names, behind = task_names(summary.tasks), behind_the_best(summary)
    labels = {name.replace("_", " "): _labelled(name) for name in (*ALWAYS_SHOWN, *telling_labels(summary.rows))}
    if len({deployment(row) for row in summary.rows}) > 1:
        labels["deployment"] = lambda row: deployment(row) or UNKNOWN
    tasks: Cells = {shown: _score(task) for task, shown in names.items()}
    overall: Cells = {
        "mean ± sd": lambda row: _mean(row, len(names)),
        BEHIND: lambda row: behind[row.combination],
        "runs": lambda row: runs(row.runs, row.earlier_runs),
        "headroom": lambda row: _headroom(row, names),
    }
    if summary.source is None and len(summary.rows) <= SHORT:
        return _drawn(summary, [(labels, TEXT), ({**tasks, **overall}, "right")], named=0)
    whole = short_names(summary.rows)
    combination: Cells = {"combination": lambda row: whole[row.combination]}
    scores = {**(tasks if len(tasks) > 1 else {}), **overall}
    others = {name: cell for name, cell in labels.items() if name != "model"}
    drawn = _drawn(summary, [(combination, TEXT), (scores, "right"), (others, TEXT)], named=2)
    return known_columns(drawn, "rank", "combination")


def _drawn(summary: Summary, parts: Sequence[tuple[Cells, str]], named: int) -> Table:
    columns = [Column("rank"), *(Column(name, kind) for cells, kind in parts for name in cells)]
    told = [_rank, *(cell for cells, _ in parts for cell in cells.values())]
    return Table("Ranking", columns, [[cell(row) for cell in told] for row in summary.rows], _notes(summary), named)


def _labelled(name: str) -> Callable[[Row], str]:
    return lambda row: label(row, name)


def _score(task: str) -> Callable[[Row], str]:
    return lambda row: marked(points(row.tasks[task].mean), row.tasks[task]) if task in row.tasks else UNKNOWN


def _rank(row: Row) -> str:
    return UNKNOWN if row.rank is None else place(row.rank, row.rank_best, row.rank_worst)


def _mean(row: Row, tasks: int) -> str:
    shown = spread(row.mean, row.run_to_run_deviation)
    return f"{shown} ({tasks - len(row.missing)} of {tasks} tasks)" if row.missing and row.mean is not None else shown


def _headroom(row: Row, names: dict[str, str]) -> str:
    if row.headroom is None or row.headroom_task is None:
        return UNKNOWN
    return f"{signed_points(row.headroom)} ({names[row.headroom_task]})"


def _notes(summary: Summary) -> list[str]:
    made = {row.runs for row in summary.rows if row.runs}
    over = (
        f"over {max(made)} runs" if len(made) == 1 and made != {1} else f"over the runs of a row; one shows {UNKNOWN}"
    )
    return [
        f"± is the run-to-run standard deviation {over}.",
        *_about_ranks(summary),
        *behind_explained(summary),
        *stopped(score for row in summary.rows for score in row.tasks.values()),
        *beginning_left_out(summary.tasks),
    ]


def _about_ranks(summary: Summary) -> list[str]:
    rows = summary.rows
    if all(row.rank_best is None for row in rows):
        told = [row for row in rows if row.rank is not None]
        why = "no interval is known" if summary.source is None else "the source gives no interval"
        return [f"Ranks follow the mean alone: {why}."] if len(told) > 1 else []
    notes = [ranges_explained([(row.rank, row.rank_best, row.rank_worst) for row in rows])]
    if summary.source is not None:
        notes.append("Only totals are published: two are compared by their own errors, which is wider than the truth.")
        return notes
    names = short_names(rows)
    unpaired = [names[row.combination] for row in rows if row.paired is False]
    if len(unpaired) < sum(row.paired is not None for row in rows):
        notes.append("Two are compared question by question, over those that both answered, averaged over tasks.")
    if unpaired:
        notes.append(f"By their own errors where questions differ: {', '.join(unpaired)}.")
    if any(row.rank is not None and row.rank_best is None for row in rows):
        notes.append("Those that lack a task rank last and are not compared.")
    return notes
