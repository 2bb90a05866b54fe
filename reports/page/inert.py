"""What models wrote and what files call things, made unable to do anything in a page."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from reports.wording.layout import UNKNOWN

UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Letters that show nothing and may turn the text around them: control characters, those of writing direction, and
halves of surrogate pairs. The page's own script knows the same list."""

DIRECTIVES = (
    "default-src 'none'",
    "img-src data:",
    "style-src-attr 'unsafe-inline'",
    "base-uri 'none'",
    "form-action 'none'",
)
"""Nothing is fetched but the page's own scripts; attributes of style are what figures are placed with."""


def visible(value: Any) -> Any:
    """Plain text with its unseen letters written out, such as ⟨U+202E⟩; — for None; anything else as it is."""
    if value is None:
        return UNKNOWN
    return UNSEEN.sub(_named, value) if type(value) is str else value


def embedded(value: Any) -> str:
    """JSON that may stand inside a script of a page: ASCII, and without anything that HTML would read."""
    text = json.dumps(value, separators=(",", ":"), default=str)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def script(text: str) -> str:
    """A script of ours for the page: what would end its element, or open a comment, is written otherwise."""
    return text.replace("\r\n", "\n").replace("</script", "<\\/script").replace("<!--", "<\\!--")


def policy(scripts: Iterable[str], styles: Iterable[str]) -> str:
    """The Content-Security-Policy under which only these scripts and styles, and scripts beside the page, do anything.

    `file:` is what `'self'` does not mean everywhere for a page that was opened from a disk.
    """
    may_run = " ".join(["script-src 'self' file:", *map(_digest, scripts)])
    may_style = " ".join(["style-src-elem", *map(_digest, styles)])
    return "; ".join([*DIRECTIVES, may_run, may_style])


def _named(found: re.Match[str]) -> str:
    return f"⟨U+{ord(found[0]):04X}⟩"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
