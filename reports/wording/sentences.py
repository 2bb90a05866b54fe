"""Differences, speeds and lists as they stand in sentences."""

from collections.abc import Sequence

from reports.wording.words import points, rate, signed_points

NO_INTERVAL = "no interval is known"
NOT_STATED = "the source gives no interval"
PLAIN = {
    NO_INTERVAL: "No interval is known: a plain comparison.",
    NOT_STATED: "The source gives no interval: a plain comparison.",
}
NOT_TOLD_APART = "not told apart"


def listed(names: Sequence[str]) -> str:
    """Commas, and an "and" before the last: a, b and c."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def counted(number: int, one: str) -> str:
    """1 run, 2 runs."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def reach(low: float | None, high: float | None, unknown: str) -> str:
    """The 95 % interval of a difference in points, or why there is none."""
    return unknown if low is None or high is None else f"95% interval {signed_points(low)} to {signed_points(high)}"


def interval(low: float | None, high: float | None, unknown: str) -> str:
    """The 95 % interval of a score, or why there is none."""
    return unknown if low is None or high is None else f"95% interval {points(low)} to {points(high)}"


def times(ratio: float) -> str:
    """1.61 times, 12 times."""
    return f"{ratio:.2f} times" if ratio < 10 else f"{ratio:,.0f} times"  # noqa: PLR2004 - three digits are enough


def times_reach(low: float, high: float) -> str:
    """The 95 % interval of a ratio."""
    return f"95% interval {low:.2f} to {high:.2f}"


def not_told_apart(low: float, high: float) -> str:
    """That two speeds are not told apart, although an interval of this one ratio may leave out 1."""
    return NOT_TOLD_APART if low <= 1 <= high else f"{NOT_TOLD_APART} among all pairs"


def tokens_per_second(speed: float) -> str:
    """51.0 tokens/s."""
    return f"{rate(speed)} tokens/s"
