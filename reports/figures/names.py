"""What combinations and tasks are called in figures: short, different from each other, and harmless."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from reports.summary import Summary
from reports.wording.labels import Labelled, short_names
from reports.wording.layout import UNKNOWN
from reports.wording.words import task_names

LONGEST = 42
"""Letters of a name; a longer one loses its middle. Tooltips have the whole."""

REPLACEMENT = "\ufffd"

_UNDRAWABLE = {
    **dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), " "),
    **dict.fromkeys((8206, 8207, 1564, *range(8234, 8239), *range(8294, 8298))),
    **dict.fromkeys(range(55296, 57344), REPLACEMENT),
}
"""Control characters, marks that turn the direction of the text around them, and halves of surrogate pairs."""


def drawable(text: str) -> str:
    """Text on one line, that neither turns its neighbours around nor is refused by a file."""
    return re.sub(r"\s+", " ", text.translate(_UNDRAWABLE)).strip()


def names_of(summary: Summary) -> dict[str, str]:
    """By combination, what it is called in every figure of the summary."""
    rows: list[Labelled] = [*summary.rows, *summary.speed]
    if not rows:
        return {}
    told = short_names(rows) if summary.source is None else {row.combination: row.combination for row in rows}
    plain = {name: drawable(short.replace(UNKNOWN, "")) for name, short in told.items()}
    whole = plain if len(set(plain.values())) == len(plain) else {name: drawable(name) for name in plain}
    return distinct({name: shortened(one) for name, one in whole.items()})


def shortened(name: str, longest: int = LONGEST) -> str:
    """A name of so many letters at most, wide ones counted twice; its middle is left out where it has more."""
    if _width(name) <= longest:
        return name
    room = longest - 1
    head = _first(name, room * 2 // 3)
    tail = _first(name[::-1], room - room * 2 // 3)[::-1]
    return f"{head}…{tail}"


def distinct(names: Mapping[str, str]) -> dict[str, str]:
    """The same names, numbered where several would be called the same."""
    counted, seen = Counter(names.values()), Counter[str]()
    told = {}
    for key, name in names.items():
        seen[name] += 1
        told[key] = f"{name} ({seen[name]})" if counted[name] > 1 else name or UNKNOWN
    return told


def listed(names: Iterable[str], most: int = 4) -> str:
    """a, b, c and 3 more."""
    known = list(names)
    rest = len(known) - most
    return ", ".join(known) if rest < 1 else f"{', '.join(known[:most])} and {rest} more"


def pixels(text: str, size: float) -> float:
    """About how wide a text is when it is drawn with letters of this size."""
    return 0.53 * size * _width(text)


def accuracy_of(summary: Summary) -> str:
    """What the mean of a row is."""
    if len(summary.tasks) == 1:
        return f"accuracy on {task_names(summary.tasks)[summary.tasks[0]]}"
    return f"mean accuracy over {len(summary.tasks)} tasks"


def longest(names: Sequence[str]) -> int:
    """Letters of the longest name, wide ones counted twice."""
    return max(map(_width, names), default=0)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _first(text: str, room: int) -> str:
    taken, used = "", 0
    for letter in text:
        used += _width(letter)
        if used > room:
            break
        taken += letter
    return taken
