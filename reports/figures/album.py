"""Summary -> its figures, each only where the Summary has its data."""

from collections.abc import Sequence

from reports.figures.figure import Figure
from reports.figures.names import names_of
from reports.history.points import Point
from reports.summary import Summary


def figures(summary: Summary, history: Sequence[Point] = ()) -> list[Figure]:
    """The figures of a Summary, in the order in which they are read.

    Args:
        summary: What is shown.
        history: What each session measured, by `reports.history.points.points`; a Summary alone has no history.
    """
    from reports.figures.bits import bits_per_weight
    from reports.figures.drafts import drafts
    from reports.figures.history import history as over_sessions
    from reports.figures.loads import loads
    from reports.figures.ranking import ranking
    from reports.figures.scores import by_task
    from reports.figures.tradeoff import tradeoff

    names = names_of(summary)
    of_summary = (ranking, tradeoff, by_task, drafts, bits_per_weight, loads)
    return [*(one for draw in of_summary for one in draw(summary, names)), *over_sessions(history, names)]
