"""The JSON forms of what is told: plain values; runs and verdicts there and back."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec

from thresholds.measurement import Run
from thresholds.verdict import Outcome, Verdict


def as_json(value: Any) -> str:
    """One line of JSON; mappings, sets and tuples become plain, anything else its text.

    Letters outside ASCII are escaped: answers of a model may hold halves of surrogate pairs, which no file accepts.
    """
    return json.dumps(value, default=_plain)


def run_from(text: str) -> Run:
    """Rebuild a run from `as_json(run.to_dict())`.

    Raises:
        ValueError, TypeError, KeyError: The text is something else.
    """
    try:
        return _RUN.decode(text)
    except (msgspec.MsgspecError, UnicodeError):  # half a surrogate pair, or a number that JSON does not know
        return Run.from_dict(json.loads(text))


_RUN = msgspec.json.Decoder(Run)


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """A plain form for JSON; `verdict_from` is its inverse."""
    record = {field.name: getattr(verdict, field.name) for field in fields(verdict)}
    return {**record, "outcome": str(verdict.outcome), "labels": dict(verdict.labels), "lines": list(verdict.lines)}


def verdict_from(record: Mapping[str, Any]) -> Verdict:
    """Rebuild a verdict from `verdict_record`."""
    return Verdict(**{**record, "outcome": Outcome(record["outcome"]), "lines": tuple(record["lines"])})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)
