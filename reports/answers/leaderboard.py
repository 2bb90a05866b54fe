"""Summary -> the leaderboard: a line for each run, and one that sums up each combination, ranked."""

import csv
import io
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reports.answers.rank_words import place, ranges_explained
from reports.answers.rows import Row
from reports.answers.run_rows import RunRow
from reports.summary import Summary
from reports.wording.labels import short_names
from reports.wording.layout import TEXT, UNKNOWN, Column, Table, known_columns
from reports.wording.words import amount, count, duration, fine_points, memory, rate, spread, task_names

RUN = "·"
"""Before the number of a run, below the line of its combination."""

NAMED = ("rank", "model, run")
WORDS = {
    "draft model": "draft",
    "main model": "weights",
    "size": "size",
    "format": "format",
    "engine, API": "engine",
    "GPU": "hardware",
}
"""Columns of `RunRow.labels`."""

FORMULA = ("=", "+", "-", "@", "\t")
"""A cell that begins with one of these is a formula to a spreadsheet."""


def leaderboard(summary: Summary) -> Table:
    """Every run of every combination, with what it took."""
    made = _by_combination(summary)
    tasks = task_names(summary.tasks)
    rows = []
    names = short_names(summary.rows)
    for row in summary.rows:
        runs = made.get(row.combination, [])
        rows.append(_summed(row, names[row.combination], runs))
        rows += [_line(run, tasks if len(tasks) > 1 else {}, _made(row, runs)) for run in runs]
    columns = [
        Column("rank"),
        Column(NAMED[1], TEXT),
        *map(Column, ("score %", "correct")),
        Column("published %", TEXT),
        *map(Column, ("guesses right", "duration", "prompt tokens", "prompt tokens/s")),
        *map(Column, ("completion tokens", "completion tokens/s", "memory GiB")),
        *(Column(name, TEXT) for name in WORDS),
    ]
    table = known_columns(Table("Leaderboard", columns, rows, named=len(NAMED)), *NAMED)
    return replace(table, notes=_notes(summary, {column.heading for column in table.columns}))


def as_csv(summary: Summary) -> str:
    """The leaderboard with whole names and unrounded numbers: `line` is "run" or "combination"; empty is unknown."""
    made = _by_combination(summary)
    written = io.StringIO()
    writer = csv.DictWriter(written, list(_CSV), lineterminator="\n")
    writer.writeheader()
    for row in summary.rows:
        runs = made.get(row.combination, [])
        writer.writerow({name: _plain(cell(row, runs)) for name, (cell, _) in _CSV.items()})
        for run in runs:
            writer.writerow({name: _plain(cell(row, run)) for name, (_, cell) in _CSV.items()})
    return written.getvalue()


def _by_combination(summary: Summary) -> dict[str, list[RunRow]]:
    made: dict[str, list[RunRow]] = {}
    for run in summary.runs:
        made.setdefault(run.combination, []).append(run)
    return made


def _summed(row: Row, name: str, runs: Sequence[RunRow]) -> list[str]:
    known = _all(runs)
    return [
        place(row.rank, row.rank_best, row.rank_worst),
        name,
        spread(row.mean, row.run_to_run_deviation),
        _of(known["correct"], known["questions"]),
        UNKNOWN,
        _of(known["correct_guesses"], known["guesses"]) if known["guesses"] else UNKNOWN,
        duration(row.seconds),
        count(row.prompt_tokens),
        rate(row.prompt_tokens_per_second),
        count(row.completion_tokens),
        rate(row.output_tokens_per_second),
        *_made(row, runs),
    ]


def _line(run: RunRow, tasks: Mapping[str, str], of_all: Sequence[str]) -> list[str]:
    """What its combination says already of how it was made is left empty."""
    number = f"{'?' if run.number is None else run.number}/{'?' if run.of is None else run.of}"
    numbered = [] if run.number is None and run.of is None and tasks else [number]
    made = [memory(run.memory), *(str(run.labels.get(label, UNKNOWN)) for label in WORDS.values())]
    return [
        "",
        " ".join([RUN, *([tasks[run.task]] if tasks else []), *numbered]),
        fine_points(run.score),
        _of(run.correct, run.questions),
        UNKNOWN if run.mark is None else f"{run.mark} {fine_points(run.reference)}",
        _of(run.correct_guesses, run.guesses) if run.guesses else UNKNOWN,
        duration(run.seconds),
        count(run.prompt_tokens),
        rate(run.prompt_tokens_per_second),
        count(run.completion_tokens),
        rate(run.completion_tokens_per_second),
        *("" if said == of else said for said, of in zip(made, of_all, strict=True)),
    ]


def _made(row: Row, runs: Sequence[RunRow]) -> list[str]:
    labels = [_draft(row, runs) if label == "draft" else _same(runs, label) for label in WORDS.values()]
    return [memory(row.engine_memory), *labels]


