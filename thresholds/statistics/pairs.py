"""A candidate against its baseline, item by item: both answered the same questions, so only what changed is noise."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thresholds.statistics.means import BEYOND, Samples, cluster_sums, one_sided, table

SAME = 1e-12
"""Item means that differ by less are equal: means over two and over three runs round differently."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better a candidate scores than its baseline, mean over items; scores are in 0..1.

    Attributes:
        value: S / n, S the sum over items of (item mean of the candidate - item mean of the baseline).
        error: Standard error of the value over items.
        questions: Items compared.
        worse, better: Items whose mean fell, and rose.
    """

    value: float
    error: float
    questions: int
    worse: int
    better: int

    def lower(self, alpha: float) -> float:
        """Lower bound of the true difference: value - z(1 - alpha) * error, at least -1. It is too high in `alpha`."""
        return max(-1.0, self.value - one_sided(1 - alpha) * self.error)

    def upper(self, alpha: float) -> float:
        """Upper bound of the true difference: value + z(1 - alpha) * error, at most 1. It is too low in `alpha`."""
        return min(1.0, self.value + one_sided(1 - alpha) * self.error)


def item_differences(candidate: Samples, baseline: Samples) -> NDArray[np.float64]:
    """Item mean of the candidate minus item mean of the baseline, one for each item.

    Raises:
        ValueError: When they do not hold the same number of items, or a score is outside 0..1.
    """
    ours, theirs = table(candidate), table(baseline)
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(
            f"the candidate has {ours.shape[1]} items and the baseline {theirs.shape[1]}; "
            "pair the items that both answered, in the same order"
        )
    if min(ours.min(), theirs.min()) < 0 or max(ours.max(), theirs.max()) > 1:
        raise ValueError("paired scores must lie in 0..1")
    differences = ours.mean(axis=0) - theirs.mean(axis=0)
    return np.where(np.abs(differences) < SAME, 0.0, differences)


def difference(candidate: Samples, baseline: Samples, clusters: Sequence[Hashable] | None = None) -> Difference:
    """Compare two combinations on the same items in the same order; the numbers of runs may differ.

    With d_i the difference of item i, S = sum d_i and Q = sum d_i^2, the error is
    sqrt((Q + 1 - S^2 / (n + 2)) / (n + 2)^2): that of Agresti and Min (Statistics in Medicine 24, 2005) for paired
    shares, who add half an item to each cell of the 2 x 2 table, so that no discordance is not taken for certainty.
    With `clusters` (the source of each item), Q - S^2 / n is that of the sources,
    G / (G - 1) * sum_g (sum_{i in g} (d_i - S / n))^2 (Miller, arXiv 2411.00640, 2024).

    Raises:
        ValueError: When the items cannot be paired, a score is outside 0..1, or all items share one cluster.
    """
    changes = item_differences(candidate, baseline)
    count, total = len(changes), math.fsum(changes)
    if clusters is None:
        spread = float((changes**2).sum()) - total**2 / (count + 2)
    else:
        sums = cluster_sums(changes - total / count, clusters)
        if len(sums) < 2:  # noqa: PLR2004 - a variance needs two values
            raise ValueError("all items share one cluster, so that their spread is unknown; leave `clusters` out")
        spread = len(sums) / (len(sums) - 1) * float((sums**2).sum())
    error = math.sqrt(spread + 1) / (count + 2)
    return Difference(total / count, error, count, int((changes < 0).sum()), int((changes > 0).sum()))


def pooled(differences: Sequence[Difference]) -> Difference:
    """Mean difference over K tasks, each task counting the same: error sqrt(sum e_k^2) / K, counts summed.

    Raises:
        ValueError: Without a task.
    """
    if not differences:
        raise ValueError("there are no differences to pool; at least one task is needed")
    tasks = len(differences)
    return Difference(
        value=math.fsum(one.value for one in differences) / tasks,
        error=math.hypot(*(one.error for one in differences)) / tasks,
        questions=sum(one.questions for one in differences),
        worse=sum(one.worse for one in differences),
        better=sum(one.better for one in differences),
    )


def mcnemar(worse: int, better: int) -> float:
    """Exact two-sided p-value that as many items rise as fall: 2 P(X <= min(b, c)), X ~ Binomial(b + c, 1/2).

    At most 1; 1 when no item changed (McNemar, Psychometrika 12, 1947, in its exact form).

    Raises:
        ValueError: When a count is negative.
    """
    if min(worse, better) < 0:
        raise ValueError(f"counts of changed items cannot be negative: {worse} worse, {better} better")
    from scipy.special import bdtr  # type: ignore[import-untyped]

    return min(1.0, 2 * float(bdtr(min(worse, better), worse + better, 0.5)))


def permutation(differences: Sequence[float] | NDArray[np.float64], rounds: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value that the item differences have no direction, for scores that are not only 0 or 1.

    Under "no change" each difference has either sign equally often: (1 + rounds with |sum| as large) / (1 + rounds)
    (Fisher, The Design of Experiments, 1935; the added 1: Phipson and Smyth, 2010). The same seed gives the same p.

    Raises:
        ValueError: Without a difference, with one that is no finite number, or with less than one round.
    """
    changes = table(np.asarray([differences], dtype=np.float64))[0]
    if rounds < 1:
        raise ValueError(f"a permutation test needs at least one round, not {rounds}")
    changes = changes[changes != 0]
    total, size = math.fsum(changes), math.fsum(np.abs(changes))
    draw, extreme, width = np.random.default_rng(seed), 0, -(-max(1, len(changes)) // 8)
    chunk = max(1, 1_000_000 // (8 * width))
    for start in range(0, rounds, chunk):
        coins = draw.integers(0, 256, size=(min(chunk, rounds - start), width), dtype=np.uint8)
        kept = np.unpackbits(coins, axis=1, count=len(changes)).astype(np.float64)
        extreme += int((np.abs(2 * (kept @ changes) - total) >= abs(total) - SAME * size).sum())
    return (1 + extreme) / (1 + rounds)


def noninferiority_questions(difference: Difference, margin: float, alpha: float, power: float = 0.8) -> int | None:
    """About how many questions would show, with this power, that the candidate is less than `margin` worse.

    n * ((z(1 - alpha) + z(power)) * error / (margin + min(value, 0)))^2, rounded up: the error falls with 1/sqrt(n),
    and the truth is taken to be what was measured, or no change where that looks better. None when the value lies at
    the margin, or nearly, or below it, where more questions would not help.

    Raises:
        ValueError: When the margin is no number, or alpha or power do not lie between 0 and 1.
    """
    distance = margin + min(difference.value, 0.0)
    if math.isnan(distance):
        raise ValueError(f"a margin must be a number, not {margin}")
    reach = max(0.0, one_sided(1 - alpha) + one_sided(power)) * difference.error
    if distance <= 0 or reach / BEYOND > distance:
        return None
    return max(1, math.ceil(difference.questions * (reach / distance) ** 2))
