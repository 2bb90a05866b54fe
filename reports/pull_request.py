"""A report as a comment of a pull request: the longest parts folded, and never longer than GitHub takes."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

LONGEST = 65_536
"""Letters of a comment, as GitHub counts them: UTF-16 units. Its step summaries take 1 MiB."""

OPEN = 20_000
"""Letters that stand unfolded beside the beginning and the first part."""

ROOM = 200
"""Letters for what is said where a part was shortened."""

FOLD, UNFOLD = "<details>", "</details>"


@dataclass(frozen=True, slots=True)
class Part:
    """What a part opens with (a heading, or the beginning of a fold), its body, and the end of the fold."""

    opening: str
    body: str
    closing: str = ""

    @property
    def text(self) -> str:
        """As Markdown."""
        return "\n\n".join(part for part in (self.opening, self.body, self.closing) if part)

    @property
    def folded(self) -> "Part":
        """The same, to be opened by its reader."""
        title = _plain(self.opening.removeprefix("### "))
        return replace(self, opening=f"{FOLD}<summary>{title}</summary>", closing=UNFOLD)


def comment(report: str, elsewhere: str, longest: int = LONGEST) -> str:
    """The report with its longest parts folded, and shortened where it would be too long.

    Args:
        elsewhere: Where the whole of it can be read, for the lines that say what was left out.
    """
    parts = _folded(_parts(report))
    while (excess := _size(_joined(parts)) - longest) > 0:
        longest_part = max(range(len(parts)), key=lambda position: _size(parts[position].text))
        part = parts[longest_part]
        body = _shortened(part.body, _size(part.body) - excess - ROOM, elsewhere)
        if _size(body) >= _size(part.body):  # one block that nothing can be taken from
            body = f"{part.body[: max(0, len(part.body) - excess - ROOM) // 2]}\n\n*… cut off here: {elsewhere}*"
        parts[longest_part] = replace(part, body=body)
    return _joined(parts)


def _parts(report: str) -> list[Part]:
    """A part begins at a heading or a fold that stands in no other fold, and after the end of such a fold."""
    found: list[list[str]] = [[""]]
    depth = 0
    for line, fenced in _lines(report):
        opens, closes = not fenced and line.startswith(FOLD), not fenced and line == UNFOLD
        if depth == 0 and (opens or (line.startswith("### ") and not fenced)):
            found.append([line])
        else:
            found[-1].append(line)
        depth += opens - closes
        if closes and depth == 0:
            found.append([""])
    return [_part(opening, lines) for opening, *lines in found if opening or "".join(lines).strip()]


def _part(opening: str, lines: Sequence[str]) -> Part:
    body = "\n".join(lines).strip()
    if opening.startswith(FOLD):
        return Part(opening, body.removesuffix(UNFOLD).strip(), UNFOLD)
    return Part(opening, body)


def _lines(report: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it stands inside a block of code."""
    fence = ""
    for line in report.split("\n"):
        mark = re.match(r"`{3,}", line)
        yield line, bool(fence)
        if mark and not fence:
            fence = mark[0]
        elif fence and line.strip() == fence:
            fence = ""


def _folded(parts: Sequence[Part]) -> list[Part]:
    """The longest first, until the others fit; the beginning and the first part always stand open."""
    shown = list(parts)
    headed = [position for position, part in enumerate(shown) if part.opening.startswith("### ")][1:]
    for position in sorted(headed, key=lambda position: -_size(shown[position].text)):
        if sum(_size(shown[one].text) for one in headed if not shown[one].closing) <= OPEN:
            break
        shown[position] = shown[position].folded
    return shown


def _shortened(body: str, room: int, elsewhere: str) -> str:
    """As many whole blocks as there is room for, and of a table that follows as many rows."""
    blocks = _blocks(body)
    kept: list[str] = []
    for block in blocks:
        left = room - _size("\n\n".join([*kept, ""]))
        if _size(block) > left:
            kept += _rows(block, left)
            break
        kept.append(block)
    said = sum(block.count("\n") + 1 for block in kept)
    more = sum(block.count("\n") + 1 for block in blocks) - said
    return "\n\n".join([*kept, f"*… and {more:,} more lines: {elsewhere}*"])


def _blocks(body: str) -> list[str]:
    """What blank lines part, outside of blocks of code."""
    found: list[list[str]] = [[]]
    for line, fenced in _lines(body):
        if not line.strip() and not fenced:
            found.append([])
        else:
            found[-1].append(line)
    return ["\n".join(block) for block in found if block]


def _rows(block: str, room: int) -> list[str]:
    """The beginning of a table, with at least one row; nothing of any other block."""
    lines = block.split("\n")
    if not block.startswith("|"):
        return []
    kept = 0
    while kept < len(lines) and _size("\n".join(lines[: kept + 1])) <= room:
        kept += 1
    return ["\n".join(lines[:kept])] if kept > 2 else []  # noqa: PLR2004 - heading and rule


def _joined(parts: Sequence[Part]) -> str:
    return "\n\n".join(part.text for part in parts if part.text) + "\n"


def _plain(title: str) -> str:
    """Markdown that was escaped, inside HTML, where a backslash would be seen."""
    return re.sub(r"\\([\\`*\[\]|~])", r"\1", title).replace(">", "&gt;")


def _size(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
