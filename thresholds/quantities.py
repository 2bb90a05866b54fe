"""Numbers in words, each in the unit of its metric. Rounding happens here, and only in what is told."""

import math

from thresholds.measurement import Metric
from thresholds.speed import SPEED


def points(share: float) -> str:
    """A share of 1 in percentage points, to one decimal."""
    return f"{100 * share:.1f}"


def told(metric: Metric, value: float) -> str:
    """The value as a person reads it: 60.0 (points), 104.2 ms, 1.523 s, 412 tokens/s, 1.23 x."""
    if metric.name not in SPEED:
        return points(value)
    if metric.unit == "s" and abs(value) < 0.99995:  # noqa: PLR2004 - from here, four digits of ms read 1000
        return f"{_digits(1000 * value)} ms"
    return f"{_digits(value)} {metric.unit}"


def distance(metric: Metric, value: float, bound: float) -> str:
    """How far apart they are: in points, or for a speed in per cent of the bound."""
    if metric.name not in SPEED:
        return f"{points(abs(value - bound))} points"
    return f"{percent(abs(value - bound) / bound)} %"


def percent(share: float) -> str:
    """A share of 1 in per cent: to one decimal, or what is less than 0.1 to one digit."""
    return f"{100 * share:.1f}" if share >= 0.001 or share == 0 else _digits(100 * share, 1)  # noqa: PLR2004


def _digits(value: float, significant: int = 4) -> str:
    """To so many significant digits and never fewer than stand before the point, without zeros at the end."""
    size = math.floor(math.log10(abs(value))) if value else 0
    decimals = max(0, significant - 1 - size)
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text
