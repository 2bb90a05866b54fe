"""What a quant keeps: its score as a share of the score of what it was made from."""

import math
from dataclasses import dataclass

from thresholds.evidence import CONFIDENCE
from thresholds.statistics.means import two_sided


@dataclass(frozen=True, slots=True)
class Score:
    """A mean score in 0..1 and its standard error about other questions of this kind; None where it is unknown."""

    mean: float
    error: float | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """A share of 1, and its 95 % interval; None where an error is unknown."""

    value: float
    low: float | None
    high: float | None


def recovery(candidate: Score, baseline: Score, difference_error: float | None) -> Recovery | None:
    """The ratio r = c / b of two scores; None where the baseline scores nothing.

    Its error is that of the delta method, sqrt(var(c - r b)) / b, with var(c - r b) = r var(c - b) + (1 - r) (var(c) -
    r var(b)): what the two errors and that of their difference say about it, paired or not (Cochran, Sampling
    Techniques, 1977, section 6.4). Errors that contradict each other, as small samples may, leave r var(c - b).

    Args:
        difference_error: Of candidate minus baseline: paired where both answered the same questions.
    """
    if baseline.mean <= 0:
        return None
    ratio = candidate.mean / baseline.mean
    if difference_error is None or not math.isfinite(difference_error):
        return Recovery(ratio, None, None)
    shared = ratio * difference_error**2
    own = 0.0
    if candidate.error is not None and baseline.error is not None:
        own = (1 - ratio) * (candidate.error**2 - ratio * baseline.error**2)
    variance = shared + own if shared + own > 0 else max(shared, difference_error**2)
    reach = two_sided(CONFIDENCE) * math.sqrt(variance) / baseline.mean
    return Recovery(ratio, max(0.0, ratio - reach), ratio + reach)