def _all(runs: Sequence[RunRow]) -> dict[str, float | None]:
    """Sums over the runs; None where one does not say, but guesses and right ones where some do."""
    found: dict[str, float | None] = {}
    for name in ("correct", "questions", "guesses", "correct_guesses"):
        told = [getattr(run, name) for run in runs]
        known = [value for value in told if value is not None]
        whole = bool(known) and (len(known) == len(told) or "guesses" in name)
        found[name] = math.fsum(known) if whole else None
    return found


def _same(runs: Iterable[RunRow], label: str) -> str:
    """What all runs say; how many things they say where they differ."""
    told = {str(run.labels[label]) for run in runs if label in run.labels}
    return told.pop() if len(told) == 1 else f"{len(told)} different" if told else UNKNOWN


def _draft(row: Row, runs: Sequence[RunRow]) -> str:
    told = row.labels.get("draft")
    return _same(runs, "draft") if told is None else str(told)


def _of(part: float | None, whole: float | None) -> str:
    if part is None and whole is None:
        return UNKNOWN
    return f"{amount(part)}/{count(whole)}"


def _notes(summary: Summary, shown: Collection[str]) -> list[str]:
    over = " over tasks" if len(summary.tasks) > 1 else ""
    how = "expected of random guesses" if summary.source is None else "guessed at random"
    ranked = [(row.rank, row.rank_best, row.rank_worst) for row in summary.rows]
    explained = {
        "guesses right": f"Guesses right: of the answers in which none was found, how many were right ({how}).",
        "published %": "Published %: the study's own mark against the number that somebody else published.",
    }
    return [
        f"{RUN} is a run; where it is empty, it is as all runs of its combination, which have the line above it.",
        f"The score of a combination is the mean{over} ± the run-to-run standard deviation.",
        *([ranges_explained(ranked)] if any(best is not None for _, best, _ in ranked) else []),
        *(note for heading, note in explained.items() if heading in shown),
    ]


def _plain(value: Any) -> Any:
    """What a spreadsheet takes for no formula."""
    if value is None or value == UNKNOWN:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _label(name: str) -> tuple[Callable[[Row, Sequence[RunRow]], Any], Callable[[Row, RunRow], Any]]:
    return lambda row, runs: _draft(row, runs) if name == "draft" else _same(runs, name), lambda _, run: run.labels.get(
        name
    )


def _sum(name: str) -> tuple[Callable[[Row, Sequence[RunRow]], Any], Callable[[Row, RunRow], Any]]:
    return lambda _, runs: _all(runs)[name], lambda _, run: getattr(run, name)


_CSV: Mapping[str, tuple[Callable[[Row, Sequence[RunRow]], Any], Callable[[Row, RunRow], Any]]] = {
    "line": (lambda *_: "combination", lambda *_: "run"),
    "rank": (lambda row, _: row.rank, lambda row, _: row.rank),
    "rank_best": (lambda row, _: row.rank_best, lambda *_: None),
    "rank_worst": (lambda row, _: row.rank_worst, lambda *_: None),
    "combination": (lambda row, _: row.combination, lambda row, _: row.combination),
    "model": (lambda row, _: row.labels.get("model"), lambda row, _: row.labels.get("model")),
    "task": (lambda *_: None, lambda _, run: run.task),
    "session": (lambda *_: None, lambda _, run: run.session),
    **{name: _label(name) for name in ("weights", "draft", "size", "format", "engine", "hardware")},
    "quantization": (lambda row, _: row.labels.get("quantization"), lambda row, _: row.labels.get("quantization")),
    "memory_bytes": (lambda row, _: row.engine_memory, lambda _, run: run.memory),
    "run": (lambda *_: None, lambda _, run: run.number),
    "runs": (lambda row, _: row.runs, lambda _, run: run.of),
    "seconds": (lambda row, _: row.seconds, lambda _, run: run.seconds),
    "correct": _sum("correct"),
    "questions": _sum("questions"),
    "score": (lambda row, _: row.mean, lambda _, run: run.score),
    "run_to_run_deviation": (lambda row, _: row.run_to_run_deviation, lambda *_: None),
    "mark": (lambda *_: None, lambda _, run: run.mark),
    "published_score": (lambda *_: None, lambda _, run: run.reference),
    "guesses": _sum("guesses"),
    "correct_guesses": _sum("correct_guesses"),
    "prompt_tokens": (lambda row, _: row.prompt_tokens, lambda _, run: run.prompt_tokens),
    "prompt_tokens_per_second": (
        lambda row, _: row.prompt_tokens_per_second,
        lambda _, run: run.prompt_tokens_per_second,
    ),
    "completion_tokens": (lambda row, _: row.completion_tokens, lambda _, run: run.completion_tokens),
    "completion_tokens_per_second": (
        lambda row, _: row.output_tokens_per_second,
        lambda _, run: run.completion_tokens_per_second,
    ),
}
"""Columns, with what the line of a combination and that of a run say."""
