"""Speeds of few runs: the ratio of two, and which of several differ by more than runs and starts explain.

Two are compared by the logarithms of their means m over R runs: d = ln(m_1 / m_2), with the error e,

    e^2 = v_1 + v_2 + (ln(1 + b) / 1.96)^2,  v = w^2 / R,  w = s / m,

s the standard deviation over the runs. Student's t judges d / e by Welch's degrees of freedom,
e^4 / (v_1^2 / (R_1 - 1) + v_2^2 / (R_2 - 1)) (Welch, Biometrika 34, 1947).

- Runs of one start do not see what differs from start to start. The last term stands for it, with b the share by which
  95 % of all two starts of the same thing differ at most: the one that bounds leave room for
  (`thresholds.accepted.BETWEEN_STARTS`), whether runs come from one start or from several.
- Runs that were made in turns are not paired. What moved both of a pair would cancel: e is rather too wide.

How often this errs: tests/test_statistics_speeds.py.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from thresholds.statistics.means import table, two_sided
from thresholds.statistics.ranks import Pair

Values = NDArray[np.float64]
Places = NDArray[np.intp]

REACH = 0.95
"""How many of all two starts differ by the share that callers state, or less."""
NORMAL = 1e9
"""Degrees of freedom from which Student's t is the normal distribution."""


def ratio_interval(
    candidate: Sequence[float], baseline: Sequence[float], between_starts: float, confidence: float
) -> tuple[float, float] | None:
    """Interval of mean(candidate) / mean(baseline), one value for each run: the ratio times exp(-+ t e).

    None with a single run on either side, which has no spread, or with a mean of 0.

    Raises:
        ValueError: For a speed that is not finite or below 0, a share below 0, or a confidence outside 0..1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence must be a share between 0 and 1, not {confidence}")
    sides = _comparable({"candidate": candidate, "baseline": baseline}, between_starts)
    if len(sides) < 2:  # noqa: PLR2004 - a ratio has two sides
        return None
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    means, spreads, counts = _told(list(sides.values()))
    pair = np.array([0]), np.array([1])
    errors, freedom = _errors(spreads, counts, 0.0, pair, _of_starts(between_starts))
    reach = float(stdtrit(freedom[0], 0.5 + confidence / 2) * errors[0])
    ratio = float(means[0] / means[1])
    return ratio * math.exp(-reach), ratio * math.exp(reach)


def p_values_of_runs(runs: Mapping[str, Sequence[float]], between_starts: float) -> dict[Pair, float]:
    """Two-sided p-values of no difference, of each pair of names in their order: what `ranks` asks for.

    Few runs lie close together by luck. So each pair is judged a second time, with w at least that of all names
    together, sqrt(sum f w^2 / sum f), f = R - 1, which has sum f degrees of freedom; the larger of the two p-values
    counts. A name with a single run, which has no spread, or with a mean of 0 is in no pair.

    Raises:
        ValueError: For a speed that is not finite or below 0, or a share below 0.
    """
    sides = _comparable(runs, between_starts)
    if len(sides) < 2:  # noqa: PLR2004 - one alone differs from none
        return {}
    from scipy.special import stdtr

    names, (means, spreads, counts) = list(sides), _told(list(sides.values()))
    together = float((spreads * (counts - 1)).sum() / (counts - 1).sum())
    one, other = np.triu_indices(len(names), 1)
    distances, found = np.abs(np.log(means[one] / means[other])), np.zeros(len(one))
    for least in (0.0, together):
        errors, freedom = _errors(spreads, counts, least, (one, other), _of_starts(between_starts))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.maximum(found, 2 * stdtr(freedom, -np.where(distances > 0, distances / errors, 0.0)))
    return {(names[i], names[j]): p for i, j, p in zip(one.tolist(), other.tolist(), found.tolist(), strict=True)}


def _comparable(runs: Mapping[str, Sequence[float]], between_starts: float) -> dict[str, Values]:
    """Those that have a spread, and a logarithm."""
    if not 0 <= between_starts < math.inf:
        raise ValueError(f"what starts differ by must be a share of 0 or more, not {between_starts}")
    sides = {name: table(np.asarray([values], dtype=np.float64))[0] for name, values in runs.items() if len(values)}
    if any(side.min() < 0 for side in sides.values()):
        raise ValueError("speeds are numbers of 0 or more")
    return {name: side for name, side in sides.items() if len(side) > 1 and side.mean() > 0}


def _told(sides: Sequence[Values]) -> tuple[Values, Values, Values]:
    """Means, squared relative spreads and numbers of runs."""
    means = np.array([side.mean() for side in sides])
    spreads = np.array([side.var(ddof=1) for side in sides]) / means**2
    return means, spreads, np.array([len(side) for side in sides], dtype=np.float64)


def _of_starts(between_starts: float) -> float:
    return math.log1p(between_starts) / two_sided(REACH)


def _errors(
    spreads: Values, counts: Values, least: float, pairs: tuple[Places, Places], of_starts: float
) -> tuple[Values, Values]:
    """Of each pair the error and its degrees of freedom; squared spreads below the least are that of all together."""
    parts, (one, other) = np.maximum(spreads, least) / counts, pairs
    own = np.where(spreads < least, 0.0, parts)
    shared = parts - own
    below = own[one] ** 2 / (counts[one] - 1) + own[other] ** 2 / (counts[other] - 1)
    below += (shared[one] + shared[other]) ** 2 / (counts - 1).sum()
    squares = parts[one] + parts[other] + of_starts**2
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(below > 0, np.minimum(squares**2 / below, NORMAL), NORMAL)
    return np.sqrt(squares), freedom
