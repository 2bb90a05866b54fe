"""Drafts of sessions: what each gains under each load, what is accepted of it, and whether it changes answers."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from reports.ledger import RecordedLoad
from reports.speed.rows import pairs
from thresholds.acceptance import BreakEven, acceptance_from, break_even, of_whole_answers, pooled, predicted_speed_up
from thresholds.divergence import DRAFT_DEFECTS
from thresholds.evidence import CONFIDENCE
from thresholds.speed import (
    ACCEPTANCE_LENGTH,
    OUTPUT_TOKENS_PER_SECOND,
    REQUEST_LATENCY,
    TIME_TO_FIRST_TOKEN,
    LoadRun,
    key,
)
from thresholds.statistics.runs import LEAST_RUNS, mean_reach
from thresholds.upgrade import ACCURACY_DIFFERENCE
from thresholds.verdict import Verdict

Span = tuple[float, float]
Subject = tuple[str, str]
"""Combination and workload."""

Turn = tuple[RecordedLoad, RecordedLoad]
"""A load with a draft, and the one without that was measured right beside it."""
RATE = OUTPUT_TOKENS_PER_SECOND.name


@dataclass(frozen=True, slots=True)
class DraftSpeed:
    """One draft under one load, beside the same target without a draft. None is unknown.

    Attributes:
        target, draft: What both have in common, and the draft.
        load: The workload; of a published study, the benchmark that was being answered.
        streams: Requests under way, where the load keeps their number.
        before, after: Output tokens/s of each run without and with the draft.
        speed_up: The mean over pairs of runs that followed each other; of a study, whose runs did not, of the means.
        span: Its 95 % interval; None for fewer than 3 pairs, or a single run on either side of a study.
        spread: The smallest and the largest that any pair of runs gives.
        length, length_span: Acceptance length, the mean over runs; its 95 % interval over them.
        length_by_request: The 95 % interval of the acceptance length by request, where answers say what was accepted.
        per_step, per_step_span: Tokens a step of the target as the client saw them; its 95 % interval by request.
        positions, position_spans: Share of drafts whose token at each position was accepted, as answers say, else by
            the counters; its 95 % interval by request, where answers say it and do not all agree.
        said, counted: Accepted tokens as the answers say themselves, else as the client made them out from events; and
            as the server counted them.
        by_answers: The answers say themselves.
        predicted: The speed-up of whole answers that acceptance and the draft's cost let one expect; the time to the
            first token stays that of the target alone.
        cost: Of one step of the draft, as a share of one of the target.
        outcomes: Of the gates of speed-up and acceptance.
    """

    target: str
    draft: str
    load: str
    streams: float | None
    before: tuple[float, ...]
    after: tuple[float, ...]
    speed_up: float | None
    span: Span | None
    spread: Span | None
    length: float | None = None
    length_span: Span | None = None
    length_by_request: Span | None = None
    per_step: float | None = None
    per_step_span: Span | None = None
    positions: tuple[float, ...] = ()
    position_spans: tuple[Span | None, ...] = ()
    said: int | None = None
    counted: float | None = None
    by_answers: bool = False
    predicted: float | None = None
    cost: float | None = None
    outcomes: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class DraftAnswers:
    """One draft on one task, beside the same target without a draft. None is unknown.

    Attributes:
        answers: Greedy answers that were compared; same, near_ties, defects, unknown: How they came out.
        change, span: Difference of the two accuracies as a share of 1, with its 95 % interval.
        paired: Question by question; else from totals, which is wider.
        told_apart: The difference is shown and no noise.
        outcomes: Of the gates of changed answers and accuracy.
    """

    target: str
    draft: str
    task: str
    answers: int | None = None
    same: int | None = None
    near_ties: int | None = None
    defects: int | None = None
    unknown: int | None = None
    change: float | None = None
    span: Span | None = None
    paired: bool = True
    told_apart: bool | None = None
    outcomes: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Drafts:
    """Everything that is known of drafts, by target and draft.

    Attributes:
        break_even: By target and draft, where its speed-up crosses 1; not for loads that keep no number of requests.
    """

    speeds: tuple[DraftSpeed, ...] = ()
    answers: tuple[DraftAnswers, ...] = ()

    @property
    def break_even(self) -> dict[tuple[str, str], BreakEven]:
        """By target and draft; nothing of a draft without a load that keeps its streams."""
        found: dict[tuple[str, str], BreakEven] = {}
        for name, rows in groupby(self.speeds, key=lambda row: (row.target, row.draft)):
            crossing = break_even((row.streams, row.speed_up) for row in rows if row.streams and row.speed_up)
            found |= {} if crossing is None else {name: crossing}
        return found


def drafts(loads: Sequence[RecordedLoad], verdicts: Sequence[Verdict]) -> Drafts:
    """Of sessions: the loads that were measured beside the same combination without a draft, and their verdicts."""
    return Drafts(
        tuple(sorted(_speeds(loads, verdicts), key=lambda row: (row.target, row.draft, row.streams or 0.0, row.load))),
        tuple(sorted(_answers(verdicts), key=lambda row: (row.target, row.draft))),
    )


def _speeds(loads: Sequence[RecordedLoad], verdicts: Sequence[Verdict]) -> Iterator[DraftSpeed]:
    """Of each draft under each load that was measured beside the target alone, or judged."""
    turns: dict[Subject, list[Turn]] = defaultdict(list)
    alone: dict[Subject, list[Turn]] = defaultdict(list)
    judged: dict[Subject, list[Verdict]] = defaultdict(list)
    for one, other in pairs(loads):
        if beside_no_draft(one.labels) and one.run.invalid is None and other.run.invalid is None:
            turns[one.run.combination, one.run.workload].append((one, other))
    for load in loads:
        if load.run.invalid is None:
            alone[load.run.combination, load.run.workload].append((load, load))
    for verdict in filter(_judges, verdicts):
        judged[verdict.labels["combination"], verdict.labels["workload"]].append(verdict)
    costs = {v.labels.get("combination"): v.details["cost"] for v in verdicts if v.details.get("cost") is not None}
    for subject in dict.fromkeys([*turns, *judged]):
        labels = turns[subject][-1][0].labels if turns[subject] else judged[subject][-1].labels
        taken = _alike(turns[subject])
        runs = [one.run for one, _ in taken or _alike(alone[subject])]
        row = _speed(labels, subject[1], [(one.run, other.run) for one, other in taken])
        row = replace(row, streams=runs[-1].details.get("streams") if runs else None, cost=costs.get(subject[0]))
        row = replace(row, outcomes={v.metric: str(v.outcome) for v in judged[subject]})
        yield _with_acceptance(row, runs, [other.run for _, other in taken])


def _judges(verdict: Verdict) -> bool:
    """It holds a draft to its acceptance, or to its speed beside the target without one."""
    labels, metric = verdict.labels, verdict.metric
    if labels.get("workload") is None or labels.get("draft") in (None, "none"):
        return False
    return metric == ACCEPTANCE_LENGTH.name or (metric in (RATE, "speed") and beside_no_draft(labels))


def _alike(turns: Sequence[Turn]) -> list[Turn]:
    """Those that asked what the last one did, on the same hardware."""

    def asked(turn: Turn) -> tuple[Any, ...]:
        return turn[0].run.digest, turn[0].labels.get("hardware")

    return [turn for turn in turns if asked(turn) == asked(turns[-1])]


def _speed(labels: Mapping[str, Any], load: str, turns: Sequence[tuple[LoadRun, LoadRun]]) -> DraftSpeed:
    rates = [(one.values.get(RATE), other.values.get(RATE)) for one, other in turns]
    known = [(after, before) for after, before in rates if after and before]
    ratios = [after / before for after, before in known]
    return DraftSpeed(
        target=target_of(labels),
        draft=str(labels["draft"]),
        load=load,
        streams=None,
        before=tuple(before for _, before in known),
        after=tuple(after for after, _ in known),
        speed_up=fmean(ratios) if ratios else None,
        span=_over_runs(ratios),
        spread=(min(ratios), max(ratios)) if ratios else None,
    )


def _with_acceptance(row: DraftSpeed, runs: Sequence[LoadRun], without: Sequence[LoadRun] = ()) -> DraftSpeed:
    told = pooled([acceptance_from(run.details["acceptance"]) for run in runs if "acceptance" in run.details])
    lengths = [run.values[ACCEPTANCE_LENGTH.name] for run in runs if ACCEPTANCE_LENGTH.name in run.values]
    if told is None:
        return row
    return replace(
        row,
        length=fmean(lengths) if lengths else None,
        length_span=_over_runs(lengths),
        length_by_request=told.length_span,
        per_step=told.steps.value,
        per_step_span=told.steps.interval(),
        positions=told.by_position,
        position_spans=told.position_spans,
        said=told.accepted_by_client,
        counted=told.accepted,
        by_answers=told.answers is not None,
        predicted=of_whole_answers(predicted_speed_up(told, row.cost), _first_share(without)),
    )


def _first_share(runs: Sequence[LoadRun]) -> float:
    """Share of the time of an answer that passes before its first token; 0 where nobody has measured it."""
    names = [key(metric.name, "mean") for metric in (TIME_TO_FIRST_TOKEN, REQUEST_LATENCY)]
    known = [[run.values.get(name) for name in names] for run in runs]
    shares = [first / whole for first, whole in known if first and whole]
    return fmean(shares) if shares else 0.0


def _over_runs(values: Sequence[float]) -> Span | None:
    """Student's 95 % interval of the mean; None for fewer than 3 values, and of equal ones, which are no certainty."""
    if len(values) < LEAST_RUNS or len(set(values)) == 1:
        return None
    reach = mean_reach(len(values), stdev(values), 0.5 + CONFIDENCE / 2)
    return fmean(values) - reach, fmean(values) + reach


