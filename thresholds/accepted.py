"""What a bound rests on, and how far from it the bound must lie: the one rule of recording, doctor and ratchet.

A floor of an accuracy lies below the measured score by a margin that an unchanged combination does not reach: with R
runs recorded and L = 2 in a later session, their difference has the error sqrt(1 + R / L) * e, with e the rerun error
of the recorded ones but never less than that of one question whose answer changes, 1 / (n sqrt(2)), for which R counts
as 4 at most, so that more runs do not widen it; the margin is 2.6 of these (one false alarm in 200 sessions).

A speed's floor lies below the measured mean m (its ceiling above it) by sqrt(a^2 + b^2), for a later session differs in
its runs and in the start of its engine, and one says nothing of the other:

- a: how far the mean of a later session of L = 3 runs may lie from that of the R recorded ones when nothing has
  changed, at the same rate of false alarms: t(0.995, R - 1) * s * sqrt(1 / R + 1 / L), s the standard deviation over
  the runs;
- b: 5 % of m, because the runs of one start do not see what differs from start to start (memory layout, clocks,
  placement, compiled kernels: up to 9.4 % between boots of one machine are reported from the field); of a ratio sqrt(2)
  times that, because both its engines start anew.

The bound is then rounded outward: to a tenth of a point, or to three digits.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from statistics import stdev
from typing import Any

from thresholds.measurement import Measurement, Metric
from thresholds.speed import SPEED, ratio_of
from thresholds.statistics.means import one_sided, rerun_error, run_means
from thresholds.statistics.power import session_error
from thresholds.statistics.runs import LEAST_RUNS, student_reach

FALSE_ALARM = 0.005
"""Share of later sessions of an unchanged combination that may end on the worse side of a recorded bound."""
LATER_RUNS = 2
"""Runs of the sessions that are held against a floor of an accuracy: the default of --runs."""
ENOUGH_RUNS = 4
"""Runs beyond which the weight of one question no longer grows."""
BETWEEN_STARTS = 0.05
"""Share of a speed that may differ from start to start."""
NOISIEST = 100.0
"""Runs that lie further apart, as a multiple of their mean, are no runs of the same thing."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How far identical runs lie apart.

    Attributes:
        deviation: Standard deviation of a run's value between identical runs: of an accuracy as a share of 1, of a
            speed as a share of its mean.
        degrees: Degrees of freedom, in runs: R - 1, added up over what was pooled.
    """

    deviation: float
    degrees: int

    def __post_init__(self) -> None:
        if not 0 <= self.deviation <= NOISIEST or self.degrees < 1:
            raise ValueError(f"noise is a share from 0 to {NOISIEST:g} with at least 1 degree of freedom, not {self}")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A measured value that a bound rests on, or may.

    Attributes:
        noise: None where one run, or nobody, has shown it.
        questions: How many were asked; None for a speed, and where it is not known.
        run: The session that measured it.
        measured_on: The hardware, in words.
    """

    metric: Metric
    value: float
    runs: int
    noise: Noise | None
    questions: int | None = None
    run: str = ""
    measured_on: str | None = None

    @property
    def of_speed(self) -> bool:
        """Its runs are judged by Student's t; an accuracy has a variance of every question, and is not."""
        return self.metric.name in SPEED

    @property
    def between_starts(self) -> float:
        """How far another start may move it, in the metric's unit; a ratio is moved by those of two engines."""
        if not self.of_speed:
            return 0.0
        engines = 2 if self.metric == ratio_of(self.metric) else 1
        return BETWEEN_STARTS * self.value * math.sqrt(engines)

    @property
    def later_runs(self) -> int:
        """Runs of a session that is held against it, when nobody asks for more."""
        return LEAST_RUNS if self.of_speed else min(self.runs, LATER_RUNS)

    @property
    def deviation(self) -> float:
        """Standard deviation between identical runs in the metric's unit, as measured; 0 where it is not known."""
        return self.noise.deviation * (self.value if self.of_speed else 1) if self.noise else 0.0

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.metric.bound == "floor" else -1


def accepted(measurement: Measurement, *, run: str = "", measured_on: str | None = None) -> Accepted:
    """What a bound would rest on that this measurement sets."""
    of_speed = measurement.metric.name in SPEED
    return Accepted(
        metric=measurement.metric,
        value=measurement.value,
        runs=len(measurement.samples),
        noise=noise_of(measurement),
        questions=None if of_speed else len(measurement.samples[0]),
        run=run,
        measured_on=measured_on,
    )


