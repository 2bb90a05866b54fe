"""What a bound can do: how often it cries wolf, what it catches, and what it would take. Normal distribution.

A bound lies `margin` on the worse side of what was measured; a later session fails it when its value is worse than the
bound. All are in the unit of the metric, and a drop is a change for the worse, so that ceilings have drops too.
"""

import math
from statistics import NormalDist

from thresholds.statistics.means import one_sided

MOST = 1_000_000
"""More runs or questions than anybody would make."""


def session_error(deviation: float, later: int, recorded: int | None = None) -> float:
    """Standard error of a later session's value about the measured one: s * sqrt(1 / later + 1 / recorded).

    Args:
        deviation: Standard deviation s of one run (or of one question).
        later: Runs (or questions) of the later session.
        recorded: Those that the measured value is a mean of; None when it is taken for the truth.

    Raises:
        ValueError: When the deviation is negative or no finite number, or an amount is less than 1.
    """
    if not 0 <= deviation < math.inf or later < 1 or (recorded is not None and recorded < 1):
        raise ValueError(f"no session has a deviation of {deviation}, {later} later and {recorded} recorded runs")
    return deviation * math.sqrt(1 / later + (1 / recorded if recorded else 0.0))


def false_alarm(margin: float, error: float) -> float:
    """Chance that an unchanged combination falls below a bound that is `margin` away: Phi(-margin / error).

    Without error it is 0, or 1 for a bound on the wrong side of what was measured (a negative margin).

    Raises:
        ValueError: When the margin is no number, or the error is negative or no number.
    """
    return caught(0.0, margin, error)


def caught(drop: float, margin: float, error: float) -> float:
    """Chance that a combination that became worse by `drop` falls below the bound: Phi((drop - margin) / error).

    Raises:
        ValueError: When a drop or margin is no number, or the error is negative or no number.
    """
    if math.isnan(drop - margin) or not error >= 0:
        raise ValueError(f"no chance follows from a drop of {drop}, a margin of {margin} and an error of {error}")
    if error == 0:
        return float(drop > margin)
    return NormalDist().cdf((drop - margin) / error)


def margin_for(error: float, rate: float) -> float:
    """The margin at which an unchanged combination falls below its bound at this rate: z(1 - rate) * error.

    Raises:
        ValueError: When the error is negative or no finite number, or the rate lies outside 0..0.5.
    """
    _check(error, rate)
    return one_sided(1 - rate) * error


def smallest_effect(error: float, margin: float, power: float) -> float:
    """The drop that falls below the bound with this power: margin + z(power) * error.

    Raises:
        ValueError: When the error is negative or no finite number, the margin is no
            number, or the power lies outside 0.5..1.
    """
    _check(error, 1 - power, margin)
    return margin + one_sided(power) * error


def amount_for(margin: float, deviation: float, rate: float, recorded: int | None = None) -> int | None:
    """Runs (or questions) of a later session with which a bound `margin` away alarms falsely at most at this rate.

    The smallest with z(1 - rate) * s * sqrt(1 / later + 1 / recorded) <= margin. None when no number does, because the
    measured value itself is too uncertain, or more than a million. With margin - drop for the margin and 1 - power for
    the rate it is the amount that catches a drop.

    Raises:
        ValueError: When the deviation is negative or no finite number, the margin is no
            number, the rate lies outside 0..0.5, or `recorded` is less than 1.
    """
    _check(deviation, rate, margin)
    if recorded is not None and recorded < 1:
        raise ValueError(f"the measured value is the mean of at least one run, not of {recorded}")
    reach = one_sided(1 - rate) * deviation
    if reach == 0 and margin >= 0:
        return 1
    room = (margin / reach) ** 2 - (1 / recorded if recorded else 0.0) if margin > 0 else 0.0
    return max(1, math.ceil(1 / room - 1e-9)) if room * MOST >= 1 else None


def _check(error: float, rate: float, margin: float = 0.0) -> None:
    if math.isnan(margin):
        raise ValueError("a margin must be a number")
    if not 0 <= error < math.inf:
        raise ValueError(f"an error must be a finite number of at least 0, not {error}")
    if not 0 < rate <= 0.5:  # noqa: PLR2004 - what happens every other time is no rate to design for
        raise ValueError(f"a rate of errors must lie in 0..0.5, not at {rate}")