def _answers(verdicts: Sequence[Verdict]) -> Iterator[DraftAnswers]:
    found: dict[tuple[Any, ...], list[Verdict]] = {}
    for verdict in verdicts:
        labels = verdict.labels
        if verdict.metric in (DRAFT_DEFECTS.name, ACCURACY_DIFFERENCE.name) and beside_no_draft(labels):
            found.setdefault((labels.get("combination"), labels.get("task")), []).append(verdict)
    for judged in found.values():
        yield _answer(judged)


def beside_no_draft(labels: Mapping[str, Any]) -> bool:
    """These of a verdict hold a draft against the same combination without one."""
    drafts_at_all = labels.get("draft") not in (None, "none")
    return drafts_at_all and target_of(labels) == str(labels.get("against", "")).partition("@")[0]


def _answer(judged: Sequence[Verdict]) -> DraftAnswers:
    labels = judged[-1].labels
    by_metric = {verdict.metric: verdict for verdict in judged}
    changed, accuracy = (by_metric.get(metric.name) for metric in (DRAFT_DEFECTS, ACCURACY_DIFFERENCE))
    counts = {} if changed is None else changed.details
    low, high = (None, None) if accuracy is None else (accuracy.low, accuracy.high)
    return DraftAnswers(
        target=target_of(labels),
        draft=str(labels["draft"]),
        task=str(labels.get("task", "")),
        answers=counts.get("answers"),
        same=counts.get("same"),
        near_ties=counts.get("near_ties"),
        defects=counts.get("defects"),
        unknown=counts.get("unknown"),
        change=None if accuracy is None else accuracy.measured,
        span=None if low is None or high is None else (low, high),
        told_apart=None if low is None or high is None else not low <= 0 <= high,
        outcomes={verdict.metric: str(verdict.outcome) for verdict in judged},
    )


def target_of(labels: Mapping[str, Any]) -> str:
    """The combination without its draft."""
    return str(labels.get("combination", "")).replace(f"-draft_{labels.get('draft')}", "", 1)
