"""What loads took: requests, tokens, the client's own lateness and the telemetry, over the runs of one row."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thresholds.speed import LoadRun

Number = int | float
HIGHEST = ("peak", "max", "temperature")
"""Telemetry of which the highest of all runs is told; of any other, the mean over runs."""


@dataclass(frozen=True, slots=True)
class LoadDetails:
    """What the runs of a row took, the invalid ones among them too. None is unknown; sums are over all runs.

    Attributes:
        requests: Completed in the steady windows.
        failures: Requests of the whole loads without a whole answer, by cause.
        seconds: Length of the steady windows together.
        prompt_tokens, output_tokens: Of these requests.
        streams, rate: Asked for: requests under way, requests per second.
        streams_reached: Mean number of requests under way, mean over runs.
        lateness_mean: Seconds by which the client sent later than scheduled, mean over runs.
        lateness_p99, lateness_max: The same, the most of any run.
        server_tokens, client_tokens: Output tokens by the server's own counter, and as the client heard them.
        unseen_tokens: Output tokens that were never sent: thoughts, made before the first token that was.
        tokens_per_chunk: Mean over runs.
        prefix_cache_hits: Share of 1, mean over runs.
        engine_memory: Bytes, the most of any run.
        telemetry: By name; peaks and temperatures are the highest of any run, others the mean over runs.
    """

    requests: int
    failures: Mapping[str, int]
    seconds: float
    prompt_tokens: int | None
    output_tokens: int | None
    streams: Number | None
    rate: Number | None
    streams_reached: float | None
    lateness_mean: float | None
    lateness_p99: float | None
    lateness_max: float | None
    server_tokens: Number | None
    client_tokens: Number | None
    unseen_tokens: Number | None
    tokens_per_chunk: float | None
    reconnects: int | None
    prefix_cache_hits: float | None
    preemptions: Number | None
    client_cpu_seconds: float | None
    engine_memory: int | None
    telemetry: Mapping[str, float]


def details_of(runs: Sequence[LoadRun]) -> LoadDetails:
    """Add up what is known of runs of one workload."""
    told = [run.details for run in runs]
    lateness = [_mapping(details, "lateness") for details in told]
    return LoadDetails(
        requests=sum(run.requests for run in runs),
        failures=_failures(runs),
        seconds=math.fsum(run.seconds for run in runs),
        prompt_tokens=_total(told, "prompt_tokens"),
        output_tokens=_total(told, "output_tokens"),
        streams=_last(told, "streams"),
        rate=_last(told, "rate"),
        streams_reached=_mean(told, "streams_reached"),
        lateness_mean=_mean(lateness, "mean"),
        lateness_p99=_most(lateness, "p99"),
        lateness_max=_most(lateness, "max"),
        server_tokens=_total(told, "server_tokens"),
        client_tokens=_total(told, "client_tokens"),
        unseen_tokens=_total(told, "unseen_tokens"),
        tokens_per_chunk=_mean(told, "tokens_per_chunk"),
        reconnects=_total(told, "reconnects"),
        prefix_cache_hits=_mean(told, "prefix_cache_hits"),
        preemptions=_total(told, "preemptions"),
        client_cpu_seconds=_total(told, "client_cpu_seconds"),
        engine_memory=_most(told, "engine_memory"),
        telemetry=_telemetry([_mapping(details, "telemetry") for details in told]),
    )


def _failures(runs: Sequence[LoadRun]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for run in runs:
        counted.update(run.failures)
    return dict(sorted(counted.items()))


def _telemetry(told: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    names = dict.fromkeys(name for telemetry in told for name in telemetry)
    summed = {name: _most(told, name) if any(word in name for word in HIGHEST) else _mean(told, name) for name in names}
    return {name: value for name, value in summed.items() if value is not None}


def _mapping(details: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = details.get(name)
    return value if isinstance(value, Mapping) else {}


def _known(told: Iterable[Mapping[str, Any]], name: str) -> list[Any]:
    values = (details.get(name) for details in told)
    return [value for value in values if isinstance(value, Number) and not isinstance(value, bool)]


def _total(told: Sequence[Mapping[str, Any]], name: str) -> Any:
    """A sum is known only when every run knows its part."""
    known = _known(told, name)
    return sum(known) if known and len(known) == len(told) else None


def _mean(told: Sequence[Mapping[str, Any]], name: str) -> float | None:
    known = _known(told, name)
    return math.fsum(known) / len(known) if known else None


def _most(told: Sequence[Mapping[str, Any]], name: str) -> Any:
    return max(_known(told, name), default=None)


def _last(told: Sequence[Mapping[str, Any]], name: str) -> Any:
    known = _known(told, name)
    return known[-1] if known else None
