"""One run of a task on a combination: a line of the leaderboard."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.answers.scores import comparable, completion_tokens, expected_guesses, prompt_tokens, rate, tokens
from reports.ledger import RecordedEngine, RecordedRun

DESCRIBED = ("weights", "draft", "size", "format", "engine", "hardware")
"""What `RunRow.labels` may say of how a run was made."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. None is unknown.

    Attributes:
        session: None for published results.
        number, of: The number of the run, and how many were made so far of this task on this combination.
        correct, score: Points, and points for each question that has a score.
        questions: Those that have a score.
        guesses: Answers in which nothing was found.
        correct_guesses: How many of them a random guess gets right, in expectation; in published results, got right.
        prompt_tokens_per_second, completion_tokens_per_second: By the wall time of the run; None when a part of it was
            read from the journal.
        cut_off: Answers that reached their token limit.
        labels: How it was made: see `DESCRIBED`.
        memory: Bytes of the engine or of its GPU.
        mark, reference: Of a published run, the study's comparison with somebody else's number, a share of 1.
    """

    combination: str
    task: str
    session: str | None
    number: int | None
    of: int | None
    seconds: float | None
    correct: float | None
    questions: int | None
    score: float | None
    guesses: int | None
    correct_guesses: float | None
    prompt_tokens: int | None
    prompt_tokens_per_second: float | None
    completion_tokens: int | None
    completion_tokens_per_second: float | None
    cut_off: int | None
    labels: Mapping[str, Any]
    memory: int | None = None
    mark: str | None = None
    reference: float | None = None


def run_rows(
    runs: Iterable[RecordedRun], engines: Iterable[RecordedEngine], order: Sequence[str]
) -> tuple[RunRow, ...]:
    """A row for each run that counts, by combination in this order, then by task and number as they were told."""
    told: dict[tuple[str, str], list[RecordedRun]] = defaultdict(list)
    for one in runs:
        told[one.run.combination, one.run.task].append(one)
    proved = {(one.session, one.combination): one.description for one in engines}
    place = {name: number for number, name in enumerate(order)}
    return tuple(
        _row(one, max(other.run.number for other in group), proved.get((one.session, one.run.combination), {}))
        for (combination, _), group in sorted(told.items(), key=lambda pair: place.get(pair[0][0], len(place)))
        for one in comparable(group)
    )


def _row(recorded: RecordedRun, of: int, engine: Mapping[str, Any]) -> RunRow:
    tally = recorded.tally
    scored = tally.scored.tolist()
    correct = math.fsum(scored) if scored else None
    return RunRow(
        combination=tally.combination,
        task=tally.task,
        session=recorded.session,
        number=tally.number,
        of=of,
        seconds=tally.seconds,
        correct=correct,
        questions=len(scored),
        score=None if correct is None else correct / len(scored),
        guesses=int((tally.unparsed & ~tally.failed).sum()),
        correct_guesses=expected_guesses(tally),
        prompt_tokens=tokens([tally], prompt_tokens),
        prompt_tokens_per_second=rate([tally], prompt_tokens),
        completion_tokens=tokens([tally], completion_tokens),
        completion_tokens_per_second=rate([tally], completion_tokens),
        cut_off=int((tally.cut_off & ~tally.failed).sum()),
        labels=_described(recorded.labels, engine),
        memory=tally.engine_memory,
    )


def _described(labels: Mapping[str, Any], engine: Mapping[str, Any]) -> dict[str, Any]:
    """Weights as they were loaded, by the last two parts of their folder or hub id; what is not known is left out."""
    loaded = engine.get("loaded") or {}
    weights = loaded.get("model")
    known = {
        "weights": "/".join(str(weights).rstrip("/").split("/")[-2:]) if weights else None,
        "draft": labels.get("draft"),
        "size": engine.get("size"),
        "format": _format(loaded),
        "engine": engine.get("engine_version") or labels.get("engine"),
        "hardware": labels.get("hardware") or engine.get("hardware"),
    }
    return {name: str(value) for name, value in known.items() if value is not None}


def _format(loaded: Mapping[str, Any]) -> str | None:
    """How the weights are stored, as the engine said."""
    method, kind = (str(loaded.get(name) or "None") for name in ("quantization", "dtype"))
    return next((said.removeprefix("torch.") for said in (method, kind) if said != "None"), None)
