"""The ledger as sheets of plain values: runs, items, loads, verdicts. Nothing is rounded; None is unknown."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.ledger import Ledger, RecordedRun, RecordedSession
from reports.records import as_json
from thresholds.measurement import Item
from thresholds.verdict import Verdict

TEXT, NUMBER, COUNT, FLAG = "text", "number", "count", "flag"
"""What a column holds besides None: str, float, int, bool."""

Values = Sequence[Any]

ABOUT_RUN = (("task", TEXT), ("number", COUNT), ("primary", TEXT))
NAMED = frozenset({"combination", "task", "workload", "against", "hardware", "statistic"})
"""Labels that have a column of their own."""

RUN = (
    ("score", NUMBER),
    ("points", NUMBER),
    ("scored", COUNT),
    ("questions", COUNT),
    ("population", COUNT),
    *((name, COUNT) for name in ("unparsed", "cut_off", "truncated", "failed_requests")),
    ("random_guesses", NUMBER),
    *((name, COUNT) for name in ("prompt_tokens", "completion_tokens")),
    ("seconds", NUMBER),
    *((name, COUNT) for name in ("retries", "replayed", "engine_memory")),
    ("cost", NUMBER),
    ("other_scores", TEXT),
)
ITEM = (
    ("item", COUNT),
    ("score", NUMBER),
    ("scores", TEXT),
    ("answer", TEXT),
    ("extracted", TEXT),
    *((name, FLAG) for name in ("unparsed", "cut_off", "truncated")),
    ("failed", TEXT),
    ("finish_reasons", TEXT),
    *((name, COUNT) for name in ("prompt_tokens", "completion_tokens")),
    *((name, NUMBER) for name in ("seconds", "guess")),
)
LOAD = (
    ("workload", TEXT),
    ("against", TEXT),
    ("number", COUNT),
    ("digest", TEXT),
    ("seconds", NUMBER),
    ("requests", COUNT),
    ("failed_requests", COUNT),
    ("invalid", TEXT),
)
VERDICT = (
    *((name, TEXT) for name in ("task", "workload", "against", "metric", "statistic", "outcome", "reason")),
    *((name, NUMBER) for name in ("measured", "low", "high", "required", "headroom")),
    *((name, TEXT) for name in ("where", "lines", "details")),
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns with their kind, and the rows, which are read as they are asked for."""

    columns: Sequence[tuple[str, str]]
    rows: Iterable[Values]


def runs_sheet(ledger: Ledger, session: str | None) -> Sheet:
    """A row for each run of a task."""
    about = _About(ledger, session)
    told = ledger.runs(session)
    labels = _labels([one.labels for one in told])
    columns = (*about.columns, *labels, *ABOUT_RUN, *RUN)

    def row(one: RecordedRun) -> Values:
        known = [_plain(one.labels.get(name), kind) for name, kind in labels]
        about_run = [one.run.task, one.run.number, one.run.primary]
        return [*about.of(one.session, one.run.combination, one.labels), *known, *about_run, *_run(one)]

    return Sheet(columns, map(row, told))


def items_sheet(ledger: Ledger, session: str | None) -> Sheet:
    """A row for each question of each run, with the answer; it joins the runs by its first four columns."""
    columns = (("session", TEXT), ("combination", TEXT), ("task", TEXT), ("number", COUNT), *ITEM)
    rows = (
        [one.session, one.run.combination, one.run.task, one.run.number, *_item(item, one.run.primary)]
        for one in ledger.runs(session)
        for item in one.run.items
    )
    return Sheet(columns, rows)


def loads_sheet(ledger: Ledger, session: str | None) -> Sheet:
    """A row for each run of a load, with a column for each of its values."""
    about = _About(ledger, session)
    told = ledger.loads(session)
    labels = _labels([one.labels for one in told])
    values = [(name, NUMBER) for name in dict.fromkeys(name for one in told for name in one.run.values)]
    columns = (*about.columns, *labels, *LOAD, *values, ("details", TEXT))
    rows = (
        [
            *about.of(one.session, one.run.combination, one.labels),
            *(_plain(one.labels.get(name), kind) for name, kind in labels),
            *(one.run.workload, one.labels.get("against"), one.run.number, one.run.digest),
            *(one.run.seconds, one.run.requests, one.run.failed_requests),
            None if one.run.invalid is None else ": ".join(one.run.invalid),
            *(one.run.values.get(name) for name, _ in values),
            as_json(one.run.details),
        ]
        for one in told
    )
    return Sheet(columns, rows)


