"""The early warnings of a session: how far the next tokens of each quant lie from the unquantized engine's."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports.answers.rows import Row
from reports.quants.siblings import Interval, ranked_by_distance
from thresholds.agreement import NEXT_TOKEN_DIVERGENCE
from thresholds.statistics.ranks import Rank
from thresholds.verdict import Verdict


@dataclass(frozen=True, slots=True)
class EarlyWarning:
    """How far its next tokens lie from those of the unquantized engine.

    Attributes:
        noise: The distance of a second run of the unquantized engine, in nats.
        agreement: Share of positions with the same most likely token.
        rank, ties: Among the quants of the same base, 1 the nearest; those that cannot be told apart from it.
    """

    divergence: Interval
    noise: float
    agreement: float
    beyond_noise: bool
    outcome: str
    rank: int
    ties: tuple[str, ...]


def early_warnings(group: Sequence[Row], verdicts: Iterable[Verdict]) -> dict[str, EarlyWarning]:
    """Those that were heard, by combination; ranked among the quants of the same base."""
    names = {row.combination for row in group}
    told: dict[str, Verdict] = {}
    by_base: dict[str, dict[str, Sequence[float]]] = defaultdict(dict)
    for one in verdicts:
        name = str(one.labels.get("combination"))
        if one.metric == NEXT_TOKEN_DIVERGENCE.name and one.measured is not None and name in names:
            told[name] = one
            by_base[str(one.labels.get("against"))][name] = one.details["by_prompt"]
    places = {name: rank for each in by_base.values() for name, rank in ranked_by_distance(each).items()}
    return {name: _warning(one, places[name]) for name, one in told.items()}


def _warning(verdict: Verdict, place: Rank) -> EarlyWarning:
    details = verdict.details
    return EarlyWarning(
        Interval(verdict.measured or 0.0, verdict.low, verdict.high),
        details["noise"],
        details["agreement"],
        details["beyond_noise"],
        str(verdict.outcome),
        place.rank,
        place.ties,
    )
