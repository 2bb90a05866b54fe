"""Summary -> tables, as text for a terminal and as Markdown."""

from collections.abc import Callable, Collection, Iterable, Sequence

from reports.answers.rank_words import place, ranges_explained
from reports.answers.rows import Row
from reports.answers.scores import TaskScore
from reports.speed.load_table import load
from reports.speed.tables import by_metric, ratios, speed
from reports.summary import Summary
from reports.upgrades import upgrade_table
from reports.wording.labels import ALWAYS_SHOWN, label, short_names, telling_labels
from reports.wording.layout import TEXT, UNKNOWN, Column, Table, as_markdown, as_text, escaped, fenced, one_line
from reports.wording.words import (
    count,
    duration,
    memory,
    points,
    rate,
    runs,
    score_name,
    shared_beginning,
    signed_points,
    spread,
    task_names,
)

EARLY = "†"


def ranking(summary: Summary) -> Table:
    """Who answers best: a column for each task, the mean over tasks with its spread, runs and headroom."""
    extra = telling_labels(summary.rows)
    names = task_names(summary.tasks)
    columns = [
        Column("rank"),
        *(Column(name.replace("_", " "), TEXT) for name in (*ALWAYS_SHOWN, *extra)),
        *(Column(name) for name in names.values()),
        *map(Column, ("mean ± sd", "runs", "headroom")),
    ]
    rows = [
        [
            _rank(row),
            *(label(row, name) for name in (*ALWAYS_SHOWN, *extra)),
            *(
                _marked(points(row.tasks[task].mean), row.tasks[task]) if task in row.tasks else UNKNOWN
                for task in names
            ),
            _mean(row, len(names)),
            runs(row.runs, row.earlier_runs),
            _headroom(row, names),
        ]
        for row in summary.rows
    ]
    return Table("Ranking", columns, rows, _ranking_notes(summary))


def what_it_took(summary: Summary) -> Table:
    """What the answers cost, and which of them are doubtful."""
    names = short_names(summary.rows)
    columns = [
        Column("combination", TEXT),
        *map(Column, ("unparsed", "cut off", "failed", "prompt tokens", "prompt tokens/s")),
        *map(Column, ("completion tokens", "completion tokens/s", "duration", "memory GiB", "start-up")),
    ]
    rows = [
        [
            names[row.combination],
            *map(count, (row.unparsed, row.cut_off, row.failed_requests, row.prompt_tokens)),
            rate(row.prompt_tokens_per_second),
            count(row.completion_tokens),
            rate(row.output_tokens_per_second),
            duration(row.seconds),
            memory(row.engine_memory),
            duration(row.engine_start_seconds),
        ]
        for row in summary.rows
    ]
    return Table("What it took", columns, rows, ["Sums over all runs; tokens/s: by the time of their runs."])


def by_task(summary: Summary) -> Table:
    """Every task of every combination, with its interval and verdict."""
    combinations, tasks = short_names(summary.rows), task_names(summary.tasks)
    scores = [(row, score) for row in summary.rows for score in row.tasks.values()]
    optional = [column for column in _OPTIONAL if any(_OPTIONAL[column](score) != UNKNOWN for _, score in scores)]
    columns = [
        Column("combination", TEXT),
        Column("task", TEXT),
        *map(Column, ("score ± sd", "95% interval", "questions", "runs", "floor", "headroom")),
        Column("verdict", TEXT),
        *(Column(column, TEXT) for column in optional),
    ]
    rows = [
        [
            combinations[row.combination],
            tasks[score.task],
            _marked(spread(score.mean, score.run_to_run_deviation), score),
            _interval(score),
            _questions(score),
            runs(score.runs, score.earlier_runs),
            points(score.required),
            signed_points(score.headroom),
            _verdict(score),
            *(_OPTIONAL[column](score) for column in optional),
        ]
        for row, score in scores
    ]
    notes = ["The interval is that of another run of the same questions; marked *, of other questions (one run)."]
    return Table("By task", columns, rows, [*notes, *_stopped(score for _, score in scores)])


def upgrade(summary: Summary) -> Table:
    """Candidates beside their baselines."""
    return upgrade_table(summary.upgrades)


TABLES: dict[str, Callable[[Summary], Table]] = {
    "upgrade": upgrade,
    "ranking": ranking,
    "took": what_it_took,
    "task": by_task,
    "speed": speed,
    "ratios": ratios,
    "load": load,
    "metric": by_metric,
}
"""In the order in which they are shown; one without rows is not."""


def text(summary: Summary, width: int | None = None, *, tables: Collection[str] = tuple(TABLES)) -> str:
    """The named tables for a terminal; width None is as wide as they are."""
    return "\n\n".join(as_text(table, width) for table in _with_rows(summary, tables))


def not_passed(summary: Summary) -> list[str]:
    """The words of every verdict that is not PASS."""
    return [one_line(line) for verdict in summary.not_passed for line in verdict.lines]


