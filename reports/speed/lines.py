"""Summary -> every value of every load as CSV: whole names, unrounded numbers, an empty cell for what is unknown."""

import csv
import io

from reports.summary import Summary

COLUMNS = (
    "combination",
    "workload",
    "against",
    "kind",
    "metric",
    "statistic",
    "unit",
    "mean",
    "run_to_run_deviation",
    "runs",
    "required",
    "outcome",
    "rank",
    "rank_best",
    "rank_worst",
)


def as_csv(summary: Summary) -> str:
    """A line for each value, and each ratio to the combination of `against`."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in summary.speed:
        for kind, values in (("value", row.values), ("ratio", row.ratios)):
            for one in values.values():
                known = sum(value is not None for value in one.run_values)
                about = (row.combination, row.workload, row.against, kind, one.metric, one.statistic, one.unit)
                places = (one.rank, one.rank_best, one.rank_worst)
                writer.writerow([*about, one.mean, one.run_to_run_deviation, known, one.required, one.outcome, *places])
    return written.getvalue()
