"""How long answers are, held against a baseline's: a model that needs more tokens for the same answers costs more."""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from thresholds.error_level import ErrorLevel
from thresholds.evidence import CONFIDENCE
from thresholds.measurement import Direction, Measurement, Metric, NotMeasured, Run, title
from thresholds.statistics.means import one_sided, two_sided
from thresholds.upgrade import Margin, Pair
from thresholds.verdict import Outcome, Verdict, unanswered

OUTPUT_TOKENS = Metric("output_tokens", "tokens", Direction.LOWER, 0.0, math.inf)
"""Completion tokens of an answer, as the endpoint counts them; mean over questions and runs."""


def answer_length(runs: Sequence[Run], labels: Mapping[str, Any]) -> Measurement | None:
    """Tokens of every answer in runs of tasks that generate; None when none of them does."""
    answers = [item for run in runs for item in run.items if item.failed is None]
    lengths = tuple(float(item.completion_tokens) for item in answers if item.completion_tokens is not None)
    if not lengths:
        return None
    failed = sum(run.failed_requests for run in runs)
    return Measurement(OUTPUT_TOKENS, (lengths,), labels, len(lengths), failed, tuple(runs))


def no_longer(candidate: Measurement, pairs: Sequence[Pair], margin: Margin, level: ErrorLevel) -> Verdict:
    """Whether the candidate's answers are no longer than the baseline's by the margin, a share of their length.

    The ratio of the means over the same questions; its error is that of a ratio estimate, the standard deviation of
    c - ratio * b over questions, divided by sqrt(n) and the baseline's mean (Cochran, Sampling Techniques, 1977,
    section 6.4). PASS at the margin or below, FAIL shown above, INCONCLUSIVE otherwise.

    Raises:
        NotMeasured: No question has lengths on both sides.
    """
    if candidate.failed_requests:
        return unanswered(candidate)
    both = np.array([lengths for pair in pairs for lengths in _lengths(pair)])
    if len(both) < 2 or both[:, 1].sum() == 0:  # noqa: PLR2004 - a variance needs two values
        raise NotMeasured("no_lengths", "no answers of both sides have token counts to compare")
    after, before = both.mean(axis=0).tolist()
    ratio = after / before
    error = float((both[:, 0] - ratio * both[:, 1]).std(ddof=1)) / math.sqrt(len(both)) / before
    outcome, reason, said = _decided(ratio, one_sided(1 - level.alpha) * error, 1 + margin.share)
    low, high = (ratio + sign * two_sided(CONFIDENCE) * error for sign in (-1, 1))
    sides = f"tokens an answer: baseline {before:.1f}, candidate {after:.1f}"
    lines = (
        f"{title(OUTPUT_TOKENS.name, candidate.labels)}: {outcome} - {said}",
        f"measured  {ratio:.3f} x ({CONFIDENCE:.0%} interval {low:.3f} to {high:.3f}; {len(both)} answers)",
        f"required  <= {1 + margin.share:.3f} x   {margin.where} ({sides})",
    )
    return Verdict(
        outcome,
        reason,
        OUTPUT_TOKENS.name,
        candidate.labels,
        lines,
        measured=ratio,
        low=low,
        high=high,
        required=1 + margin.share,
        headroom=1 + margin.share - ratio,
        where=margin.where,
        details={"baseline": before, "candidate": after, "questions": len(both)},
    )


def _decided(ratio: float, reach: float, limit: float) -> tuple[Outcome, str, str]:
    change = f"answers are {100 * abs(ratio - 1):.1f} % {'longer' if ratio > 1 else 'shorter'}"
    if ratio <= limit:
        return Outcome.PASS, "no_longer", change
    if ratio - reach > limit:
        return Outcome.FAIL, "longer_than_baseline", f"{change}, and shown to be longer than allowed"
    return Outcome.INCONCLUSIVE, "too_little_evidence", f"{change}, within the noise; add questions"


def _lengths(pair: Pair) -> Iterator[tuple[float, float]]:
    """Mean tokens of the answers to each question, of candidate and baseline."""
    candidate, baseline = (_by_item(side) for side in (pair.candidate, pair.baseline))
    yield from ((candidate[item], baseline[item]) for item in candidate if item in baseline)


def _by_item(side: Measurement) -> dict[int, float]:
    counts: dict[int, list[int]] = {}
    for run in side.runs:
        for item in run.items if isinstance(run, Run) else ():
            if item.completion_tokens is not None and item.failed is None:
                counts.setdefault(item.item, []).append(item.completion_tokens)
    return {item: fmean(tokens) for item, tokens in counts.items()}
