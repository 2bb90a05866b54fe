"""Drafts -> tables."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import TypeVar

from reports.drafts.rows import DraftAnswers, Drafts, DraftSpeed, Span
from reports.wording.layout import TEXT, UNKNOWN, Column, Table
from reports.wording.words import beginning_left_out, count, figure_spread, percent, signed_points, task_names
from thresholds.acceptance import BreakEven, shares_with_reach
from thresholds.divergence import NEAR_TIE

Row = TypeVar("Row", bound=DraftSpeed | DraftAnswers)
Cells = Mapping[str, Callable[[Row], str]]

FROM_EVENTS = "~"
SPEED_UP = (
    "Speed-up: output tokens/s with the draft divided by those without; over runs: the least and the most that any two"
    " runs give."
)
ONE_RUN = "There is no 95% interval where a side has a single run, and of loads fewer than 3 pairs."
ACCEPTED = (
    "Acceptance length: 1 + accepted / drafts, with the 95% interval by request where answers say what was accepted of"
    " them; else by the server's counters. Tokens a step: of each step of the target as the client read them, steps"
    " without a draft among them."
)
COUNTED = (
    "Counted: accepted tokens of all answers, as they say themselves, beside the movement of the server's counters."
)
MADE_OUT = f"{FROM_EVENTS}: answers say nothing of their drafts; made out from the events that brought their tokens."
PREDICTED = (
    "Predicted: tokens a step / (1 + drafted tokens a step x cost of the draft), as Leviathan et al. (2023) have it,"
    " for all but the time to the first token, which no draft shortens; the cost is the size of the weights that a"
    " token reads in the draft as a share of those in the target, and 0 for a lookup."
)
ANSWERS = (
    f"Greedy answers. Near-ties: the target held both tokens for equal, within {NEAR_TIE:g} nats; defects: it did not."
)
NOISE = (
    "A draft changes no answer: a better score is noise until it is shown. Told apart: the interval leaves out 0, in a"
    " study among all of its changes (Holm)."
)
UNPAIRED = "Only totals are published: the interval is about other questions, and wider than the truth."


def draft_tables(drafts: Drafts) -> list[Table]:
    """Speed and acceptance by load, and answers by task; a table that would be empty is left out."""
    return [
        *([speed_table(drafts)] if drafts.speeds else []),
        *([answers_table(drafts.answers)] if drafts.answers else []),
    ]


def speed_table(drafts: Drafts) -> Table:
    """What each draft gains under each load, what is accepted of it, and where it stops gaining."""
    rows = drafts.speeds
    loads = task_names(list(dict.fromkeys(row.load for row in rows)))
    words: Cells[DraftSpeed] = {
        "target": lambda row: row.target,
        "draft": lambda row: row.draft,
        "load": lambda row: loads[row.load],
    }
    numbers: Cells[DraftSpeed] = {
        "streams": lambda row: count(row.streams),
        "tokens/s without": lambda row: _rates(row.before),
        "with": lambda row: _rates(row.after),
        "speed-up": lambda row: _times(row.speed_up),
        "95% interval": lambda row: _span(row.span),
        "over runs": lambda row: _span(row.spread),
        "predicted": lambda row: _times(row.predicted),
        "acceptance length": lambda row: _times(row.length),
        "length by request": lambda row: _span(row.length_by_request),
        "by position": lambda row: shares_with_reach(row.positions, row.position_spans) or UNKNOWN,
        "tokens a step": lambda row: _times(row.per_step),
        "by request": lambda row: _span(row.per_step_span),
        "counted": _counted,
        "cost": lambda row: percent(row.cost),
        "verdict": lambda row: _outcomes(row.outcomes),
    }
    return _table("Speed of drafts", rows, words, numbers, _speed_notes(drafts))


def answers_table(rows: Sequence[DraftAnswers]) -> Table:
    """Whether each draft changes answers, and whether its score is told apart from that without it."""
    tasks = task_names(list(dict.fromkeys(row.task for row in rows)))
    words: Cells[DraftAnswers] = {
        "target": lambda row: row.target,
        "draft": lambda row: row.draft,
        "task": lambda row: tasks[row.task],
    }
    numbers: Cells[DraftAnswers] = {
        "answers": lambda row: count(row.answers),
        "the same": lambda row: count(row.same),
        "near-ties": lambda row: count(row.near_ties),
        "defects": lambda row: count(row.defects),
        "unknown": lambda row: count(row.unknown) if row.unknown else UNKNOWN,
        "accuracy": lambda row: signed_points(row.change),
        "95% interval": lambda row: UNKNOWN if row.span is None else " to ".join(map(signed_points, row.span)),
        "told apart": _told_apart,
        "verdict": lambda row: _outcomes(row.outcomes),
    }
    compared = any(row.answers is not None for row in rows)
    notes = [*([ANSWERS] if compared else []), NOISE, *([] if all(row.paired for row in rows) else [UNPAIRED])]
    return _table("Answers of drafts", rows, words, numbers, notes)


def _table(title: str, rows: Sequence[Row], words: Cells[Row], numbers: Cells[Row], notes: Sequence[str]) -> Table:
    """Without columns that nobody knows anything of; a target, load or task that all rows share is in the title."""
    same = {name: told(rows[0]) for name, told in words.items() if len({told(row) for row in rows}) == 1}
    shown = {name: told for name, told in words.items() if name not in same or name == "draft"}
    known = {name: told for name, told in numbers.items() if any(told(row) != UNKNOWN for row in rows)}
    columns = [*(Column(name, TEXT) for name in shown), *(Column(name, _kind(name)) for name in known)]
    cells = [[told(row) for told in (*shown.values(), *known.values())] for row in rows]
    about = ", ".join(same[name] for name in ("target", "load", "task") if name in same)
    return Table(f"{title}: {about}" if about else title, columns, cells, notes)


def _kind(name: str) -> str:
    return TEXT if name in ("verdict", "told apart") else "right"


def _rates(values: Sequence[float]) -> str:
    return figure_spread(fmean(values) if values else None, stdev(values) if len(values) > 1 else None).removesuffix(
        f" ± {UNKNOWN}"
    )


def _times(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


def _span(span: Span | None) -> str:
    return UNKNOWN if span is None else f"{span[0]:.2f} to {span[1]:.2f}"


def _counted(row: DraftSpeed) -> str:
    """What both counted, or where they differ both numbers, to the token."""
    if row.said is None or row.counted is None:
        return UNKNOWN
    mark = "" if row.by_answers else FROM_EVENTS
    same = row.said == row.counted
    return f"{mark}{count(row.said)}" + (" = server" if same else f", server {count(round(row.counted))}")


def _told_apart(row: DraftAnswers) -> str:
    if row.told_apart is None:
        return UNKNOWN
    if row.told_apart:
        return "yes"
    return "no: noise until shown" if (row.change or 0.0) > 0 else "no"


def _outcomes(outcomes: Mapping[str, str] | None) -> str:
    """One word where all gates agree, else each with what it judged."""
    if not outcomes:
        return UNKNOWN
    if len(set(outcomes.values())) == 1:
        return next(iter(outcomes.values()))
    return ", ".join(f"{SHORT.get(metric, metric)} {outcome}" for metric, outcome in outcomes.items())


SHORT = {
    "output_tokens_per_second": "speed-up",
    "acceptance_length": "acceptance",
    "draft_defects": "changed answers",
    "accuracy_difference": "accuracy",
}


def _speed_notes(drafts: Drafts) -> list[str]:
    rows = drafts.speeds
    said = {
        SPEED_UP: any(row.speed_up is not None for row in rows),
        ONE_RUN: any(row.speed_up is not None and row.span is None for row in rows),
        ACCEPTED: any(row.per_step is not None for row in rows),
        COUNTED: any(row.by_answers for row in rows),
        MADE_OUT: any(row.said is not None and not row.by_answers for row in rows),
        PREDICTED: any(row.predicted is not None for row in rows),
    }
    told = [note for note, needed in said.items() if needed]
    return [*told, *beginning_left_out([row.load for row in rows], "Load"), *_break_even_notes(drafts)]


def _break_even_notes(drafts: Drafts) -> list[str]:
    several = len({row.target for row in drafts.speeds}) > 1
    return [
        f"Break-even of {f'{draft} on {target}' if several else draft}: {said_break_even(crossing)}."
        for (target, draft), crossing in drafts.break_even.items()
    ]


def said_break_even(crossing: BreakEven) -> str:
    """Where a draft stops gaining, in words."""
    if crossing.streams is not None:
        said = "gains below, loses above" if crossing.gains else "loses below, gains above"
        return f"about {crossing.streams:.1f} streams ({said})"
    loads = f"{crossing.most:g} streams" if crossing.most != 1 else "1 stream"
    if crossing.gains:
        return f"not below {loads}, the most that were measured: it gains at every load"
    least = f"{crossing.least:g} streams" if crossing.least != 1 else "1 stream"
    return f"not above {least}, the fewest that were measured: it gains at no load"
