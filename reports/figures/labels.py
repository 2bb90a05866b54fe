"""Names beside the points of a scatter plot, placed so that none covers another or a point."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import cos, hypot, pi, sin

from reports.figures.names import pixels
from reports.figures.theme import SMALL

HEIGHT = 11.0
"""Of a line of text, in pixels."""

NEAREST, NEAR, FAR, STEP = 9.0, 50.0, 260.0, 7.0
LEADER = 14.0
"""From this distance on a line leads from the point to its name."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point in pixels from the top left, and what is to stand beside it."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name stands: the end or middle that `align` says, and its middle height.

    `leader` is where a line from the point meets it, if one is needed.
    """

    x: float
    y: float
    align: str
    leader: tuple[float, float] | None


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

Size = tuple[float, float]
"""Width and height."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A figure of this size, and what stands in it already."""

    size: Size
    dots: list[Box]
    texts: list[Box] = field(default_factory=list)
    lines: list[Box] = field(default_factory=list)


def beside(points: Sequence[Point], size: Size, bars: Sequence[Box] = ()) -> list[Place | None]:
    """A place for each name, near its point first; None where there is no room. The first points choose first.

    Names keep off `bars` too, where a place nearby allows it.
    """
    dots = [(point.x - 5, point.y - 5, point.x + 5, point.y + 5) for point in points]
    taken = _Taken(size, dots)
    found: list[Place | None] = []
    for point in points:
        free = (one for one in _candidates(point, NEAR) if _fits(one, point, taken) and _free(_box(one, point), bars))
        place = next(free, None) or next((one for one in _candidates(point, FAR) if _fits(one, point, taken)), None)
        found.append(place)
        if place is not None:
            taken.texts.append(_box(place, point))
            taken.lines.extend(_along(place, point))
    return found


def _candidates(point: Point, farthest: float) -> Iterator[Place]:
    """To the right and left, then all around, farther and farther."""
    distance = NEAREST
    while distance <= farthest:
        for turn in (0, 8, 1, 15, 7, 9, 2, 14, 6, 10, 4, 12, 3, 13, 5, 11):
            x = point.x + distance * cos(turn * pi / 8)
            y = point.y - distance * sin(turn * pi / 8)
            align = "center" if turn in (4, 12) else "left" if cos(turn * pi / 8) > 0 else "right"
            yield Place(x, y, align, (x, y) if distance > LEADER else None)
        distance += STEP


def _fits(place: Place, point: Point, taken: _Taken) -> bool:
    """Inside the figure, and neither the name nor the line to it covers anything."""
    box = _box(place, point)
    inside = box[0] >= 0 and box[1] >= 0 and box[2] <= taken.size[0] and box[3] <= taken.size[1]
    if not inside or not _free(box, (*taken.dots, *taken.texts, *taken.lines)):
        return False
    return all(_free(piece, taken.texts) for piece in _along(place, point))


def _box(place: Place, point: Point) -> Box:
    wide = pixels(point.text, SMALL)
    left = place.x - {"left": 0.0, "center": wide / 2, "right": wide}[place.align]
    return left - 2, place.y - HEIGHT / 2, left + wide + 2, place.y + HEIGHT / 2


def _along(place: Place, point: Point) -> list[Box]:
    """Small boxes along the line from a point to its name, which nothing may cross."""
    if place.leader is None:
        return []
    x, y = place.leader
    steps = max(1, int(hypot(x - point.x, y - point.y) / 4))
    at = [(point.x + (x - point.x) * i / steps, point.y + (y - point.y) * i / steps) for i in range(1, steps)]
    return [(left - 1, top - 1, left + 1, top + 1) for left, top in at]


def _free(box: Box, taken: Sequence[Box]) -> bool:
    left, top, right, bottom = box
    return all(right <= one[0] or one[2] <= left or bottom <= one[1] or one[3] <= top for one in taken)
