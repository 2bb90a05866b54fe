"""How far the next-token distributions of two engines lie apart on the same positions: an early warning of a bad quant.

An engine tells the K most likely tokens of a position. What the others have is one bucket, so that no engine needs to
send its whole vocabulary.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thresholds.measurement import Direction, Metric, NotMeasured

NEXT_TOKEN_DIVERGENCE = Metric("next_token_divergence", "nats", Direction.LOWER, 0.0, math.inf)
"""Kullback-Leibler divergence of an engine's next-token distribution from its baseline's, mean over positions."""

MOST_LIKELY = 20
"""K; vLLM tells no more unless it is started with more."""

LEAST = 1e-9
"""Probability below which a bucket counts as this: log-probabilities are rounded, and no position is infinitely far."""

ROUNDS = 10_000
LEAST_PROMPTS = 2

Top = Mapping[str, float]
"""Natural log-probabilities of the most likely tokens of one position, by token."""
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """An engine beside another on the same positions.

    Attributes:
        by_prompt: By prompt, the divergence of each of its positions, in nats.
        same: By prompt, whether the most likely token of each position is the same.
    """

    by_prompt: tuple[tuple[float, ...], ...]
    same: tuple[tuple[bool, ...], ...]

    @property
    def prompts(self) -> tuple[float, ...]:
        """The mean divergence of each prompt: prompts are independent, positions of one prompt are not."""
        return tuple(math.fsum(one) / len(one) for one in self.by_prompt)

    @property
    def value(self) -> float:
        """Mean over prompts of their means."""
        return math.fsum(self.prompts) / len(self.by_prompt)

    @property
    def agreement(self) -> float:
        """Share of positions whose most likely token is the same, mean over prompts."""
        return math.fsum(sum(one) / len(one) for one in self.same) / len(self.same)

    @property
    def positions(self) -> int:
        """How many there are."""
        return sum(map(len, self.by_prompt))

    def quantile(self, share: float) -> float:
        """Of the positions' divergences: 0.5 is their median."""
        return float(np.quantile([value for one in self.by_prompt for value in one], share))


def agreement(candidate: Sequence[Sequence[Top]], baseline: Sequence[Sequence[Top]]) -> Agreement:
    """Hold the distributions of a candidate beside those of its baseline, both [prompt][position].

    Raises:
        NotMeasured: They do not tell of the same positions, or of fewer than 2 prompts.
    """
    shapes = [[len(prompt) for prompt in side] for side in (candidate, baseline)]
    if shapes[0] != shapes[1] or 0 in shapes[0]:
        raise NotMeasured("other_positions", "the two engines tell of different positions; ask both the same prompts")
    if len(shapes[0]) < LEAST_PROMPTS:
        raise NotMeasured("too_few_prompts", f"{len(shapes[0])} prompts show no spread; ask at least {LEAST_PROMPTS}")
    pairs = [list(zip(ours, theirs, strict=True)) for ours, theirs in zip(candidate, baseline, strict=True)]
    return Agreement(
        tuple(tuple(divergence(theirs, ours) for ours, theirs in prompt) for prompt in pairs),
        tuple(tuple(_first(theirs) == _first(ours) for ours, theirs in prompt) for prompt in pairs),
    )


def divergence(baseline: Top, candidate: Top, most: int = MOST_LIKELY) -> float:
    """Kullback-Leibler divergence of one position, in nats: sum_i p_i ln(p_i / q_i) + p_r ln(p_r / q_r).

    i runs over the K most likely tokens of the baseline, with probability p_i there and q_i in the candidate; p_r and
    q_r = 1 - sum q_i are what all other tokens have. A token that the candidate does not tell of has at most the
    probability of the least that it tells of its own first K, and is taken to have that, so that the divergence is
    rather told too small than too large. Kullback and Leibler, The Annals of Mathematical Statistics 22, 1951.

    Raises:
        NotMeasured: A side tells of no token, or of one whose log-probability is no number.
    """
    known = sorted(baseline, key=lambda token: -baseline[token])[:most]
    listed = sorted(candidate.values(), reverse=True)[:most]
    if not known or not listed:
        raise NotMeasured("no_distribution", "an engine tells no likely token of a position; it needs `logprobs`")
    if not all(value < math.inf for value in (*baseline.values(), *candidate.values())):
        # max() below would turn what comes of it into 0, the best that there is
        raise NotMeasured(
            "no_distribution", "an engine tells a log-probability that is no number; are its weights sound?"
        )
    p = np.exp([baseline[token] for token in known])
    q = np.exp([candidate.get(token, listed[-1]) for token in known])
    p, q = (_with_rest(side) for side in (p, q))
    return max(0.0, float((p * np.log(p / q)).sum()))


def _with_rest(shares: Values) -> Values:
    """The shares with one bucket for all others, none of them 0, together 1."""
    whole = np.maximum(np.append(shares, 1 - shares.sum()), LEAST)
    scaled: Values = whole / whole.sum()
    return scaled


def _first(top: Top) -> str:
    return max(top, key=lambda token: top[token])


def mean_bounds(values: Sequence[float], *levels: float) -> list[float]:
    """Quantiles of a mean over prompts: bootstrap over prompts, 10,000 rounds, the same for the same values.

    Deviations from the mean are stretched by sqrt(n / (n - 1)), as a bootstrap of few is too narrow (Hesterberg, The
    American Statistician 69, 2015, section 3.3).

    Raises:
        ValueError: Without values, or for a level outside 0..1.
    """
    known = np.asarray(values, dtype=np.float64)
    if not known.size or not all(0 <= level <= 1 for level in levels):
        raise ValueError("bounds need values, and levels in 0..1")
    if known.size == 1:
        return [float(known[0])] * len(levels)
    draw = np.random.default_rng(0)
    means = known[draw.integers(0, known.size, size=(ROUNDS, known.size))].mean(axis=1)
    stretched = known.mean() + (means - known.mean()) * math.sqrt(known.size / (known.size - 1))
    bounds: list[float] = np.quantile(stretched, levels).tolist()
    return bounds
