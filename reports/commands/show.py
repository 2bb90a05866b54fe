"""`show`: the tables of a session, of all of them, or of published results."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reports.answers.leaderboard import as_csv
from reports.commands import Commands, opened, takes_results, width
from reports.drawing import history
from reports.ledger import Ledger, RecordedRun
from reports.observations.told import lines
from reports.published.studies import known_studies, read_study
from reports.published.summary import summary_of
from reports.speed import lines as speed_lines
from reports.summarising import summarise, summarise_all
from reports.summary import Summary
from reports.tables import IMPORTANT, markdown, not_passed, origin, text, title
from reports.wording.layout import folded
from thresholds.measurement import NotMeasured

FORMATS = ("text", "markdown", "json", "csv", "html")


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("show", help="the tables of a session, or of published results")
    parser.add_argument("--session", default="last", help="an id, `last`, or `all`: every session merged")
    parser.add_argument("--published", metavar="NAME", help=f"what others published: {', '.join(known_studies())}")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="csv: the leaderboard; html: a page to explore"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where html goes: the results folder, or results/published-NAME"
    )
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> str:
    """The tables, as asked for."""
    if asked.published:
        study = read_study(asked.published)
        if asked.format == "html":
            return _page(summary_of(study), asked.out or Path("results") / f"published-{study.name}")
        return _shown(asked.format, summary_of(study))
    with opened(asked.results) as ledger:
        summary = _summary(ledger, asked.session)
        if not summary.measured:
            raise NotMeasured("no_runs", f"session {asked.session!r} measured nothing")
        if asked.format == "html":
            engines = [engine for session in summary.sessions for engine in ledger.engines(session)]
            runs = (run for session in summary.sessions for run in ledger.runs(session))
            return _page(
                summary,
                asked.out or asked.results,
                runs,
                engines=engines,
                results=asked.results,
                questions=ledger.questions,
                history=history(ledger, summary),
            )
    return _shown(asked.format, summary)


def _summary(ledger: Ledger, session: str) -> Summary:
    return summarise_all(ledger) if session == "all" else summarise(ledger, None if session == "last" else session)


def _shown(form: str, summary: Summary) -> str:
    if form == "json":
        return json.dumps(summary.to_dict(), indent=2, default=str)
    if form == "csv":
        return as_csv(summary) if summary.runs else speed_lines.as_csv(summary)
    return markdown(summary, None) if form == "markdown" else _as_text(summary)


def _page(summary: Summary, folder: Path, runs: Iterable[RecordedRun] = (), **more: Any) -> str:
    from reports.page import write_page

    try:
        written = write_page(summary, runs, folder, **more)
    except OSError as error:
        raise NotMeasured(
            "not_written", f"{folder}: the page cannot be written: {error}; choose another --out"
        ) from None
    return "\n".join(f"report   {path}" for path in written)


def _as_text(summary: Summary) -> str:
    """The most important that the numbers say before the tables, the rest after them; of a study its title first."""
    head = [] if summary.source is None else [title(summary), "", *origin(summary)]
    first, rest = (
        lines(part, width()) for part in (summary.observations[:IMPORTANT], summary.observations[IMPORTANT:])
    )
    parts = [
        [part for line in head for part in folded(line, width())],
        _under("What the numbers say", first),
        [text(summary, width())],
        _under("More that the numbers say", rest),
        _under("Not passed", not_passed(summary)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _under(heading: str, said: list[str]) -> list[str]:
    return [heading, "", *said] if said else []
