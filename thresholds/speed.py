"""The vocabulary of speed: its metrics with their formulas, one repetition of a load, and what several add up to.

The run is the unit: requests of one run share batches, caches and heat, so that only whole runs vary independently.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from thresholds.measurement import Direction, Measurement, Metric, NotMeasured
from thresholds.strict_yaml import did_you_mean

TIME_TO_FIRST_TOKEN = Metric("time_to_first_token", "s", Direction.LOWER, 0.0, math.inf)
"""Arrival of the first bytes that carry a token, minus the sending of the request (open loop: minus its scheduled
time). Role-only chunks, comments and pings carry none."""

TIME_PER_OUTPUT_TOKEN = Metric("time_per_output_token", "s", Direction.LOWER, 0.0, math.inf)
"""(last token - first token) / (output tokens - tokens that came with the first): (request latency - TTFT) /
(output tokens - 1) where tokens come singly. One value a request."""

INTER_TOKEN_LATENCY = Metric("inter_token_latency", "s", Direction.LOWER, 0.0, math.inf)
"""Time between two tokens: the time since the bytes before, divided by the tokens that came with these bytes. One value
a token after the first, never one a chunk."""

REQUEST_LATENCY = Metric("request_latency", "s", Direction.LOWER, 0.0, math.inf)
"""Arrival of the last token, minus the sending of the request (open loop: minus its scheduled time)."""

OUTPUT_TOKENS_PER_SECOND = Metric("output_tokens_per_second", "tokens/s", Direction.HIGHER, 0.0, math.inf)
"""Output tokens that arrived in the steady window / its length; counts come from `usage`."""

TOTAL_TOKENS_PER_SECOND = Metric("total_tokens_per_second", "tokens/s", Direction.HIGHER, 0.0, math.inf)
"""Output tokens that arrived in the steady window, plus the prompts of the requests whose first token did / its
length."""

REQUESTS_PER_SECOND = Metric("requests_per_second", "requests/s", Direction.HIGHER, 0.0, math.inf)
"""Requests that were completed in the steady window / its length."""

GOODPUT = Metric("goodput", "requests/s", Direction.HIGHER, 0.0, math.inf)
"""Measured requests that met every limit of the workload's `slo`, as a share of the measured ones, times the requests
per second."""

ACCEPTANCE_LENGTH = Metric("acceptance_length", "tokens", Direction.HIGHER, 1.0, math.inf)
"""1 + accepted draft tokens / drafts, from the server's counters before and after the load."""

