"""`compare`: two sessions, two combinations, or published results and a session beside them."""

import argparse
import sys
from dataclasses import asdict

from reports.commands import Commands, opened, rendered, takes_format, takes_results, width
from reports.comparison.flip_words import flip_markdown, flip_text
from reports.comparison.paired import LAST, Comparison, compare
from reports.comparison.tables import comparison_table
from reports.ledger import FILE, Ledger
from reports.published.changes import change_between, changes_of
from reports.published.standings import OURS, Entry, entries_of, entries_of_session, standings
from reports.published.studies import Study, known_studies, read_study
from reports.published.tables import changes_table, standings_table
from reports.summarising import summarise, summarise_all
from reports.summary import SCHEMA_VERSION
from reports.wording.columns import in_parts
from reports.wording.labels import short_names
from thresholds.measurement import NotMeasured

PAIR = 2


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("compare", help="two sessions or combinations, or published results with a session")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="A B",
        help="two sessions (ids or `last`), two combinations of a session (ids or patterns), or, with --published,"
        " two of its configurations",
    )
    parser.add_argument("--published", metavar="NAME", help=f"what others published: {', '.join(known_studies())}")
    parser.add_argument(
        "--flips",
        type=number,
        default=5,
        metavar="N",
        help="questions whose score changed that are told singly, with both answers; 0 for none [5]",
    )
    parser.add_argument("--session", help="whose combinations are meant: an id, `last` (default), or `all`")
    takes_format(parser)
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> str:
    """What differs, and whether it is more than noise."""
    if len(asked.names) != PAIR and (asked.names or not asked.published):
        raise NotMeasured(
            "two_names", f"compare needs two names, not {len(asked.names)}: two sessions, combinations, …"
        )
    if asked.published:
        study = read_study(asked.published)
        return _two_published(asked, study) if asked.names else _published(asked, study)
    before, after = asked.names
    with opened(asked.results) as ledger:
        found = compare(ledger, before, after, asked.session or LAST, asked.flips)
    plain = {"schema_version": SCHEMA_VERSION, **asdict(found)}
    table = rendered(asked.format, [comparison_table(found)], plain)
    return table if asked.format == "json" or not found.flips else f"{table}\n\n{_flips(found, asked.format)}"


def number(text: str) -> int:
    """A number of questions."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of questions, such as 5, or 0 for none")
    return min(int(text), sys.maxsize)


def _flips(found: Comparison, form: str) -> str:
    total = sum(row.worse + row.better for row in found.rows if row.task is not None)
    names = short_names(found.rows) if found.of_sessions else {}
    return (
        flip_markdown(found.flips, total, names)
        if form == "markdown"
        else flip_text(found.flips, total, names, width())
    )


def _two_published(asked: argparse.Namespace, study: Study) -> str:
    change = change_between(study, *asked.names)
    plain = {"schema_version": SCHEMA_VERSION, "study": study.name, "change": asdict(change)}
    return rendered(asked.format, [changes_table(study, [change])], plain)


def _published(asked: argparse.Namespace, study: Study) -> str:
    ours, beside = _ours(asked, study)
    rows, changes = standings([*entries_of(study), *ours], study.tasks), changes_of(study)
    plain = {
        "schema_version": SCHEMA_VERSION,
        "study": {"name": study.name, **study.about.model_dump()},
        "beside": beside,
        "standings": [asdict(row) for row in rows],
        "changes": [asdict(change) for change in changes],
    }
    ranking = in_parts(standings_table(study, rows, beside), width() if asked.format == "text" else None, named=2)
    return rendered(asked.format, [*ranking, changes_table(study, changes)], plain)


def _ours(asked: argparse.Namespace, study: Study) -> tuple[list[Entry], str]:
    """The rows of the session on the same tasks, and a note on them. Having none is an error only if asked for."""
    if asked.session is None and not (asked.results / FILE).is_file():
        return [], f"No session beside it: {asked.results} holds no {FILE}."
    with opened(asked.results) as ledger:
        try:
            return _rows(ledger, asked.session or LAST, study)
        except NotMeasured as error:
            if asked.session is not None:
                raise
            return [], f"No session beside it: {error}."


def _rows(ledger: Ledger, session: str, study: Study) -> tuple[list[Entry], str]:
    summary = summarise_all(ledger) if session == "all" else summarise(ledger, None if session == LAST else session)
    name = "all sessions" if session == "all" else f"session {summary.sessions[-1]}"
    found = entries_of_session(summary.rows, study.tasks)
    if not found:
        return [], f"No row of ours beside it: {name} did not ask {', '.join(study.tasks)}."
    counts = {f"{total.questions:,}" for entry in found for total in entry.tasks.values() if total.questions}
    asked = f"{' or '.join(sorted(counts))} questions" if counts else "questions"
    return found, f"{OURS}: {name}, {asked}, asked and read by another program than the study's."
