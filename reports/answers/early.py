"""Scores on a part of the questions, because the verdict was certain."""

from collections.abc import Iterable

from reports.answers.scores import TaskScore

EARLY = "†"


def marked(shown: str, score: TaskScore) -> str:
    """What is shown of a score, with the mark of those that stopped early."""
    return f"{shown} {EARLY}" if score.stopped_early else shown


def stopped(scores: Iterable[TaskScore]) -> list[str]:
    """What the mark means, where it occurs."""
    if not any(score.stopped_early for score in scores):
        return []
    return [f"{EARLY}: stopped as soon as the verdict was certain (--spend least), on a part of the questions."]
