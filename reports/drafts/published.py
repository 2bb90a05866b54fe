"""Drafts of published studies, in the rows of ours."""

from dataclasses import replace
from statistics import fmean

from reports.drafts.rows import DraftAnswers, Drafts, DraftSpeed
from reports.published.changes import changes_of, pairs_of
from reports.published.standings import Entry
from reports.published.studies import Study
from thresholds.accepted import BETWEEN_STARTS
from thresholds.evidence import CONFIDENCE
from thresholds.statistics.speeds import ratio_interval


def published_drafts(study: Study) -> Drafts:
    """Of a study that lists runs with and without a draft: the speed is that of answering its benchmark.

    Its runs did not follow each other, so that the interval of a speed-up is that of any two speeds.
    """
    speeds, answers = [], []
    for (setting, before, after), change in zip(pairs_of(study), changes_of(study), strict=True):
        if setting != "draft":
            continue
        speed = _published_speed(study, before, after)
        speeds.append(replace(speed, target=change.subject or "", draft=change.after))
        answers.append(
            DraftAnswers(
                target=change.subject or "",
                draft=change.after,
                task=", ".join(after.tasks),
                change=change.difference,
                span=None if change.low is None or change.high is None else (change.low, change.high),
                paired=False,
                told_apart=change.told_apart == "yes",
            )
        )
    ordered = sorted(speeds, key=lambda row: (row.target, -(row.speed_up or 0.0)))
    return Drafts(tuple(ordered), tuple(sorted(answers, key=lambda row: (row.target, row.draft))))


def _published_speed(study: Study, before: Entry, after: Entry) -> DraftSpeed:
    sides = [
        tuple(rate for run in entry.published if (rate := run.completion_tokens_per_second))
        for entry in (before, after)
    ]
    ratios = [faster / slower for faster in sides[1] for slower in sides[0]]
    return DraftSpeed(
        target="",
        draft="",
        load=", ".join(dict.fromkeys(map(study.task_of, after.published))),
        streams=None,
        before=sides[0],
        after=sides[1],
        speed_up=fmean(sides[1]) / fmean(sides[0]) if ratios else None,
        span=ratio_interval(sides[1], sides[0], BETWEEN_STARTS, CONFIDENCE) if ratios else None,
        spread=(min(ratios), max(ratios)) if ratios else None,
    )
