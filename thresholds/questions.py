"""The questions of a task as a reader sees them: what is asked, between what is chosen, and what is right."""

from dataclasses import dataclass

LONGEST = 2_000
"""Letters of a text that are kept."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the same for every combination and run that was asked it.

    Attributes:
        item: Its position in the task's evaluation split.
        text: What is asked, without examples and instructions that all questions share; None where the task has no
            words for it.
        options: What is chosen between, where answers are chosen by likelihood, in the task's order.
        right: The right answers in words, of `options` where there are any; empty where the task names none.
    """

    item: int
    text: str | None
    options: tuple[str, ...] = ()
    right: tuple[str, ...] = ()


def shortened(text: str, most: int = LONGEST) -> str:
    """A text whose middle gives way to a count of its letters where it is longer than `most`.

    Both ends are kept: what is asked about a passage often stands behind it.
    """
    if len(text) <= most:
        return text
    head, tail = text[: most - most // 2], text[len(text) - most // 2 :]
    return f"{head} [… {len(text) - most:,} letters are not kept …] {tail}"
