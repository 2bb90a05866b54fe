"""Whether a combination ran on one's own machine, or answered through somebody's API."""

from collections.abc import Iterable, Mapping
from typing import Any

from reports.wording.labels import Labelled

LOCAL, BOTH, API = "local", "both", "API"
"""Both: its weights are open, but it was asked through an API."""

WORDS = {LOCAL: "local", BOTH: "open weights, through an API", API: "only through an API"}
"""What is shown, in the order of legends."""

UNTOLD = "not stated"

REMOTE = "remote"
"""The engine of endpoints that somebody else runs."""


def deployment(row: Labelled) -> str | None:
    """What its labels say, or its engine; None where nothing tells."""
    told, engine = row.labels.get("deployment"), row.labels.get("engine")
    if told is not None or engine is None:
        return None if told is None else str(told)
    return API if engine == REMOTE else LOCAL


def told_both(heard: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Labels by combination, with it said of endpoints whose model ran on a machine of one's own too.

    Only the same name under `models:` is the same model: what an endpoint serves under another, nobody knows.
    """
    ours = {labels.get("model") for labels in heard.values() if labels.get("engine") not in (REMOTE, None)} - {None}
    return {
        name: {**labels, "deployment": BOTH}
        if labels.get("engine") == REMOTE and labels.get("model") in ours and "deployment" not in labels
        else labels
        for name, labels in heard.items()
    }


def said(row: Labelled) -> str:
    """Where a combination ran, in words."""
    return WORDS.get(deployment(row) or "", UNTOLD)


def kinds(rows: Iterable[Labelled]) -> list[str]:
    """What occurs, in the order of legends; nothing where all ran alike."""
    found = {said(row) for row in rows}
    return [words for words in (*WORDS.values(), UNTOLD) if words in found] if len(found) > 1 else []
