"""How far each combination lies behind the best of the ranking, and how far that can be trusted."""

from reports.summary import Summary
from reports.wording.labels import short_names
from reports.wording.layout import UNKNOWN
from reports.wording.sentences import listed
from reports.wording.words import signed_points

BEHIND = "behind the best"
NOISE, APART, GONE = "~", "≠", "!"
"""Not significant; not comparable; measured before and not now."""


def behind_the_best(summary: Summary) -> dict[str, str]:
    """By combination: -2.0 (-7.6 to +3.7) ~, a mark alone where there is no difference to tell, or a dash."""
    best = next((row for row in summary.rows if row.mean is not None and not row.missing), None)
    gaps = {gap.second: gap for gap in summary.gaps if gap.task is None and best and gap.first == best.combination}
    told = {}
    for row in summary.rows:
        gap = gaps.get(row.combination)
        if row.mean is None:
            told[row.combination] = GONE if row.earlier_runs else UNKNOWN
        elif row.missing:
            told[row.combination] = APART
        elif gap is None:
            told[row.combination] = UNKNOWN
        else:
            span = "" if gap.low is None or gap.high is None else f" ({_negative(gap.high)} to {_negative(gap.low)})"
            told[row.combination] = f"{_negative(gap.difference)}{span}{f' {NOISE}' if gap.told_apart is False else ''}"
    return told


def behind_explained(summary: Summary) -> list[str]:
    """What the marks mean that occur."""
    told = "".join(behind_the_best(summary).values())
    names = short_names(summary.rows)
    gone = [f"{names.get(name, name)} ({', '.join(tasks)})" for name, tasks in summary.not_now.items()]
    spans = any(gap.low is not None for gap in summary.gaps)
    return [
        *(["Behind the best: in points, with the 95 % interval of other questions like these."] if spans else []),
        *([f"{NOISE}: not significant, noise may explain it."] if NOISE in told else []),
        *([f"{APART}: not comparable, as it lacks tasks."] if APART in told else []),
        *([f"{GONE}: measured before and not now: {listed(gone)}."] if gone else []),
    ]


def _negative(share: float) -> str:
    return signed_points(-share)
