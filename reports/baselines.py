"""Sessions of a ledger as baselines of later ones, and as evidence that a rerun adds to."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from reports.ledger import FILE, Ledger, RecordedSession
from thresholds.measurement import NotMeasured
from thresholds.recorded import Recorded

ABOUT_VERDICT = ("combination", "task", "against", "samples")
"""Labels by which two verdicts speak of the same."""


def recorded(results: Path, source: str) -> Recorded:
    """The session that a name stands for: of another results folder the last that finished, else one of this ledger.

    Raises:
        LedgerUnreadable, NotMeasured: There is none.
    """
    folder = Path(source)
    path = (folder if folder.is_dir() else results) / FILE
    if not path.exists():
        what = f"{folder} holds no {FILE}" if folder.is_dir() else f"there is no folder of this name, nor a {path}"
        raise NotMeasured("no_baseline", f"{what}; name a results folder, or a session of --results")
    with closing(Ledger(path, create=False)) as ledger:
        session = _last(ledger, path) if folder.is_dir() else _named(ledger, source, path)
        return _read(ledger, session, path.parent)


def earlier(ledger: Ledger, session: str, labels: Mapping[str, Any], metric: str) -> list[Recorded]:
    """Sessions before this one that judged the same, with the same engine version; oldest first."""
    same = [
        one
        for one in ledger.sessions()
        if one.id != session
        and any(
            verdict.metric == metric
            and verdict.measured is not None
            and all(verdict.labels.get(name) == labels.get(name) for name in ABOUT_VERDICT)
            for verdict in ledger.verdicts(one.id)
        )
    ]
    now = _version(ledger, session, labels)
    return [_read(ledger, one, None) for one in same if _version(ledger, one.id, labels) == now]


def _version(ledger: Ledger, session: str, labels: Mapping[str, Any]) -> Any:
    told = [one for one in ledger.engines(session) if one.combination == labels["combination"]]
    return told[-1].description.get("engine_version") if told else None


def _last(ledger: Ledger, path: Path) -> RecordedSession:
    done = [one for one in ledger.sessions() if one.finished and any(ledger.subjects(one.id))]
    if not done:
        raise NotMeasured("no_baseline", f"{path}: no session has finished yet that measured something")
    return done[-1]


def _named(ledger: Ledger, name: str, path: Path) -> RecordedSession:
    sessions = ledger.sessions()
    found = [one for one in sessions if one.id == name]
    if not found:
        known = ", ".join(one.id for one in sessions[-5:]) or "none"
        raise NotMeasured("no_baseline", f"there is no folder and no session {name!r}; the last of {path} are: {known}")
    return found[0]


def _read(ledger: Ledger, session: RecordedSession, folder: Path | None) -> Recorded:
    return Recorded(
        session.id,
        str(folder or ""),
        [(one.labels, one.run) for one in ledger.runs(session.id)],
        [(one.labels, one.run) for one in ledger.loads(session.id)],
    )
