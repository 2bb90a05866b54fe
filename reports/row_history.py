"""What the ledger holds of each threshold row, session by session: its measurement and what was decided on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reports.answers.scores import comparable
from reports.ledger import Ledger, RecordedLoad, RecordedRun
from reports.speed.rows import pairs
from thresholds.accepted import Accepted, accepted, sampled
from thresholds.catalogue import Catalogue, Threshold
from thresholds.measurement import ACCURACY, Measurement, Metric, NotMeasured
from thresholds.measurement import accuracy as accuracy_of
from thresholds.speed import SPEED, ratio_of, relative, speed
from thresholds.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """A session's measurement on a threshold row, and the verdict on it."""

    session: str
    threshold: Threshold
    outcome: Outcome
    accepted: Accepted


def judged(ledger: Ledger, catalogue: Catalogue, session: str) -> list[Judged]:
    """Everything that a session measured wholly and for which the catalogue has a row of exactly the same subject."""
    subjects = [one for one in map(partial(_subject, catalogue), ledger.verdicts(session)) if one is not None]
    if not subjects:
        return []
    runs, loads = ledger.runs(session), ledger.loads(session)
    hardware = next((one.provenance.get("hardware") for one in ledger.sessions() if one.id == session), None)
    found = []
    for threshold, verdict in subjects:
        measurement = _measurement(runs, loads, threshold.metric, verdict.labels)
        if measurement is not None:
            machine = verdict.labels.get("hardware") or hardware
            base = accepted(measurement, run=session, measured_on=None if machine is None else str(machine))
            found.append(Judged(session, threshold, verdict.outcome, base))
    return found


def _subject(catalogue: Catalogue, verdict: Verdict) -> tuple[Threshold, Verdict] | None:
    metric = _metric(verdict)
    if metric is None or verdict.outcome is Outcome.NOT_MEASURED:
        return None
    threshold = catalogue.find(metric, verdict.labels)
    if threshold is None or not threshold.exact or _another_load(threshold, verdict.labels):
        return None
    return threshold, verdict


def _metric(verdict: Verdict) -> Metric | None:
    if verdict.metric == ACCURACY.name:
        return ACCURACY
    metric = SPEED.get(verdict.metric)
    return ratio_of(metric) if metric and verdict.labels.get("against") else metric


def _another_load(threshold: Threshold, labels: Mapping[str, Any]) -> bool:
    both = threshold.row.get("asks"), labels.get("asks")
    return None not in both and both[0] != both[1]


def _measurement(
    runs: Sequence[RecordedRun], loads: Sequence[RecordedLoad], metric: Metric, labels: Mapping[str, Any]
) -> Measurement | None:
    """None where nothing was left to measure, a request failed, or only a part of the questions was asked."""
    try:
        found = _accuracy(runs, labels) if metric == ACCURACY else _speed(loads, metric, labels)
    except (NotMeasured, ValueError):  # runs that do not belong together, which a killed session can leave
        return None
    return None if found is None or found.failed_requests else found


def _accuracy(runs: Sequence[RecordedRun], labels: Mapping[str, Any]) -> Measurement | None:
    subject = (labels.get("combination"), labels.get("task"))
    told = [one for one in runs if (one.run.combination, one.run.task) == subject]
    if not told:
        return None
    found = accuracy_of([one.run for one in comparable(told)], labels)
    whole = min(sampled(labels.get("samples")) or found.population, found.population)
    return found if len(found.samples[0]) == whole else None


def _speed(loads: Sequence[RecordedLoad], metric: Metric, labels: Mapping[str, Any]) -> Measurement | None:
    keys = ("combination", "workload", "hardware", "against")
    valid = [one for one in loads if one.run.invalid is None]
    alike = [one for one in valid if all(one.labels.get(key) == labels.get(key) for key in keys)]
    if not alike:
        return None
    used = [one for one in alike if one.run.digest == alike[-1].run.digest]
    plain, statistic = SPEED[metric.name], labels.get("statistic")
    if not labels.get("against"):
        return speed([one.run for one in used], plain, statistic, labels)
    sides = [(one.run, other.run) for one, other in pairs(valid) if one in used]
    if not sides:
        return None
    measured, reference = (speed(of_side, plain, statistic, labels) for of_side in zip(*sides, strict=True))
    return relative(measured, reference, labels)


def chosen(ledger: Ledger, catalogue: Catalogue, session: str) -> tuple[str, Sequence[Judged]]:
    """The session that `last` or an id stands for, with what it judged.

    Raises:
        NotMeasured: There is no such session, or it judged nothing that the threshold files speak of.
    """
    known = [one.id for one in ledger.sessions()]
    if session != "last":
        if session not in known:
            last = ", ".join(known[-5:]) or "none"
            raise NotMeasured("unknown_session", f"there is no session {session!r}; the last are: {last}")
        found = judged(ledger, catalogue, session)
        if not found:
            said = f"session {session!r} judged nothing that {_files(catalogue)} speak of"
            raise NotMeasured("nothing_judged", said)
        return session, found
    for name in reversed(known):
        if found := judged(ledger, catalogue, name):
            return name, found
    raise NotMeasured("nothing_judged", f"no session has yet judged anything that {_files(catalogue)} speak of")


def _files(catalogue: Catalogue) -> str:
    return f"the threshold files in {catalogue.folder}"
