"""Published results as the tables of quants and of token limits take them."""

from collections.abc import Sequence

from reports.answers.differences import unpaired
from reports.answers.rows import Row
from reports.answers.run_rows import RunRow
from reports.quants.rows import Heard


def heard_of(rows: Sequence[Row], runs: Sequence[RunRow]) -> Heard:
    """What a study tells: scores by their own errors, not paired; its rows pool drafts, which change no answers.

    Args:
        rows, runs: Those of `reports.published.summary.summary_of`.
    """
    tasks = dict.fromkeys(task for row in rows for task in row.tasks)
    scores = {task: {row.combination: row.tasks[task] for row in rows if task in row.tasks} for task in tasks}
    by_task = {
        task: unpaired(
            {name: one.mean or 0.0 for name, one in known.items()},
            {name: one.question_error for name, one in known.items()},
        )
        for task, known in scores.items()
    }
    return Heard(by_task, runs, pooled=("draft",))
