"""What a threshold row can do: how often it is red for nothing, the smallest drop it catches, and what it would take.

The error of a later session against the recorded value is `thresholds.accepted.difference_error`: the recorded value is
itself an estimate from R runs, and equal answers are no certainty. Normal for an accuracy, Student's t for a speed.
Only the noise between identical runs enters: what differs from start to start does not show in the runs of one start.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from thresholds.accepted import (
    Accepted,
    Noise,
    accepted_row,
    bound,
    difference_error,
    pooled,
    reach,
)
from thresholds.catalogue import Threshold
from thresholds.measurement import Metric
from thresholds.needs import OFTEN, Need, needed
from thresholds.quantities import distance, percent, points, told
from thresholds.speed import SPEED
from thresholds.statistics.means import one_sided
from thresholds.statistics.power import false_alarm, smallest_effect
from thresholds.statistics.runs import student_reach

MOST_FALSE_ALARMS = 0.01
"""A row that is red in more of the sessions of an unchanged combination is unfit."""
MOSTLY = 0.95
"""How surely the larger of the two drops is caught."""
ALPHA = 0.05
"""The error level of a single FAIL."""
STATED = {"accuracy": 0.02, "speed": 0.05}
"""The drop that is to be caught when nobody states another: of an accuracy a share of 1, of a speed of its value."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the doctor says of a row. None is unknown, because the noise is.

    Attributes:
        base: What its bound rests on, with the noise that was used.
        fails, red: Share of the sessions of an unchanged combination that end with FAIL, or with anything but PASS.
        catches: The smallest drops that turn it red 80 % and 95 % of the time, from the accepted value, in its unit;
            None also where none ever does.
        wrong: Why it is unfit, a stable code: "above_measured", "never_fails", "below_chance", "flakes"; None when fit.
        said: What is wrong and what would hold, in words; empty when nothing is.
        holds: The bound that `--record` would set; None when there is none that could ever fail.
    """

    threshold: Threshold
    base: Accepted
    fails: float | None
    red: float | None
    catches: tuple[float, float] | None
    need: Need | None
    wrong: str | None
    said: str
    holds: float | None

    @property
    def fit(self) -> bool:
        """Nothing is known against it."""
        return self.wrong is None


def examine(
    threshold: Threshold,
    measured: Iterable[Noise] = (),
    later_runs: int | None = None,
    *,
    stated: float | None = None,
    alpha: float = ALPHA,
) -> Finding:
    """Examine a row.

    Args:
        measured: Noise of the row's combination that was measured elsewhere; pooled with what the row says.
        later_runs: Runs of the sessions that are held against it; by default what `--runs` is.
        stated: The drop that is to be caught; by default 2 points of an accuracy, 5 % of a speed.
        alpha: The error level of a FAIL.

    Raises:
        ValueError: `later_runs` is below 1, `stated` is not positive and finite, or `alpha` is not between 0 and 1.
    """
    wanted = STATED["speed" if threshold.metric.name in SPEED else "accuracy"] if stated is None else stated
    base = accepted_row(threshold.metric, threshold.row)
    later = base.later_runs if later_runs is None else later_runs
    if later < 1 or not 0 < wanted < math.inf or not 0 < alpha < 1:
        raise ValueError("a session has at least 1 run, a drop is positive, and an error level lies between 0 and 1")
    return _finding(threshold, replace(base, noise=pooled([base.noise, *measured])), later, wanted, alpha)


def _finding(threshold: Threshold, base: Accepted, later: int, stated: float, alpha: float) -> Finding:
    if not _known(base):
        wrong = _wrong(threshold, base, None)
        return Finding(threshold, base, None, None, None, None, wrong, _said(wrong, threshold, base, None), None)
    red, fails, catches = _chances(threshold, base, later, alpha)
    wrong = _wrong(threshold, base, red)
    return Finding(
        threshold=threshold,
        base=base,
        fails=fails,
        red=red,
        catches=catches,
        need=needed(threshold, base, stated),
        wrong=wrong,
        said=_said(wrong, threshold, base, red),
        holds=_holds(threshold, base),
    )


def _chances(
    threshold: Threshold, base: Accepted, later: int, alpha: float
) -> tuple[float, float, tuple[float, float] | None]:
    """How often an unchanged combination is red and fails, and the drops that are caught often and mostly."""
    if base.sign > 0 and threshold.value <= threshold.metric.lowest:
        return 0.0, 0.0, None
    gap = base.sign * (base.value - threshold.value)
    error = difference_error(base, later)
    shown = _decision_reach(base, later, alpha) if threshold.must == "show" else 0.0
    red = _chance_below(base, gap - shown, error)
    fails = min(red, _chance_shown_below(base, gap, error, later, alpha))
    often, mostly = (max(0.0, _caught(base, gap - shown, error, share)) for share in (OFTEN, MOSTLY))
    return red, fails, (often, mostly)


def _known(base: Accepted) -> bool:
    """The noise is known: equal answers of nobody knows how many questions say nothing."""
    return base.noise is not None and (base.of_speed or base.questions is not None or base.noise.deviation > 0)


def _chance_below(base: Accepted, gap: float, error: float) -> float:
    """Chance that a later mean ends on the worse side of a bound that lies `gap` beyond the accepted value."""
    if error == 0 or not base.of_speed:
        return false_alarm(gap, error)
    from scipy.special import stdtr  # type: ignore[import-untyped]

    return float(stdtr(base.noise.degrees if base.noise else 1, -gap / error))


def _caught(base: Accepted, gap: float, error: float, share: float) -> float:
    """The drop that ends on the worse side so often."""
    return gap + reach(base, share) * error if base.of_speed else smallest_effect(error, gap, share)


def _decision_reach(base: Accepted, later: int, alpha: float) -> float:
    """How far a later session's own error reaches: what `judge` adds before it says FAIL."""
    deviation = base.deviation / math.sqrt(later)
    if not base.of_speed:
        return one_sided(1 - alpha) * deviation
    return student_reach(1 - alpha, max(1, later - 1)) * deviation