def accepted_row(metric: Metric, row: Mapping[str, Any]) -> Accepted:
    """What the bound of a threshold row rests on, as far as the row says."""
    runs, deviation = row["runs"], row.get("noise")
    return Accepted(
        metric=metric,
        value=row["measured"],
        runs=runs,
        noise=None if deviation is None else Noise(deviation, max(1, runs - 1)),
        questions=None if metric.name in SPEED else row.get("questions") or sampled(row.get("samples")),
        run=row["run"],
        measured_on=row.get("measured_on") or row.get("hardware"),
    )


def sampled(samples: object) -> int | None:
    """How many questions `40`, `first 40` or `seed 7: 40` ask; None for all, however many those are."""
    count = re.search(r"\d+$", str(samples or ""))
    return int(count.group()) if count else None


def noise_of(measurement: Measurement) -> Noise | None:
    """The noise between its runs; None for one run, and for a speed of 0, of which nothing is a share.

    Of an accuracy sqrt(sum_i s_i^2) / n, which is sqrt(R) times its rerun error; of a speed s / m.
    """
    runs = len(measurement.samples)
    if runs == 1:
        return None
    if measurement.metric.name not in SPEED:
        return Noise((rerun_error(measurement.samples) or 0.0) * math.sqrt(runs), runs - 1)
    if measurement.value <= 0:
        return None
    return Noise(stdev(run_means(measurement.samples)) / measurement.value, runs - 1)


def pooled(noises: Iterable[Noise | None]) -> Noise | None:
    """One noise from several: sqrt(sum_k d_k s_k^2 / sum_k d_k), d the degrees of freedom; None from none."""
    known = [noise for noise in noises if noise is not None]
    degrees = sum(noise.degrees for noise in known)
    if not degrees:
        return None
    most = max(noise.deviation for noise in known) or 1.0  # so that no square falls short of what a number can hold
    squares = math.fsum(noise.degrees * (noise.deviation / most) ** 2 for noise in known)
    return Noise(most * math.sqrt(squares / degrees), degrees)


def difference_error(base: Accepted, later: int | None = None) -> float:
    """Standard error of the mean of `later` runs minus the accepted one, when nothing has changed.

    s * sqrt(1 / R + 1 / L); of an accuracy at least sqrt(1 + min(R, 4) / L) / (n sqrt(2)), the weight of one question.
    In the metric's unit.
    """
    more = later or base.later_runs
    error = session_error(base.deviation, more, base.runs)
    if not base.questions:
        return error
    return max(error, math.sqrt((1 + min(base.runs, ENOUGH_RUNS) / more) / 2) / base.questions)


def reach(base: Accepted, confidence: float) -> float:
    """One-sided quantile in standard errors: of Student's t for a speed, normal for an accuracy."""
    if base.of_speed:
        return student_reach(confidence, base.noise.degrees if base.noise else 1)
    return one_sided(confidence)


def margin(base: Accepted) -> float:
    """How far from the accepted value its bound lies, on the worse side; in the metric's unit. See the module."""
    error = difference_error(base)
    noisy = reach(base, 1 - FALSE_ALARM) * error if error else 0.0
    return math.hypot(noisy, base.between_starts)


def bound(base: Accepted, more: float = 0.0) -> float:
    """The floor or ceiling that this value sets: its margin and `more` away, rounded outward; no share is below 0."""
    exact = base.value - base.sign * (margin(base) + more)
    if not base.of_speed:
        return math.floor(max(base.metric.lowest, exact) * 1000) / 1000
    rounding = ROUND_FLOOR if base.sign > 0 else ROUND_CEILING
    return float(Context(prec=3, rounding=rounding).create_decimal(repr(float(exact))))


def told_value(base: Accepted) -> float:
    """The value as a row keeps it: four digits, or of an accuracy as many decimals as one question needs."""
    if base.of_speed:
        return float(f"{base.value:.4g}")
    return round(base.value, max(4, len(str(base.questions or 0)) + 1))


def told_noise(noise: Noise) -> float:
    """The noise as a row keeps it: three digits."""
    return float(f"{noise.deviation:.3g}")


def together(values: Sequence[Accepted]) -> Accepted:
    """Several that are not told apart as one: mean over all their runs, noise pooled, everything else of the last."""
    *_, last = values
    runs = sum(one.runs for one in values)
    mean = math.fsum(one.runs * one.value for one in values) / runs
    within = min(max(mean, min(one.value for one in values)), max(one.value for one in values))
    return replace(last, value=within, runs=runs, noise=pooled(one.noise for one in values))
