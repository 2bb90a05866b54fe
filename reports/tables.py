"""Summary -> tables, as text for a terminal, as Markdown and as CSV."""

from collections.abc import Callable, Collection, Sequence

from reports.answers.by_task import by_task
from reports.answers.change_table import changes_table
from reports.answers.leaderboard import leaderboard
from reports.answers.ranking import ranking
from reports.answers.task_table import by_model
from reports.drafts.tables import answers_table, speed_table
from reports.observations.told import bullets
from reports.quants.tables import limits_table, quants_table, recovery_table
from reports.speed.load_table import load
from reports.speed.tables import by_metric, ratios, speed
from reports.summary import Summary
from reports.upgrades import upgrade_table
from reports.wording.columns import in_terminal
from reports.wording.labels import short_names
from reports.wording.layout import (
    TEXT,
    UNKNOWN,
    Column,
    Table,
    as_markdown,
    escaped,
    fenced,
    known_columns,
    one_line,
)
from reports.wording.sentences import counted
from reports.wording.words import count, duration, figure, memory, rate

__all__ = ["TABLES", "by_task", "markdown", "not_passed", "origin", "ranking", "text", "title", "what_it_took"]

MOST_LETTERS = 65_000
"""What a comment on GitHub has room for, less a little."""

OPEN = ("upgrade", "ranking", "models", "drafts", "draft answers", "speed", "ratios")
"""Tables that Markdown shows at once; the others are folded."""

FOLDED = "<details>"

IMPORTANT = 3
"""Observations that stand before everything else."""


def what_it_took(summary: Summary) -> Table:
    """What the answers cost, and which of them are doubtful; of published results the leaderboard says it."""
    names, again = short_names(summary.rows), any(row.retries for row in summary.rows)
    columns = [
        Column("combination", TEXT),
        *map(Column, ("unparsed", "cut off", "failed", "prompt tokens", "prompt tokens/s")),
        *map(Column, ("completion tokens", "completion tokens/s", "duration", "memory GiB", "start-up")),
        *map(Column, ("retries", "cost")),
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
            count(row.retries) if again else UNKNOWN,
            figure(row.cost),
        ]
        for row in (summary.rows if summary.source is None else ())
    ]
    notes = ["Sums over all runs; tokens/s: by the time of their runs."]
    always = [column.heading for column in columns[:-2]]  # retries where there were some, cost where there are prices
    return known_columns(Table("What it took", columns, rows, notes), *always)


def upgrade(summary: Summary) -> Table:
    """Candidates beside their baselines."""
    return upgrade_table(summary.upgrades)


TABLES: dict[str, Callable[[Summary], Table]] = {
    "upgrade": upgrade,
    "ranking": ranking,
    "models": by_model,
    "changes": changes_table,
    "drafts": lambda summary: speed_table(summary.drafts),
    "draft answers": lambda summary: answers_table(summary.drafts.answers),
    "quants": lambda summary: quants_table(summary.quants),
    "recovery": lambda summary: recovery_table(summary.quants),
    "limits": lambda summary: limits_table(summary.limits),
    "took": what_it_took,
    "task": by_task,
    "leaderboard": leaderboard,
    "speed": speed,
    "ratios": ratios,
    "load": load,
    "metric": by_metric,
}
"""In the order in which they are shown; one without rows is not."""


def text(summary: Summary, width: int | None = None, *, tables: Collection[str] = tuple(TABLES)) -> str:
    """The named tables for a terminal; width None is as wide as they are."""
    return "\n\n".join(in_terminal(table, width) for table in _with_rows(summary, tables).values())


def title(summary: Summary) -> str:
    """Of the study, or the session."""
    return f"Weighbridge: {', '.join(summary.sessions[-1:])}" if summary.source is None else summary.source.title


def origin(summary: Summary) -> list[str]:
    """Where and how the numbers came about."""
    if summary.source is not None:
        source = summary.source
        return [f"By: {source.authors}. Published: {source.date}.", f"Source: {source.url}", *source.notes]
    provenance = summary.provenance
    command = provenance.get("command")
    said = {
        "started": summary.started,
        "hardware": provenance.get("hardware"),
        "command": " ".join(map(str, command)) if isinstance(command, list | tuple) else command,
        "sessions": len(summary.sessions) if len(summary.sessions) > 1 else None,
        "error level": dict(provenance.get("settings") or {}).get("error_level"),
    }
    return ["; ".join(f"{name}: {value}" for name, value in said.items() if value is not None)]


def not_passed(summary: Summary) -> list[str]:
    """The words of every verdict that is not PASS."""
    return [one_line(line) for verdict in summary.not_passed for line in verdict.lines]


def markdown(summary: Summary, most: int | None = MOST_LETTERS) -> str:
    """The whole report for GitHub: long parts folded; beyond `most` letters the longest is replaced by a line."""
    head = [f"## {escaped(title(summary))}", *map(escaped, origin(summary))]
    tables = _with_rows(summary, TABLES)
    parts = [as_markdown(table) if name in OPEN else _folded(table) for name, table in tables.items()]
    names = [table.title for table in tables.values()]
    rest = bullets(summary.observations[IMPORTANT:])
    if summary.observations:
        head += ["### What the numbers say", bullets(summary.observations[:IMPORTANT])]
    if rest:
        parts.append(_details(counted(len(summary.observations) - IMPORTANT, "more observation"), rest))
        names.append("More observations")
    if summary.not_passed:
        parts.append("\n\n".join(["### Not passed", *(fenced(verdict.lines) for verdict in summary.not_passed)]))
        names.append("Not passed")
    return "\n\n".join([*head, *_short_enough(parts, names, most, sum(map(len, head)) + 2 * len(head))]) + "\n"


def _short_enough(parts: Sequence[str], names: Sequence[str], most: int | None, taken: int) -> list[str]:
    """The parts, the longest of them replaced by a line until all have room; folded ones first."""
    shown = list(parts)
    while most is not None and taken + sum(len(part) + 2 for part in shown) > most:
        longest = max(range(len(shown)), key=lambda number: (shown[number].startswith(FOLDED), len(shown[number])))
        left_out = f"{names[longest]}: too long for this page; `python -m reports show` has it."
        if len(shown[longest]) <= len(left_out):
            break
        shown[longest] = left_out
    return shown


def _folded(table: Table) -> str:
    return _details(f"{table.title} ({counted(len(table.rows), 'row')})", as_markdown(table))


def _details(summary: str, content: str) -> str:
    return f"{FOLDED}<summary>{escaped(summary)}</summary>\n\n{content}\n\n</details>"


def _with_rows(summary: Summary, names: Collection[str]) -> dict[str, Table]:
    built = {name: build(summary) for name, build in TABLES.items() if name in names}
    return {name: table for name, table in built.items() if table.rows}
