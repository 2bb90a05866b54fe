"""Whether a combination ran on one's own machine, or answered through somebody's API."""

from reports.wording.labels import Labelled

LOCAL, BOTH, API = "local", "both", "API"
"""Both: its weights are open, but it was asked through an API."""

REMOTE = "remote"
"""The engine of endpoints that somebody else runs."""


def deployment(row: Labelled) -> str | None:
    """What its labels say, or its engine; None where nothing tells."""
    told, engine = row.labels.get("deployment"), row.labels.get("engine")
    if told is not None or engine is None:
        return None if told is None else str(told)
    return API if engine == REMOTE else LOCAL
