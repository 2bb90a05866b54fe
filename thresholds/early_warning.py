"""The early warning of a quant as a verdict: how far its next tokens lie from those of the unquantized engine.

It ranks quants and warns before the long evaluation; what a quant costs in answers, the paired accuracy gates decide.
Hence it is red only for what no quant should do. Two runs of the unquantized engine are its noise floor; a multiple of
the floor alone would be no ceiling, as an engine that computes the same bits each time has a floor of 0, from which
every quant is infinitely far.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context
from typing import Any

from thresholds.accepted import FALSE_ALARM
from thresholds.agreement import NEXT_TOKEN_DIVERGENCE, Agreement, mean_bounds
from thresholds.error_level import ErrorLevel
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import Measurement, title
from thresholds.verdict import Outcome, Verdict

CEILING = 0.1
"""Nats. Quants of 3 bits (q3_K_M) of LLaMA 3 8B lie 0.10 from their original, those of 4 bits (q4_K_M) 0.03, of 8 bits
0.0014, of 2 bits 0.45 (the scoreboard of llama.cpp's perplexity example)."""

NOISE_FACTOR = 10
"""Where an engine disagrees with itself, the ceiling is no less than so many times its noise floor."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How far is still near enough, in nats, and where that is written."""

    value: float
    where: str


@dataclass(frozen=True, slots=True)
class Warned:
    """What was found, before it is put into words.

    Attributes:
        beyond_noise: Shown to be further from the unquantized engine than a second run of that one, at 95 %.
    """

    outcome: Outcome
    value: float
    low: float
    high: float
    beyond_noise: bool


def ceiling(noise: float, row: Ceiling | None = None) -> Ceiling:
    """That of a threshold row, or what holds where there is none."""
    if row is not None:
        return row
    if NOISE_FACTOR * noise > CEILING:
        return Ceiling(NOISE_FACTOR * noise, f"where no row says otherwise: {NOISE_FACTOR} x the noise floor")
    return Ceiling(CEILING, "where no row says otherwise: about that of a 3-bit quant")


def accepted_ceiling(found: Agreement) -> float:
    """The ceiling of a quant that is accepted as it is, in nats, rounded up to two digits.

    m + sqrt(2) (u - m), with u the 99.5 % end of the mean m over prompts: as far as the mean of as many other prompts
    may lie from this one.
    """
    (end,) = mean_bounds(found.prompts, 1 - FALSE_ALARM)
    exact = found.value + math.sqrt(2) * max(0.0, end - found.value)
    return float(Context(prec=2, rounding=ROUND_CEILING).create_decimal(repr(float(exact))))


def near_enough(
    measurement: Measurement, candidate: Agreement, noise: Agreement, bound: Ceiling, level: ErrorLevel
) -> Verdict:
    """Whether a quant's next tokens are near enough to those of the unquantized engine.

    PASS at the ceiling or below, FAIL when shown above, INCONCLUSIVE otherwise; bounds are those of a bootstrap over
    prompts.

    Args:
        candidate: The quant beside the unquantized engine.
        noise: A second run of the unquantized engine beside its first.
    """
    found = _found(candidate, noise, bound, level)
    reasons = {Outcome.PASS: "at_or_below_ceiling", Outcome.FAIL: "above_ceiling"}
    return Verdict(
        found.outcome,
        reasons.get(found.outcome, "too_little_evidence"),
        NEXT_TOKEN_DIVERGENCE.name,
        measurement.labels,
        tuple(_lines(measurement, found, candidate, noise, bound)),
        measured=found.value,
        low=found.low,
        high=found.high,
        required=bound.value,
        headroom=bound.value - found.value,
        where=bound.where,
        details=_details(found, candidate, noise),
    )


def _found(candidate: Agreement, noise: Agreement, bound: Ceiling, level: ErrorLevel) -> Warned:
    tail = (1 - CONFIDENCE) / 2
    surely, low, high = (max(0.0, end) for end in mean_bounds(candidate.prompts, level.alpha, tail, 1 - tail))
    value = candidate.value
    outcome = Outcome.FAIL if surely > bound.value else Outcome.INCONCLUSIVE
    beyond = [ours - theirs for ours, theirs in zip(candidate.prompts, noise.prompts, strict=True)]
    return Warned(
        Outcome.PASS if value <= bound.value else outcome,
        value,
        min(low, value),
        max(high, value),
        mean_bounds(beyond, 1 - CONFIDENCE)[0] > 0,
    )


def _lines(
    measurement: Measurement, found: Warned, candidate: Agreement, noise: Agreement, bound: Ceiling
) -> list[str]:
    said = {
        Outcome.PASS: "near enough" if found.beyond_noise else "no further than a second run of its baseline",
        Outcome.FAIL: "shown to be further than its ceiling; expect worse answers, and look for a broken conversion",
        Outcome.INCONCLUSIVE: "above its ceiling, within the noise of these prompts; ask more (--samples, --tasks)",
    }[found.outcome]
    positions = f"{candidate.positions} positions of {len(candidate.by_prompt)} prompts"
    apart = f"top token the same at {100 * candidate.agreement:.1f} %"
    spread = f"median {_nats(candidate.quantile(0.5))}, p90 {_nats(candidate.quantile(0.9))}"
    floor = f"noise floor {_nats(noise.value)}, top token the same at {100 * noise.agreement:.1f} %"
    ends = f"{CONFIDENCE:.0%} interval {_nats(found.low)} to {_nats(found.high)}"
    return [
        f"{title(NEXT_TOKEN_DIVERGENCE.name, measurement.labels)}: {found.outcome} - {said}",
        f"measured  {_nats(found.value)} nats ({ends}; {positions}): {apart}, {spread}",
        f"required  <= {_nats(bound.value)} nats   {bound.where} ({floor})",
    ]


def _nats(value: float) -> str:
    return f"{value:.3g}" if value >= 0.001 or value == 0 else f"{value:.1g}"  # noqa: PLR2004 - more digits are noise


def _details(found: Warned, candidate: Agreement, noise: Agreement) -> Mapping[str, Any]:
    tail = (1 - CONFIDENCE) / 2
    shares = [sum(one) / len(one) for one in candidate.same]
    low, high = mean_bounds(shares, tail, 1 - tail)
    return {
        "positions": candidate.positions,
        "prompts": len(candidate.by_prompt),
        "agreement": candidate.agreement,
        "agreement_low": max(0.0, low),
        "agreement_high": min(1.0, high),
        "median": candidate.quantile(0.5),
        "p90": candidate.quantile(0.9),
        "noise": noise.value,
        "noise_agreement": noise.agreement,
        "beyond_noise": found.beyond_noise,
        "by_prompt": list(candidate.prompts),
    }
