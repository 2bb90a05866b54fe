"""What quants are worth a word for: one that gains nothing, and one whose next tokens are a warning."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reports.observations.observation import Observation
from reports.quants.early_warnings import EarlyWarning
from reports.quants.rows import QuantRow
from reports.quants.siblings import quant_name
from reports.wording.sentences import listed, times_reach
from reports.wording.words import figure, percent


def observe_quants(rows: Sequence[QuantRow]) -> tuple[Observation, ...]:
    """Warnings first."""
    return (*_warned(rows), *_useless(rows))


def _warned(rows: Iterable[QuantRow]) -> Iterable[Observation]:
    for row in rows:
        found = row.warning
        if found is not None and found.outcome != "PASS":
            said = (
                f"Suspicious: the next tokens of {_name(row)} lie {_distance(found)} from those of its baseline, which"
                f" has another top token at {percent(1 - found.agreement)} of the positions: expect worse answers, and"
                " look for a broken conversion."
            )
            yield Observation("quant_far_away", said, (row.combination,), _numbers(row))


def _useless(rows: Iterable[QuantRow]) -> Iterable[Observation]:
    for row in rows:
        if row.gains == () and (known := _known(row)):
            said = f"{_name(row)} gains nothing: {listed(known)}."
            yield Observation("quant_gains_nothing", said, (row.combination, row.base or ""), _numbers(row))


def _known(row: QuantRow) -> list[str]:
    """What is known not to be a gain."""
    found = []
    if row.weight_bytes is not None:
        found.append("its weights are as large")
    if row.cache_tokens is not None:
        found.append("its KV cache holds no more tokens")
    if row.memory is not None:
        found.append("it needs as much memory")
    if row.speed is not None and row.speed.low is not None and row.speed.high is not None:
        reach = times_reach(row.speed.low, row.speed.high)
        found.append(f"it writes {row.speed.value:.2f} times as many tokens/s ({reach})")
    return found


def _name(row: QuantRow) -> str:
    return f"{row.labels.get('model', '')} {quant_name(row.labels)}".strip()


def _distance(found: EarlyWarning) -> str:
    low, high = found.divergence.low, found.divergence.high
    ends = "" if low is None or high is None else f" (95% interval {figure(low)} to {figure(high)})"
    return f"{figure(found.divergence.value)} nats{ends}"


def _numbers(row: QuantRow) -> Mapping[str, Any]:
    return {
        "bits": row.bits,
        "weight_bytes": row.weight_bytes,
        "memory": row.memory,
        "speed": None if row.speed is None else row.speed.value,
        "divergence": None if row.warning is None else row.warning.divergence.value,
        "agreement": None if row.warning is None else row.warning.agreement,
    }
