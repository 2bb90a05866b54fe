"""`ratchet`: the accepted history of the threshold rows, turned into edits of their files."""

import argparse
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from reports.commands import Commands, Said, opened, takes_results
from reports.commands.doctor import called, telling
from reports.ledger import Ledger
from reports.row_history import Judged, chosen, judged
from reports.wording.layout import one_line
from thresholds.accepted import Accepted
from thresholds.catalogue import Catalogue
from thresholds.measurement import NotMeasured
from thresholds.quantities import told
from thresholds.ratchet import Proposal, propose
from thresholds.recording import edited, replace_text
from thresholds.strict_yaml import InvalidFile, shown
from thresholds.verdict import Outcome

DROPPED = 1
"""Exit status when an accepted value lies beyond its margin below the golden one."""


def add(commands: Commands) -> None:
    """Register the command."""
    parser = commands.add_parser("ratchet", help="edits of the threshold files that the accepted history proposes")
    parser.add_argument("--thresholds", type=Path, default=Path("thresholds"), metavar="DIR", help="their folder")
    parser.add_argument("--session", default="last", metavar="ID", help="the session to accept; `last` [last]")
    parser.add_argument("--only", default="*", metavar="GLOB", help="only rows of which the name fits, as shown")
    parser.add_argument("--because", type=_reason, metavar="TEXT", help="why bounds may get looser; goes into the rows")
    parser.add_argument("--write", action="store_true", help="apply the edits")
    takes_results(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> Said:
    """A diff of the threshold files, and what a person should know."""
    catalogue = Catalogue.load(asked.thresholds)
    with opened(asked.results) as ledger:
        session, found = chosen(ledger, catalogue, asked.session)
        history = _history(ledger, catalogue, session, because=asked.because is not None)
    keys = telling([*catalogue.rows.values()])
    names = {one.threshold.where: called(one.threshold, keys) for one in found}
    wanted = {one.threshold.where: one for one in found if fnmatchcase(names[one.threshold.where], asked.only)}
    if not wanted:
        known = ", ".join(dict.fromkeys(names.values()))
        raise NotMeasured("no_row", f"session {session} judged no row that fits --only {asked.only!r}; it did: {known}")
    proposals = [_proposed(one, history.get(where, ()), asked.because) for where, one in wanted.items()]
    texts = _texts([one for one in proposals if one.edit is not None])
    if asked.write:
        for path, (_, after) in texts.items():
            replace_text(path, after)
    lines = [line for path, both in texts.items() for line in _diff(path, *both)]
    said = [*lines, *([""] if lines else []), *_said(proposals, names), _sum(session, proposals, written=asked.write)]
    return Said("\n".join(said), DROPPED if any(one.drop for one in proposals) else 0)


def _reason(text: str) -> str:
    said = " ".join(text.split())
    if len(said) < 3:  # noqa: PLR2004 - what the schema of a row asks
        raise argparse.ArgumentTypeError(f"{text!r} is no reason; say in words why the bound may get looser")
    return said


def _proposed(one: Judged, history: Sequence[Accepted], because: str | None) -> Proposal:
    proposal = propose(one.threshold, history, because)
    if one.outcome is Outcome.PASS or because is not None or one.threshold.row["run"] == one.session:
        return proposal
    said = f"not accepted: {one.outcome} in this session; --because accepts it all the same, for the reason given"
    return replace(proposal, notes=(*proposal.notes, said))


def _history(ledger: Ledger, catalogue: Catalogue, session: str, *, because: bool) -> dict[str, list[Accepted]]:
    """What was accepted on each row up to a session: where it passed, and in this session where a reason is given."""
    known = [one.id for one in ledger.sessions()]
    history: dict[str, list[Accepted]] = {}
    for name in known[: known.index(session) + 1]:
        for one in judged(ledger, catalogue, name):
            run = one.threshold.row["run"]
            since = run not in known or known.index(name) > known.index(run)
            if since and (one.outcome is Outcome.PASS or (because and name == session)):
                history.setdefault(one.threshold.where, []).append(one.accepted)
    return history


def _texts(proposals: Sequence[Proposal]) -> dict[Path, tuple[str, str]]:
    """The files that change: before and after."""
    places = [(one.threshold.place, one.edit) for one in proposals]
    texts: dict[Path, tuple[str, str]] = {}
    for path in dict.fromkeys(place.path for place, _ in places if place):
        changes = [
            (place.section, place.position, edit or {}) for place, edit in places if place and place.path == path
        ]
        try:
            before = path.read_text(encoding="utf-8")
            texts[path] = before, edited(before, changes)
        except (OSError, ValueError) as error:
            raise InvalidFile(path, None, f"cannot be edited: {one_line(str(error))}") from None
    return texts


def _said(proposals: Sequence[Proposal], names: Mapping[str, str]) -> list[str]:
    edits = [(one, _moved(one)) for one in proposals if one.edit is not None]
    notes = [(one, note) for one in proposals for note in one.notes]
    drops = [(one, one.drop) for one in proposals if one.drop]
    lines: list[str] = []
    for title, rows in (("Edits", edits), ("To read", notes), ("Dropped", drops)):
        said = [one_line(f"{one.threshold.where}: {names[one.threshold.where]}: {text}") for one, text in rows]
        lines += [title, "", *said, ""] if said else []
    return lines


def _moved(proposal: Proposal) -> str:
    metric, edit = proposal.threshold.metric, proposal.edit or {}
    values = (proposal.threshold.value, edit[metric.bound], edit["measured"])
    was, now, accepted = (told(metric, value) for value in values)
    how = "loosened" if proposal.loosens else "tightened"
    return f"{metric.bound} {how} from {was} to {now}; {accepted} over {edit['runs']} runs"


def _sum(session: str, proposals: Sequence[Proposal], *, written: bool) -> str:
    edits = [one for one in proposals if one.edit is not None]
    looser = sum(one.loosens for one in edits)
    counts = f"{len(edits) - looser} tightened, {looser} loosened, {len(proposals) - len(edits)} unchanged"
    rows = f"{len(proposals)} {'row' if len(proposals) == 1 else 'rows'} judged by session {session}: {counts}"
    if not edits:
        return f"nothing to do: {rows}"
    return f"{rows}; {'written' if written else '--write applies it'}"


def _diff(path: Path, before: str, after: str) -> list[str]:
    name = shown(path)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", n=0, lineterm="")
    return list(lines)
