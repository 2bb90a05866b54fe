"""Summary -> what one setting changed, in answers, speed and memory."""

from collections.abc import Callable, Mapping

from reports.answers.behind import NOISE
from reports.answers.changes import Change
from reports.answers.speeds import Ratio
from reports.summary import Summary
from reports.wording.layout import NUMBER, TEXT, UNKNOWN, Column, Table, known_columns
from reports.wording.words import memory, points, signed_points


def _memory(change: Change) -> str:
    if change.before_memory is None and change.after_memory is None:
        return UNKNOWN
    return f"{memory(change.before_memory)}, {memory(change.after_memory)}"


WORDS: Mapping[str, Callable[[Change], str]] = {
    "setting": lambda one: one.setting,
    "of": lambda one: one.subject,
    "before": lambda one: one.before,
    "after": lambda one: one.after,
}
NUMBERS: Mapping[str, Callable[[Change], str]] = {
    "scores": lambda one: f"{points(one.before_mean)}, {points(one.after_mean)}",
    "runs": lambda one: f"{one.before_runs}, {one.after_runs}",
    "change": lambda one: signed_points(one.difference),
    "95% interval": lambda one: _span(one.low, one.high),
    "these again": lambda one: _span(one.again_low, one.again_high),
    "told apart": lambda one: one.told_apart or UNKNOWN,
    "speed": lambda one: UNKNOWN if one.speed is None else f"x {one.speed.value:.2f}{_noisy(one.speed)}",
    "95% interval ": lambda one: _reach(one.speed),
    "memory GiB": _memory,
}


def changes_table(summary: Summary) -> Table:
    """A line for every two combinations that differ in one setting."""
    columns = [*(Column(name, TEXT) for name in WORDS), *(Column(name.rstrip(), _kind(name)) for name in NUMBERS)]
    rows = [[cell(one) for cell in (*WORDS.values(), *NUMBERS.values())] for one in summary.changes]
    return known_columns(Table("What one setting changed", columns, rows, _notes(summary)), *WORDS)


def _kind(name: str) -> str:
    return TEXT if name == "told apart" else NUMBER


def _noisy(speed: Ratio) -> str:
    return f" {NOISE}" if speed.told_apart is False else ""


def _span(low: float | None, high: float | None) -> str:
    return UNKNOWN if low is None or high is None else f"{signed_points(low)} to {signed_points(high)}"


def _reach(speed: Ratio | None) -> str:
    return (
        UNKNOWN if speed is None or speed.low is None or speed.high is None else f"{speed.low:.2f} to {speed.high:.2f}"
    )


def _notes(summary: Summary) -> list[str]:
    found = summary.changes
    how = "question by question" if any(change.paired for change in found) else "by their own errors, not paired"
    known = [change.speed for change in found if change.speed is not None]
    spans = any(speed.low is not None for speed in known)
    again = "; here only about these" if any(change.told_apart == "here" for change in found) else ""
    return [
        f"Change: in points, {how}, with the 95 % interval of other questions like these.",
        *(
            ["These again: 95 % interval of another run of the same questions (Student's t over run means)."]
            if any(change.again_low is not None for change in found)
            else []
        ),
        f"Told apart in answers: yes about other questions{again}; no: noise may explain it (5 % over all rows; Holm).",
        "Speed: output tokens/s while answering, after divided by before, of runs that are otherwise alike.",
        *(["The interval of a speed is about other runs and other starts of the engines."] if spans else []),
        *([f"{NOISE}: not told apart in speed (5 % over all rows; Holm)."] if any(map(_noisy, known)) else []),
    ]
