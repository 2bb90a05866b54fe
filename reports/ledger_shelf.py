"""The answers that were read last, kept at hand while there is room."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Held = TypeVar("Held")

ROOM = 32 * 2**20
"""Letters of records whose answers are kept; in memory they take about four times as many bytes."""


class Shelf(Generic[Held]):
    """Keeps what was taken last, as long as all of it together is no larger than `room`."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._held: OrderedDict[int, tuple[Held, int]] = OrderedDict()

    def take(self, row: int, load: Callable[[], tuple[Held, int]]) -> Held:
        """What stands under a number; `load` gives it, and its size, when it is not there."""
        if row not in self._held:
            self._held[row] = load()
            while len(self._held) > 1 and sum(size for _, size in self._held.values()) > self._room:
                self._held.popitem(last=False)
        self._held.move_to_end(row)
        return self._held[row][0]

    def forget(self, row: int) -> None:
        """It has changed."""
        self._held.pop(row, None)