def _chance_shown_below(base: Accepted, gap: float, error: float, later: int, alpha: float) -> float:
    """Chance that a later mean is shown to lie on the worse side, its own error estimated from its own runs.

    Of a speed P(X + t(1 - alpha, L - 1) * S / sqrt(L) < -gap): X normal, S the deviation that the later runs happen to
    show, and the true deviation itself known from few runs; the mean over equally likely values of both.
    """
    own = _decision_reach(base, later, alpha)
    if error == 0 or not base.of_speed:
        return false_alarm(gap + own, error)
    from scipy.special import ndtr

    true = 1 / _deviations(base.noise.degrees if base.noise else 1, 500)[:, None]
    shown = _deviations(max(1, later - 1), 100)[None, :]
    with np.errstate(over="ignore"):  # many times the error away is as far as infinitely many
        return float(ndtr(-(gap / true + own * shown) / error).mean())


def _deviations(degrees: int, count: int) -> NDArray[np.float64]:
    """Equally likely standard deviations of `degrees` + 1 values whose true one is 1: sqrt(chi-squared / degrees)."""
    from scipy.special import gammaincinv

    levels = (np.arange(count) + 0.5) / count
    deviations: NDArray[np.float64] = np.sqrt(gammaincinv(degrees / 2, levels) * 2 / degrees)
    return deviations


def _holds(threshold: Threshold, base: Accepted) -> float | None:
    shown = _decision_reach(base, base.later_runs, ALPHA) if threshold.must == "show" else 0.0
    value = bound(base, shown)
    return None if base.sign > 0 and value <= _useless(threshold) else value


def _useless(threshold: Threshold) -> float:
    """The floor at or below which nothing is caught."""
    return max(threshold.metric.lowest, threshold.row.get("chance") or 0.0)


def _wrong(threshold: Threshold, base: Accepted, red: float | None) -> str | None:
    if base.sign * (base.value - threshold.value) < 0:
        return "above_measured"
    if base.sign > 0 and threshold.value <= threshold.metric.lowest:
        return "never_fails"
    if base.sign > 0 and threshold.value <= (threshold.row.get("chance") or -math.inf):
        return "below_chance"
    return "flakes" if red is not None and red > MOST_FALSE_ALARMS else None


def _said(wrong: str | None, threshold: Threshold, base: Accepted, red: float | None) -> str:
    if wrong is None:
        return ""
    metric, word = threshold.metric, threshold.metric.bound
    side, chance = "above" if base.sign > 0 else "below", points(threshold.row.get("chance") or 0.0)
    limit, value = told(metric, threshold.value), told(metric, base.value)
    said = {
        "above_measured": f"its {word} of {limit} lies {side} the {value} that was measured",
        "never_fails": f"a {word} of {limit} can never fail",
        "below_chance": f"a guess reaches {chance}, which its {word} of {limit} lets pass",
        "flakes": "" if red is None else _flakes(threshold, base, red),
    }[wrong]
    return f"{said}; {_advice(threshold, base)}"


def _flakes(threshold: Threshold, base: Accepted, red: float) -> str:
    metric, error = threshold.metric, difference_error(base)
    often = f"an unchanged combination is red in {percent(red)} % of the sessions"
    width = distance(metric, base.value, threshold.value)
    noise = told(metric, error) if not base.of_speed else f"{percent(error / base.value)} %"
    below = "below" if abs(base.value - threshold.value) < error else "too near"
    return f"{often}: its margin of {width} is {below} the noise of {noise}"


def _advice(threshold: Threshold, base: Accepted) -> str:
    metric = threshold.metric
    if not _known(base):
        return "its noise is not known; record it again"
    holds = _holds(threshold, base)
    if holds is None:
        useful = "above chance would hold" if threshold.row.get("chance") else "would hold that could fail"
        return f"no {metric.bound} {useful}; ask more questions or make more runs"
    return f"`{metric.bound}: {_written(metric, holds)}` would hold"


def _written(metric: Metric, value: float) -> str:
    """As it stands in a row."""
    return f"{value:.4g}" if metric.name in SPEED else f"{value:.3f}"


def narrow(finding: Finding) -> bool:
    """The bound of a speed is nearer than what `--record` leaves for another start of the engine."""
    base = finding.base
    return base.of_speed and abs(base.value - finding.threshold.value) < 0.99 * base.between_starts