def verdicts_sheet(ledger: Ledger, session: str | None) -> Sheet:
    """A row for each verdict that stands."""
    about = _About(ledger, session)
    told = [(one.id, verdict) for one in about.sessions for verdict in ledger.verdicts(one.id)]
    labels = _labels([verdict.labels for _, verdict in told])
    rows = (
        [
            *about.of(name, str(verdict.labels.get("combination", "")), verdict.labels),
            *(_plain(verdict.labels.get(label), kind) for label, kind in labels),
            *_verdict(verdict),
        ]
        for name, verdict in told
    )
    return Sheet((*about.columns, *labels, *VERDICT), rows)


SHEETS: Mapping[str, Callable[[Ledger, str | None], Sheet]] = {
    "runs": runs_sheet,
    "items": items_sheet,
    "loads": loads_sheet,
    "verdicts": verdicts_sheet,
}


class _About:
    """What every row says of its session and engine."""

    columns = tuple((name, TEXT) for name in ("session", "started", "hardware", "engine_version", "combination"))

    def __init__(self, ledger: Ledger, session: str | None) -> None:
        self.sessions: list[RecordedSession] = [one for one in ledger.sessions() if session in {None, one.id}]
        self._known = {one.id: one for one in self.sessions}
        self._engines = {
            (one.id, engine.combination): engine.description
            for one in self.sessions
            for engine in ledger.engines(one.id)
        }

    def of(self, session: str, combination: str, labels: Mapping[str, Any]) -> Iterator[Any]:
        one, engine = self._known[session], self._engines.get((session, combination), {})
        hardware = labels.get("hardware") or engine.get("hardware") or one.provenance.get("hardware")
        for value in (session, one.started, hardware, engine.get("engine_version"), combination):
            yield _plain(value, TEXT)


def _labels(told: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The labels that have no column of their own, with the kind that all their values are of."""
    names = dict.fromkeys(name for labels in told for name in labels if name not in NAMED)
    return [(name, _kind([labels.get(name) for labels in told])) for name in names]


def _kind(values: Iterable[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return FLAG
    if kinds == {int}:
        return COUNT
    return NUMBER if kinds and kinds <= {int, float} else TEXT


def _plain(value: Any, kind: str) -> Any:
    if value is None or kind != TEXT:
        return value
    return value if isinstance(value, str) else as_json(value)


def _run(one: RecordedRun) -> Values:
    tally, run = one.tally, one.run
    scored = tally.scored.tolist()
    points = math.fsum(scored) if scored else None
    guesses = tally.guesses[tally.unparsed & ~tally.failed].tolist()
    others = {
        name: math.fsum(column) / len(column)
        for name, scores in tally.scores.items()
        if name != tally.primary and len(column := scores[~tally.failed].tolist())
    }
    return [
        None if points is None else points / len(scored),
        points,
        len(scored),
        len(tally.items),
        tally.population,
        *(int(column.sum()) for column in (tally.unparsed, tally.cut_off, tally.truncated, tally.failed)),
        None if any(map(math.isnan, guesses)) else math.fsum(guesses),
        *map(tally.total, (tally.prompt_tokens, tally.completion_tokens)),
        *(run.seconds, run.retries, run.replayed, run.engine_memory, run.cost),
        json.dumps({name: mean for name, mean in others.items() if not math.isnan(mean)}),
    ]


def _item(item: Item, primary: str) -> Values:
    return [
        item.item,
        item.scores.get(primary),
        json.dumps(dict(item.scores)),
        item.answer,
        item.extracted,
        *(item.unparsed, item.cut_off, item.truncated),
        item.failed,
        " ".join(item.finish_reasons),
        *(item.prompt_tokens, item.completion_tokens, item.seconds, item.guess),
    ]


def _verdict(verdict: Verdict) -> Values:
    labels = verdict.labels
    return [
        *(_plain(labels.get(name), TEXT) for name in ("task", "workload", "against")),
        *(verdict.metric, _plain(labels.get("statistic"), TEXT), str(verdict.outcome), verdict.reason),
        *(verdict.measured, verdict.low, verdict.high, verdict.required, verdict.headroom),
        *(verdict.where, "\n".join(verdict.lines), as_json(verdict.details)),
    ]