LATENCIES = (TIME_TO_FIRST_TOKEN, TIME_PER_OUTPUT_TOKEN, INTER_TOKEN_LATENCY, REQUEST_LATENCY)
RATES = (OUTPUT_TOKENS_PER_SECOND, TOTAL_TOKENS_PER_SECOND, REQUESTS_PER_SECOND, GOODPUT, ACCEPTANCE_LENGTH)
SPEED: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in (*LATENCIES, *RATES)})
PERCENTILES: Mapping[str, float] = MappingProxyType({"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99})
STATISTICS = ("mean", *PERCENTILES)
"""What is told of a latency; a rate has one value a run."""


@dataclass(frozen=True, slots=True)
class LoadRun:
    """One repetition of a workload on a combination. Times in seconds.

    Attributes:
        combination, workload: Ids.
        number: 1, 2, … over all sessions of one results folder.
        digest: Hash of the workload's definition and prompts; runs of different digests are not comparable.
        seconds: Length of the steady window, warm-up and drain excluded.
        requests: Completed requests that were sent in the steady window.
        failures: Requests without a whole answer, by cause; of the whole load.
        values: By name ("output_tokens_per_second") or name and statistic ("time_to_first_token.p95").
        unsupported: Why a name has no value ("p99 needs 299 requests, 64 were measured").
        invalid: Why nothing of this run may be used (a stable code, and words); None when it may.
        details: Prompt and output tokens, streams asked for and reached, lateness of the client, the server's own
            token counters, telemetry, … as plain values.
    """

    combination: str
    workload: str
    number: int
    digest: str
    seconds: float
    requests: int
    failures: Mapping[str, int]
    values: Mapping[str, float]
    unsupported: Mapping[str, str] = field(default_factory=dict)
    invalid: tuple[str, str] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed_requests(self) -> int:
        """Requests without a whole answer."""
        return sum(self.failures.values())

    @property
    def causes(self) -> list[str]:
        """Why requests failed, and how many of each."""
        return [f"{count} x {cause}" for cause, count in sorted(self.failures.items())]

    def to_dict(self) -> dict[str, Any]:
        """A plain form for JSON; `from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "LoadRun":
        """Rebuild a run from `to_dict`."""
        return cls(**{**row, "invalid": tuple(row["invalid"]) if row["invalid"] else None})


def key(metric: str, statistic: str | None = None) -> str:
    """The name of a value in `LoadRun.values`."""
    return f"{metric}.{statistic}" if statistic else metric


def named(name: str) -> tuple[Metric, str | None]:
    """The metric and statistic that a name of `LoadRun.values` stands for.

    Raises:
        LookupError: There is no such metric, or it has no such statistic; a test has misspelt it.
    """
    metric, _, statistic = name.partition(".")
    if metric not in SPEED:
        raise LookupError(f"there is no metric {metric!r}{did_you_mean(metric, SPEED)}")
    known = STATISTICS if SPEED[metric] in LATENCIES else ()
    if bool(known) != bool(statistic) or (statistic and statistic not in known):
        said = f"ask for one of {', '.join(key(metric, one) for one in known)}" if known else "it has one value a run"
        raise LookupError(f"{metric} has no statistic {statistic!r}; {said}")
    return SPEED[metric], statistic or None


def requests_needed(share: float, confidence: float = 0.95) -> int:
    """Requests that a percentile needs: the fewest n with share^n <= 1 - confidence (p99: 299).

    With fewer, even the largest of n values lies below the true percentile with more than 1 - confidence (order
    statistics; David and Nagaraja, Order Statistics, 2003, section 7.1).
    """
    return math.ceil(math.log(1 - confidence) / math.log(share))


def speed(runs: Sequence[LoadRun], metric: Metric, statistic: str | None, labels: Mapping[str, Any]) -> Measurement:
    """One metric over runs of the same workload: one sample a run.

    Raises:
        NotMeasured: No run, a run that is not valid, one without a value for this metric, or no whole answer at all.
    """
    name = key(metric.name, statistic)
    failed = sum(run.failed_requests for run in runs)
    for run in runs:
        if run.invalid is not None:
            raise NotMeasured(*run.invalid)
        if name not in run.values and not run.failed_requests:
            raise NotMeasured("not_available", f"{name}: {run.unsupported.get(name, 'the load did not measure it')}")
    samples = tuple((run.values[name],) for run in runs if name in run.values)
    if failed and not samples:
        causes = "\n".join(f"cause     {cause}" for cause in sorted({cause for run in runs for cause in run.causes}))
        raise NotMeasured(
            "failed_requests", f"{name}: {failed} requests without a whole answer, and no value\n{causes}"
        )
    return Measurement(
        metric=metric,
        samples=samples,
        labels={**labels, "statistic": statistic},
        population=1,
        failed_requests=failed,
        runs=tuple(runs),
    )


def relative(measured: Measurement, reference: Measurement, labels: Mapping[str, Any]) -> Measurement:
    """A metric divided by that of a reference, pair by pair of runs that followed each other.

    The direction stays that of the metric: a ratio of latencies is better when lower. Where requests failed, runs may
    lack a partner; their verdict is NOT_MEASURED anyway.

    Raises:
        NotMeasured: The reference is 0, or nothing is left to divide.
    """
    failed = measured.failed_requests + reference.failed_requests
    pairs = list(zip(measured.samples, reference.samples, strict=not failed))
    if any(divisor == 0 for _, (divisor,) in pairs):
        raise NotMeasured("reference_of_zero", f"{measured.metric.name} of the reference is 0, which divides nothing")
    ratios = tuple((a / b,) for (a,), (b,) in pairs)
    return Measurement(
        metric=ratio_of(measured.metric),
        samples=ratios,
        labels={**measured.labels, **labels},
        population=1,
        failed_requests=failed,
        runs=(*measured.runs, *reference.runs),
    )


def ratio_of(metric: Metric) -> Metric:
    """The same quantity, divided by that of a reference."""
    return replace(metric, unit="x", lowest=0.0)
