"""What one setting changed in published results, as a Summary tells it of our sessions."""

from collections.abc import Mapping

from reports.answers.changes import Change, speeds_judged
from reports.answers.speeds import alike, ratio
from reports.published.changes import Change as PublishedChange
from reports.published.changes import changes_of, pairs_of
from reports.published.runs import memory_of, run_row
from reports.published.standings import Entry, entries_of
from reports.published.studies import PublishedRun, Study


def changes(study: Study) -> tuple[Change, ...]:
    """Every two configurations that differ in one setting; parts of a row that pools drafts belong to that row."""
    owners = {run: row.name for row in entries_of(study) for run in row.published}
    found = zip(pairs_of(study), changes_of(study), strict=True)
    return speeds_judged(_change(study, before, after, change, owners) for (_, before, after), change in found)


def _change(
    study: Study, before: Entry, after: Entry, change: PublishedChange, owners: Mapping[PublishedRun, str]
) -> Change:
    sides = [[run_row(study, owners[run], run) for run in entry.published] for entry in (before, after)]
    made = [name for name in ("hardware", "engine", "draft") if name != change.setting]
    return Change(
        setting=change.setting or "",
        subject=change.subject or "",
        before=change.before,
        after=change.after,
        combinations=(owners[before.published[0]], owners[after.published[0]]),
        before_mean=change.before_mean,
        after_mean=change.after_mean,
        before_runs=change.before_runs,
        after_runs=change.after_runs,
        difference=change.difference,
        low=change.low,
        high=change.high,
        again_low=change.again_low,
        again_high=change.again_high,
        paired=False,
        told_apart=None if change.low is None else change.told_apart,
        speed=ratio(*alike(sides[0], sides[1], made)),
        before_memory=memory_of(before.published),
        after_memory=memory_of(after.published),
    )
