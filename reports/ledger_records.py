"""What the ledger gives back: sessions, engines, runs and loads, each with what was known when it was told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reports.ledger_tallies import Tally, tally_of
from thresholds.measurement import Item, Run
from thresholds.speed import LoadRun

Items = tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """One pytest session; `finished` and `exit_status` are None while it runs and after it was killed."""

    id: str
    started: str | None
    finished: str | None
    exit_status: int | None
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedEngine:
    """An engine that was proved to be what its combination says."""

    session: str
    combination: str
    labels: Mapping[str, Any]
    description: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run, with the labels it was announced with.

    Attributes:
        run: Of a ledger on disk, a run whose items are read when they are first asked for, and not kept for long.
            Whoever needs numbers only takes `tally`, which reads no items.
    """

    session: str
    labels: Mapping[str, Any]
    run: Run

    @property
    def tally(self) -> Tally:
        """The numbers of its items."""
        return self.run.tally if isinstance(self.run, KeptRun) else tally_of(self.run)


@dataclass(frozen=True, slots=True)
class RecordedLoad:
    """A run of a load, with the labels it was announced with."""

    session: str
    labels: Mapping[str, Any]
    run: LoadRun


class KeptRun(Run):
    """A run whose items lie in the ledger: equal to the whole one, and usable wherever a `Run` is.

    It is a subclass because everything that measures takes runs, and most of it needs no more than their heads.
    """

    __slots__ = ("_items", "_tally")
    _items: Callable[[], Items]
    _tally: Tally | None

    @classmethod
    def of(cls, tally: Tally, items: Callable[[], Items]) -> "KeptRun":
        """A run with these numbers, which calls `items` whenever its items are asked for."""
        kept = cls(
            tally.combination,
            tally.task,
            tally.number,
            tally.primary,
            (),
            tally.population,
            tally.seconds,
            tally.retries,
            tally.replayed,
            tally.engine_memory,
            tally.cost,
        )
        object.__setattr__(kept, "_items", items)
        object.__setattr__(kept, "_tally", tally)
        return kept

    @property
    def tally(self) -> Tally:
        """The numbers of its items."""
        return tally_of(whole(self)) if self._tally is None else self._tally

    @property
    def items(self) -> Items:
        """Read now."""
        return self._items()

    @items.setter
    def items(self, value: Items) -> None:
        object.__setattr__(self, "_items", lambda: value)
        object.__setattr__(self, "_tally", None)

    @property
    def failed_requests(self) -> int:
        """Questions left without a score because a request failed."""
        return self.tally.failed_requests

    @property
    def causes(self) -> list[str]:
        """Why requests failed, each cause once."""
        return list(self.tally.causes)

    def __eq__(self, other: object) -> bool:
        return whole(self) == (whole(other) if isinstance(other, KeptRun) else other)

    __hash__ = Run.__hash__


def whole(run: Run) -> Run:
    """The same run with its items in memory."""
    return Run(**{name: getattr(run, name) for name in Run.__slots__})
