"""Flips -> a few lines each, for a terminal or as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill

from reports.comparison.flips import Answered, Flip
from reports.wording.layout import escaped, one_line
from reports.wording.words import count, points
from thresholds.questions import Question

LONGEST_QUESTION, LONGEST_RIGHT, LONGEST_ANSWER = 240, 120, 160
"""Letters that are shown: of a question the beginning, of solutions and answers the end, which holds the result."""

NOT_KEPT = "its text was not kept"
OTHER = "the sides were asked different questions under this number: the data of the task changed"


def flip_text(flips: Sequence[Flip], total: int, names: Mapping[str, str], width: int | None) -> str:
    """What flipped, for a terminal of some width.

    Args:
        total: How many questions flipped in all.
        names: What combinations are called, where several are spoken of.
    """
    parts = [title(flips, total)]
    for flip in flips:
        lines = [f"    {name:<8}{one_line(words)}" for name, words in _told(flip)]
        folded = lines if width is None else [fill(line, width, subsequent_indent=" " * 12) for line in lines]
        parts.append("\n".join([one_line(_heading(flip, names)), *folded]))
    return "\n\n".join(parts)


def flip_markdown(flips: Sequence[Flip], total: int, names: Mapping[str, str]) -> str:
    """The same as Markdown, every text shown as the text it is."""
    parts = [f"### {title(flips, total)}"]
    for flip in flips:
        lines = [f"- {name}: {escaped(words)}" for name, words in _told(flip)]
        parts.append("\n".join([f"**{escaped(_heading(flip, names))}**", "", *lines]))
    return "\n\n".join(parts)


def title(flips: Sequence[Flip], total: int) -> str:
    """How many are shown of how many."""
    more = f", {count(len(flips))} of {count(total)}; --flips {total} shows all" if len(flips) < total else ""
    return f"Questions that flipped{more}"


def _heading(flip: Flip, names: Mapping[str, str]) -> str:
    who = f"{names[flip.combination]}, " if flip.combination in names else ""
    way = "fell" if flip.after < flip.before else "rose"
    return f"{who}{flip.task}, question {flip.item}: {way} from {points(flip.before)} to {points(flip.after)}"


def _told(flip: Flip) -> Iterator[tuple[str, str]]:
    for question in flip.asked:
        yield "asks", _asks(question)
        if question.right:
            yield "right", _end(" | ".join(question.right), LONGEST_RIGHT)
    if len(flip.asked) != 1:
        yield "asks", OTHER if flip.asked else NOT_KEPT
    yield "before", _answer(flip.before_answer)
    yield "after", _answer(flip.after_answer)


def _asks(question: Question) -> str:
    if question.text is None:
        return "its task has no words for it"
    words = " ".join(question.text.split())
    return words if len(words) <= LONGEST_QUESTION else f"{words[: LONGEST_QUESTION - 1]}…"


def _answer(told: Answered) -> str:
    """What was extracted from which answer, and how that ended; a choice by likelihood is its own text."""
    if not told.finish_reasons:
        return _end(told.answer, LONGEST_ANSWER)
    ended = ", ".join(dict.fromkeys(told.finish_reasons))
    return f"{_end(told.extracted, LONGEST_RIGHT)}   from: {_end(told.answer, LONGEST_ANSWER)} ({ended})"


def _end(text: str, most: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else f"…{words[1 - most :]}"
