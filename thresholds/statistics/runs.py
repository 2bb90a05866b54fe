"""Speeds: the run is the unit, each has one value, and few runs are judged by Student's t."""

import math

from thresholds.statistics.means import one_sided

LEAST_RUNS = 3
"""Runs from which the spread of a speed is taken: with two, Student's t reaches 4.5 standard deviations."""

MOST_RUNS = 10_000
"""More than anybody would make."""


def student_reach(confidence: float, degrees: int) -> float:
    """Reach of a one-sided Student's t bound in standard errors (2.920 for 0.95 and 2 degrees of freedom)."""
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    return float(stdtrit(degrees, confidence))


def mean_reach(runs: int, deviation: float, confidence: float) -> float:
    """How far the true mean may lie to one side of that of R runs: t(confidence, R - 1) * s / sqrt(R).

    In the unit of s, the standard deviation over the runs (Student, Biometrika 6, 1908).
    """
    return student_reach(confidence, runs - 1) * deviation / math.sqrt(runs)


def later_reach(runs: int, deviation: float, later: int, confidence: float) -> float:
    """How far the mean of `later` runs may lie to one side of that of R earlier ones, when nothing has changed.

    t(confidence, R - 1) * s * sqrt(1 / R + 1 / later), in the unit of s (Hahn and Meeker, Statistical Intervals, 1991,
    chapter 4).
    """
    return student_reach(confidence, runs - 1) * deviation * math.sqrt(1 / runs + 1 / later)


def runs_needed(runs: int, deviation: float, margin: float, confidence: float) -> int | None:
    """The fewest runs, more than were made, whose `mean_reach` is at most the margin; None beyond `MOST_RUNS`."""
    ratio = one_sided(confidence) * deviation / margin if margin > 0 else math.inf
    if ratio > math.sqrt(MOST_RUNS):
        return None
    needed = max(runs + 1, math.ceil(ratio**2))  # a normal bound reaches less than Student's, so this is no overshoot
    while mean_reach(needed, deviation, confidence) > margin:
        needed += 1
    return needed
