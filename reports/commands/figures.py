"""`figures`: the figures of a session or of a study, each in a file of its own."""

import argparse
import json
from pathlib import Path

from reports.commands import Commands, opened, takes_results
from reports.figures import Figure, complete, figures, png, svg
from reports.history.points import Point, points
from reports.published.studies import known_studies, read_study
from reports.published.summary import summary_of
from reports.summarising import summarise, summarise_all
from reports.summary import Summary
from thresholds.measurement import NotMeasured

FORMATS = ("svg", "png", "json")


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("figures", help="the figures of a session or of a study, each in a file of its own")
    parser.add_argument("--session", default="last", help="an id, `last`, or `all`: every session merged")
    parser.add_argument("--published", metavar="NAME", help=f"instead, a study: {', '.join(known_studies())}")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write [figures/ in the results folder]")
    parser.add_argument("--format", choices=FORMATS, default="svg", help="json: the Vega-Lite spec, with its data")
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> str:
    """Write the figures and tell their files."""
    if asked.published:
        found = figures(summary_of(read_study(asked.published)))
    else:
        found = figures(*_measured(asked.results, asked.session))
    if not found:
        raise NotMeasured("no_figures", "nothing was measured that a figure could show")
    folder = asked.out or asked.results / "figures" / (asked.published or "")
    return "\n".join(f"{figure.title}: {_written(figure, folder, asked.format)}" for figure in found)


def _measured(results: Path, session: str) -> tuple[Summary, list[Point]]:
    with opened(results) as ledger:
        if session == "all":
            return summarise_all(ledger), points(ledger)
        return summarise(ledger, None if session == "last" else session), points(ledger)


def _written(figure: Figure, folder: Path, form: str) -> Path:
    path = folder / f"{figure.name}.{form}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_drawn(figure, form))
    except OSError as error:
        raise NotMeasured("not_written", f"{path}: cannot be written: {error.strerror}; try another --out") from None
    return path


def _drawn(figure: Figure, form: str) -> bytes:
    if form == "png":
        return png(figure)
    text = svg(figure) if form == "svg" else json.dumps(complete(figure), indent=1, ensure_ascii=False)
    return f"{text}\n".encode()
