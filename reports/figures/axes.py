"""Axes of known ends, so that places on them can be computed: linear, or logarithmic where values lie far apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

FAR_APART = 25
"""How many times the least the most must be for a logarithmic axis."""

LEAST_ROOM = 1.0


@dataclass(frozen=True, slots=True)
class Axis:
    """The ends of an axis, in its unit."""

    least: float
    most: float
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where a value lies, 0 at the least and 1 at the most."""
        if self.logarithmic:
            return math.log(value / self.least) / math.log(self.most / self.least)
        return (value - self.least) / (self.most - self.least)

    @property
    def scale(self) -> alt.Scale:
        """The same for a chart."""
        ends = [self.least, self.most]
        if self.logarithmic:
            return alt.Scale(type="log", domain=ends, nice=False)
        return alt.Scale(type="linear", domain=ends, nice=False, zero=False)


def points_axis(values: Sequence[float | None]) -> Axis:
    """Of accuracies in points: as wide as they need, within 0 and 100."""
    known = [value for value in values if value is not None]
    least, most = min(known), max(known)
    room = max(LEAST_ROOM, 0.05 * (most - least))
    return Axis(max(0.0, least - room), min(100.0, most + room))


def speed_axis(values: Sequence[float | None]) -> Axis:
    """Of rates and times: from 0; or logarithmic."""
    known = [value for value in values if value is not None]
    least, most = min(known), max(known)
    if least > 0 and most / least > FAR_APART:
        return Axis(least / 1.3, most * 1.3, logarithmic=True)
    return Axis(0.0, 1.1 * most or 1.0)
