"""Summary -> what the page says of verdicts, of every combination, and of how all was measured."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reports.answers.rank_words import place as rank_of
from reports.ledger import RecordedEngine
from reports.page.findings import Refusal, refusals
from reports.page.logs import log_tail
from reports.page.places import labelled, links, names, places
from reports.page.view import Shown, Span, drawn, shown, without
from reports.summary import RunRow, Summary
from reports.tables import TABLES
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import count, duration, memory, points, rate, runs, signed_points, spread, task_names

OF_ONE = ("task", "upgrade", "speed", "ratios", "metric")
"""Tables of which a combination's own part shows its rows."""

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Engine:
    """What was started, as it proved to be; `command` is None where a remote endpoint was asked."""

    session: str
    command: str | None
    facts: Pairs
    log: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """All about one combination; `id` is its place in the page."""

    id: str
    combination: str
    name: str
    place: str
    facts: Pairs
    labels: Pairs
    verdicts: Pairs
    refusals: Sequence[Refusal]
    tables: Sequence[Shown]
    engine: Engine | None


def parts(summary: Summary, engines: Iterable[RecordedEngine], folder: Path) -> list[Part]:
    """A part for each combination; of its engines the last counts."""
    started = {engine.combination: engine for engine in engines}
    called, leads = names(summary), links(summary)
    return [
        _part(_only(summary, name), place, leads, called, _engine(started.get(name), folder))
        for name, place in places(summary).items()
    ]


def provenance(summary: Summary) -> Pairs:
    """How all was measured, one line each."""
    known: dict[str, Any] = {
        "sessions": ", ".join(summary.sessions) or None,
        "started": summary.started,
        "finished": summary.finished,
        **{name: value for name, value in summary.provenance.items() if name not in {"version", "session", "started"}},
    }
    return [(name.replace("_", " "), _told(value)) for name, value in known.items() if value is not None]


def _only(summary: Summary, name: str) -> Summary:
    return replace(
        summary,
        rows=tuple(row for row in summary.rows if row.combination == name),
        speed=tuple(row for row in summary.speed if row.combination == name),
        upgrades=tuple(row for row in summary.upgrades if row.candidate == name),
        runs=tuple(row for row in summary.runs if row.combination == name),
        not_passed=tuple(one for one in summary.not_passed if one.combination == name),
    )


def _part(own: Summary, place: str, leads: Mapping[str, str], called: Mapping[str, str], engine: Engine | None) -> Part:
    row = next(iter(own.rows), None)
    first = labelled(own)[0]
    outcomes = {} if row is None else row.verdicts
    return Part(
        id=place,
        combination=first.combination,
        name=called[first.combination],
        place=UNKNOWN if row is None else rank_of(row.rank, row.rank_best, row.rank_worst),
        facts=_facts(own),
        labels=[(key.replace("_", " "), _told(value)) for key, value in first.labels.items() if key != "combination"],
        verdicts=[(outcome, count(number)) for outcome, number in outcomes.items() if number],
        refusals=refusals(own.not_passed, called),
        tables=_tables(own, place, {text: to for text, to in leads.items() if to != place}),
        engine=engine,
    )


def _tables(own: Summary, place: str, leads: Mapping[str, str]) -> list[Shown]:
    built = {name: without(TABLES[name](own), "combination") for name in OF_ONE}
    told = {name: shown(f"{place}-{name}", table, leads) for name, table in built.items() if table.rows}
    if "task" in told:
        told["task"] = drawn(told["task"], "95% interval", spans(own))
    made = _runs(own.runs)
    return [*told.values(), *([shown(f"{place}-runs", made, {})] if made.rows else [])]


def spans(summary: Summary) -> list[Span]:
    """What there is to draw of the rows of the table by task."""
    scores = [score for row in summary.rows for score in row.tasks.values()]
    return [Span(score.mean, score.low, score.high, score.required) for score in scores]


def _facts(own: Summary) -> Pairs:
    if not own.rows:
        return []
    row = own.rows[0]
    known = {
        "mean ± sd": spread(row.mean, row.run_to_run_deviation),
        "runs": runs(row.runs, row.earlier_runs),
        "headroom": signed_points(row.headroom),
        "unparsed": count(row.unparsed),
        "cut off": count(row.cut_off),
        "failed requests": count(row.failed_requests),
        "prompt tokens/s": rate(row.prompt_tokens_per_second),
        "completion tokens/s": rate(row.output_tokens_per_second),
        "duration": duration(row.seconds),
        "memory GiB": memory(row.engine_memory),
        "start-up": duration(row.engine_start_seconds),
    }
    return [(name, value) for name, value in known.items() if value != UNKNOWN]


def _runs(rows: Sequence[RunRow]) -> Table:
    tasks = task_names(list(dict.fromkeys(row.task for row in rows)))
    columns = [
        *(Column(name, TEXT) for name in ("task", "session")),
        *map(Column, ("run", "duration", "correct", "questions", "score", "unparsed", "prompt tokens")),
        *map(Column, ("prompt tokens/s", "completion tokens", "completion tokens/s")),
    ]
    cells = [
        [
            tasks[row.task],
            row.session or UNKNOWN,
            UNKNOWN if row.number is None else str(row.number),
            duration(row.seconds),
            UNKNOWN if row.correct is None else f"{row.correct:.1f}".removesuffix(".0"),
            count(row.questions),
            points(row.score),
            count(row.guesses),
            count(row.prompt_tokens),
            rate(row.prompt_tokens_per_second),
            count(row.completion_tokens),
            rate(row.completion_tokens_per_second),
        ]
        for row in rows
    ]
    return Table("Runs", columns, cells)


def _engine(engine: RecordedEngine | None, folder: Path) -> Engine | None:
    if engine is None:
        return None
    told = dict(engine.description)
    command = told.pop("command", None)
    tail = log_tail(told, engine.session, folder)
    facts = [(name.replace("_", " "), _told(value)) for name, value in told.items() if name != "seconds"]
    return Engine(engine.session, _command(command), facts, tail)


def _command(words: Any) -> str | None:
    """One option a line, so that a long command can be read and copied."""
    if not isinstance(words, list | tuple):
        return None if words is None else str(words)
    lines: list[list[str]] = [[]]
    for word in map(str, words):
        if word.startswith("--") and lines[-1]:
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(shlex.join(line) for line in lines)


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_told(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return shlex.join(map(str, value))
    return UNKNOWN if value is None else "yes" if value is True else "no" if value is False else str(value)