def markdown(summary: Summary) -> str:
    """The whole report for GitHub."""
    title = f"## Weighbridge: {escaped(', '.join(summary.sessions[-1:]))}"
    parts = [title, escaped(_origin(summary)), *map(as_markdown, _with_rows(summary, TABLES))]
    if summary.not_passed:
        parts.append("### Not passed")
        parts += [fenced(verdict.lines) for verdict in summary.not_passed]
    return "\n\n".join(parts) + "\n"


def _with_rows(summary: Summary, names: Collection[str]) -> list[Table]:
    built = (build(summary) for name, build in TABLES.items() if name in names)
    return [table for table in built if table.rows]


def _mean(row: Row, tasks: int) -> str:
    shown = spread(row.mean, row.run_to_run_deviation)
    return f"{shown} ({tasks - len(row.missing)} of {tasks} tasks)" if row.missing and row.mean is not None else shown


def _headroom(row: Row, names: dict[str, str]) -> str:
    if row.headroom is None or row.headroom_task is None:
        return UNKNOWN
    return f"{signed_points(row.headroom)} ({names[row.headroom_task]})"


def _ranking_notes(summary: Summary) -> list[str]:
    made = {row.runs for row in summary.rows if row.runs}
    over = (
        f"over {max(made)} runs" if len(made) == 1 and made != {1} else f"over the runs of a row; one shows {UNKNOWN}"
    )
    left_out = shared_beginning(summary.tasks)
    return [
        f"± is the run-to-run standard deviation {over}.",
        *_about_ranks(summary.rows),
        *_stopped(score for row in summary.rows for score in row.tasks.values()),
        *([f"Task names are shown without {left_out} at their beginning."] if left_out else []),
    ]


def _about_ranks(rows: Sequence[Row]) -> list[str]:
    if all(row.rank_best is None for row in rows):
        return []
    names = short_names(rows)
    notes = [ranges_explained([(row.rank, row.rank_best, row.rank_worst) for row in rows])]
    unpaired = [names[row.combination] for row in rows if row.paired is False]
    if len(unpaired) < sum(row.paired is not None for row in rows):
        notes.append("Two are compared question by question, over those that both answered, averaged over tasks.")
    if unpaired:
        notes.append(f"By their own errors where questions differ: {', '.join(unpaired)}.")
    if any(row.rank is not None and row.rank_best is None for row in rows):
        notes.append("Those that lack a task rank last and are not compared.")
    return notes


def _rank(row: Row) -> str:
    if row.rank is None:
        return UNKNOWN
    return place(row.rank, row.rank_best, row.rank_worst)


def _marked(shown: str, score: TaskScore) -> str:
    return f"{shown} {EARLY}" if score.stopped_early else shown


def _stopped(scores: Iterable[TaskScore]) -> list[str]:
    if not any(score.stopped_early for score in scores):
        return []
    return [f"{EARLY}: stopped as soon as the verdict was certain (--spend least), on a part of the questions."]


def _interval(score: TaskScore) -> str:
    if score.low is None:
        return UNKNOWN
    return f"{points(score.low)} to {points(score.high)}{'*' if score.interval_of == 'questions' else ''}"


def _questions(score: TaskScore) -> str:
    if score.questions is None or score.population is None:
        return UNKNOWN
    asked = count(score.questions)
    return f"{asked} of {count(score.population)}" if score.population > score.questions else asked


def _verdict(score: TaskScore) -> str:
    if score.outcome is None:
        return UNKNOWN
    return score.outcome if score.outcome == "PASS" else f"{score.outcome} ({score.reason})"


def _other_scores(score: TaskScore) -> str:
    named = {score_name(name, score.primary): value for name, value in score.other_scores.items()}
    return ", ".join(f"{name} {points(value)}" for name, value in named.items()) or UNKNOWN


def _random_guesses(score: TaskScore) -> str:
    if not score.unparsed:
        return UNKNOWN
    return f"{signed_points(score.random_guesses)} ({score.unparsed} unparsed)"


def _shown_if_any(number: int | None) -> str:
    return count(number) if number else UNKNOWN


_OPTIONAL: dict[str, Callable[[TaskScore], str]] = {
    "other scores": _other_scores,
    "random guesses would add": _random_guesses,
    "cut off": lambda score: _shown_if_any(score.cut_off),
    "truncated prompts": lambda score: _shown_if_any(score.truncated),
    "failed": lambda score: _shown_if_any(score.failed_requests),
}


def _origin(summary: Summary) -> str:
    provenance = summary.provenance
    command = provenance.get("command")
    said = {
        "started": summary.started,
        "hardware": provenance.get("hardware"),
        "command": " ".join(map(str, command)) if isinstance(command, list | tuple) else command,
        "sessions": len(summary.sessions) if len(summary.sessions) > 1 else None,
    }
    return "; ".join(f"{name}: {value}" for name, value in said.items() if value is not None)
