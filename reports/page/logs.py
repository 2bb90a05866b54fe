"""The last lines of an engine's log, where it still lies in the results folder."""

import re
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LINES, LONGEST_LINE = 40, 400
LAST_BYTES = 64 * 1024
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def log_tail(description: Mapping[str, Any], session: str, folder: Path) -> str | None:
    """The last 40 lines; None when there is no log.

    Only `logs/<session>/<name>` of the page's own folder is read, whatever path a ledger names: it may come from
    another machine, or from somebody else.
    """
    named = description.get("log")
    if not isinstance(named, str) or not named:
        return None
    logs = (folder / "logs").resolve()
    path = (logs / session / Path(named).name).resolve()
    if not path.is_relative_to(logs) or not path.is_file():
        return None
    return "\n".join(_shortened(_final(line)) for line in deque(_end(path).rstrip().split("\n"), LINES))


def _end(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LAST_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _final(line: str) -> str:
    """What a terminal shows in the end of a line that was written over, without its colours."""
    return COLOURS.sub("", line.rstrip().rpartition("\r")[2])


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} … {len(line) - LONGEST_LINE:,} more letters"
