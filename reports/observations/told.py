"""Observations as lines for a terminal and as bullets for Markdown."""

from collections.abc import Sequence
from textwrap import wrap

from reports.observations.observation import Observation
from reports.wording.layout import escaped, one_line

BULLET = "- "


def lines(observations: Sequence[Observation], width: int | None = None, most: int | None = None) -> list[str]:
    """Each as a bullet, broken at the width of the terminal; a last line says how many more there are than `most`."""
    told = []
    for one in observations[:most]:
        text = f"{BULLET}{one_line(one.text)}"
        told += [text] if width is None else _wrapped(text, width)
    left = len(observations) - len(observations[:most])
    return [*told, *([f"{BULLET}{left} more: python -m reports show"] if left else [])]


def bullets(observations: Sequence[Observation]) -> str:
    """Each as a bullet of Markdown, shown as the text it is."""
    return "\n".join(f"{BULLET}{escaped(one.text)}" for one in observations)


def _wrapped(text: str, width: int) -> list[str]:
    """Names are kept whole where they fit."""
    return wrap(text, max(width, 2 * len(BULLET)), subsequent_indent=" " * len(BULLET), break_on_hyphens=False)
