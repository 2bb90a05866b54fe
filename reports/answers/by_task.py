"""Summary -> every task of every combination, with its interval and verdict."""

from collections.abc import Callable

from reports.answers.early import marked, stopped
from reports.answers.scores import TaskScore
from reports.summary import Summary
from reports.wording.labels import short_names
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import count, points, runs, score_name, signed_points, spread, task_names


def by_task(summary: Summary) -> Table:
    """Every task of every combination, with its interval and verdict; of published results the leaderboard has it."""
    combinations, tasks = short_names(summary.rows), task_names(summary.tasks)
    rows_told = summary.rows if summary.source is None else ()
    scores = [(row, score) for row in rows_told for score in row.tasks.values()]
    optional = [column for column, told in _OPTIONAL.items() if any(told(score) != UNKNOWN for _, score in scores)]
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
            marked(spread(score.mean, score.run_to_run_deviation), score),
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
    return Table("By task", columns, rows, [*notes, *stopped(score for _, score in scores)])


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
