"""Summary -> the table about the loads themselves: what they took, and how far their client can be trusted."""

from collections.abc import Callable, Mapping

from reports.speed.cells import asked, beside, failed
from reports.speed.load_details import LoadDetails
from reports.summary import Summary
from reports.wording.labels import short_names
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import count, duration, figure, memory, milliseconds, percent

UNSEEN = "unseen tokens"
Cells = Mapping[str, Callable[[LoadDetails], str]]
"""Columns by their headings."""


def load(summary: Summary) -> Table:
    """What the loads took."""
    names = short_names(summary.speed)
    known = [(row, row.details) for row in summary.speed if row.details is not None]
    sensed = {name: cell for name, cell in _WHERE_PRESENT.items() if any(cell(took) != UNKNOWN for _, took in known)}
    cells: Cells = {**_ALWAYS, **sensed}
    words = ["combination", *(["beside"] if any(row.against for row, _ in known) else []), "workload", "load"]
    rows = [
        [
            names[row.combination],
            *([beside(row, names)] if "beside" in words else []),
            row.workload,
            asked(took),
            *(cell(took) for cell in cells.values()),
        ]
        for row, took in known
    ]
    columns = [*(Column(name, TEXT) for name in words), *map(Column, cells)]
    return Table("Load", columns, rows, [*_NOTES, *([_HIDDEN] if UNSEEN in cells else [])])


def _tokens(took: LoadDetails) -> str:
    """As the server counted, and as the client heard."""
    if took.server_tokens is None and took.client_tokens is None:
        return UNKNOWN
    return f"{count(took.server_tokens)} / {count(took.client_tokens)}"


def _causes(took: LoadDetails) -> str:
    return ", ".join(f"{count(number)} x {cause}" for cause, number in took.failures.items()) or UNKNOWN


def _sensed(name: str) -> Callable[[LoadDetails], str]:
    return lambda took: figure(took.telemetry.get(name))


def _some(number: float | None) -> str:
    return count(number) if number else UNKNOWN


def _memory(took: LoadDetails) -> str:
    peak = took.telemetry.get("memory_bytes_peak")
    return memory(None if peak is None else round(peak))


_ALWAYS: Cells = {
    "requests": lambda took: count(took.requests),
    "failed": failed,
    "prompt tokens": lambda took: count(took.prompt_tokens),
    "output tokens": lambda took: count(took.output_tokens),
    "steady time": lambda took: duration(took.seconds),
    "late mean ms": lambda took: milliseconds(took.lateness_mean),
    "late p99 ms": lambda took: milliseconds(took.lateness_p99),
    "tokens/read": lambda took: figure(took.tokens_per_chunk),
    "tokens server / client": _tokens,
    "prefix cache hits": lambda took: percent(took.prefix_cache_hits),
}

_WHERE_PRESENT: Cells = {
    "failed because": _causes,
    UNSEEN: lambda took: _some(took.unseen_tokens),
    "streams reached": lambda took: figure(took.streams_reached),
    "preemptions": lambda took: _some(took.preemptions),
    "reconnects": lambda took: _some(took.reconnects),
    "client CPU s": lambda took: figure(took.client_cpu_seconds),
    "engine memory GiB": lambda took: memory(took.engine_memory),
    "device memory GiB": _memory,
    "SM clock MHz": _sensed("sm_clock_mhz"),
    "temperature °C": _sensed("temperature_c"),
    "power W": _sensed("power_w"),
    "J per 1,000 tokens": _sensed("joules_per_1000_tokens"),
}

_HIDDEN = (
    "Unseen tokens: thoughts, which the endpoint counts and never sends. The time to the first token includes them, "
    "the time per output token does not; output tokens a second count them."
)
_NOTES = [
    "Sums over all runs, invalid ones among them; memory and temperature: the highest; everything else: means.",
    "Late: how much later than scheduled the client sent; its p99 is that of the worst run.",
]
