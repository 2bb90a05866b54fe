"""How many questions or runs a row needs, so that a stated drop is caught."""

import math
from dataclasses import dataclass

from thresholds.accepted import ENOUGH_RUNS, FALSE_ALARM, Accepted
from thresholds.catalogue import Threshold
from thresholds.statistics.means import one_sided
from thresholds.statistics.power import session_error
from thresholds.statistics.runs import LEAST_RUNS, MOST_RUNS, student_reach

MOST_QUESTIONS = 10**7
"""More than any benchmark has."""
OFTEN = 0.80
"""How surely the stated drop is caught."""


@dataclass(frozen=True, slots=True)
class Need:
    """How many questions or runs would catch the stated drop 80 % of the time, and how many there are.

    Attributes:
        amount: None when no number would.
        unit: "questions" or "runs".
    """

    amount: int | None
    unit: str
    have: int

    @property
    def enough(self) -> bool:
        """There are as many already."""
        return self.amount is not None and self.amount <= self.have


def needed(threshold: Threshold, base: Accepted, stated: float) -> Need:
    """What would catch a drop 80 % of the time, with the bound where the noise alone would put it.

    Of an accuracy the questions, at the runs that the row has; or where all were asked the runs, as many in a later
    session. Of a speed the runs, as many in a later session; the 5 % for another start are left out.

    Args:
        base: What the bound rests on; its noise is known.
        stated: The drop, of an accuracy a share of 1, of a speed a share of its value.
    """
    if base.of_speed:
        return Need(_runs_for_speed(base, stated), "runs", base.runs)
    both = one_sided(1 - FALSE_ALARM) + one_sided(OFTEN)
    if base.questions is None or str(threshold.row.get("samples", "all")) != "all":
        return _questions_needed(base, both, stated)
    if both / base.questions > stated:  # one question whose answer changes weighs too much, however often it is asked
        return _questions_needed(base, both, stated)
    return _runs_needed(base, both, stated)


def _runs_needed(base: Accepted, both: float, stated: float) -> Need:
    """Both sessions of R runs: (z + z) * s * sqrt(2 / R) <= the drop."""
    error = both * base.deviation / stated
    return Need(_whole(max(2.0, 2 * error * error)), "runs", base.runs)


def _questions_needed(base: Accepted, both: float, stated: float) -> Need:
    """The noise of n questions falls with sqrt(n), the weight of one with n."""
    if base.questions is None:
        return _runs_needed(base, both, stated)
    ratio = math.sqrt(1 + min(base.runs, ENOUGH_RUNS) / base.later_runs)
    error = both * session_error(base.deviation, base.later_runs, base.runs) / stated
    noise = error * error * base.questions
    return Need(_whole(max(noise, both * ratio / math.sqrt(2) / stated)), "questions", base.questions)


def _whole(amount: float) -> int | None:
    """Rounded up; None for more than anybody would ask."""
    return max(1, math.ceil(round(amount, 6))) if amount < MOST_QUESTIONS else None


def _runs_for_speed(base: Accepted, stated: float) -> int | None:
    """The fewest R with (t(0.995, R - 1) + t(0.8, R - 1)) * s * sqrt(2 / R) <= the drop, both sessions of R runs."""
    share = base.noise.deviation if base.noise else 0.0
    error = (one_sided(1 - FALSE_ALARM) + one_sided(OFTEN)) * share / stated
    normal = 2 * error * error
    if normal > MOST_RUNS:
        return None
    runs = max(LEAST_RUNS, math.ceil(normal))  # Student's t reaches further than a normal bound: no overshoot
    while (student_reach(1 - FALSE_ALARM, runs - 1) + student_reach(OFTEN, runs - 1)) * share * math.sqrt(
        2 / runs
    ) > stated:
        runs += 1
    return runs
