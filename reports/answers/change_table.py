"""Summary -> what one setting changed, in answers, speed and memory."""

from collections.abc import Callable, Mapping

from reports.answers.changes import Change
from reports.answers.speeds import Ratio
from reports.summary import Summary
from reports.wording.layout import TEXT, UNKNOWN, Column, Table, known_columns
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
    "speed": lambda one: UNKNOWN if one.speed is None else f"x {one.speed.value:.2f}",
    "95% interval ": lambda one: _reach(one.speed),
    "memory GiB": _memory,
}


def changes_table(summary: Summary) -> Table:
    """A line for every two combinations that differ in one setting."""
    columns = [*(Column(name, TEXT) for name in WORDS), *(Column(name.rstrip()) for name in NUMBERS)]
    rows = [
        [*(cell(one) for cell in (*WORDS.values(), *NUMBERS.values())), one.told_apart or UNKNOWN]
        for one in summary.changes
    ]
    table = Table("What one setting changed", [*columns, Column("told apart", TEXT)], rows, _notes(summary))
    return known_columns(table, *WORDS)


def _span(low: float | None, high: float | None) -> str:
    return UNKNOWN if low is None or high is None else f"{signed_points(low)} to {signed_points(high)}"


def _reach(speed: Ratio | None) -> str:
    return (
        UNKNOWN if speed is None or speed.low is None or speed.high is None else f"{speed.low:.2f} to {speed.high:.2f}"
    )


def _notes(summary: Summary) -> list[str]:
    found = summary.changes
    how = "question by question" if any(change.paired for change in found) else "by their own errors, not paired"
    again = "; here only about these" if any(change.told_apart == "here" for change in found) else ""
    return [
        f"Change: in points, {how}, with the 95 % interval of other questions like these.",
        *(
            ["These again: 95 % interval of another run of the same questions (Student's t over run means)."]
            if any(change.again_low is not None for change in found)
            else []
        ),
        f"Told apart: yes about other questions{again}; no: noise may explain it (5 % over all rows together; Holm).",
        "Speed: output tokens/s while answering, after divided by before, of runs that are otherwise alike.",
    ]
