"""pytest-xdist: what a worker heard, carried to the controller, which alone writes the ledger."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pytest

from reports.ledger_questions import as_rows, from_rows
from reports.records import as_json, verdict_from, verdict_record
from thresholds.measurement import Run
from thresholds.questions import Question
from thresholds.speed import LoadRun
from thresholds.verdict import Verdict

KEY = "weighbridge"


class Listener(Protocol):
    """Whoever is told."""

    def session_started(self, provenance: Mapping[str, Any]) -> None: ...

    def engine_started(self, labels: Mapping[str, Any], description: Mapping[str, Any]) -> None: ...

    def questions_asked(self, questions: Sequence[Question], labels: Mapping[str, Any]) -> None: ...

    def run_finished(self, run: Run, labels: Mapping[str, Any]) -> None: ...

    def load_finished(self, run: LoadRun, labels: Mapping[str, Any]) -> None: ...

    def judged(self, verdict: Verdict) -> None: ...


class Messenger:
    """The listener of a worker: keeps everything until the worker's session ends, then hands it over as one text."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._heard: list[dict[str, Any]] = []

    def session_started(self, provenance: Mapping[str, Any]) -> None:
        self._heard.append({"what": "session", "provenance": provenance})

    def engine_started(self, labels: Mapping[str, Any], description: Mapping[str, Any]) -> None:
        self._heard.append({"what": "engine", "labels": labels, "description": description})

    def questions_asked(self, questions: Sequence[Question], labels: Mapping[str, Any]) -> None:
        self._heard.append({"what": "questions", "questions": as_rows(questions), "labels": labels})

    def run_finished(self, run: Run, labels: Mapping[str, Any]) -> None:
        self._heard.append({"what": "run", "run": run.to_dict(), "labels": labels})

    def load_finished(self, run: LoadRun, labels: Mapping[str, Any]) -> None:
        self._heard.append({"what": "load", "run": run.to_dict(), "labels": labels})

    def judged(self, verdict: Verdict) -> None:
        self._heard.append({"what": "verdict", "verdict": verdict_record(verdict)})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Hand over; pytest-xdist sends `workeroutput` after the last of these hooks."""
        output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]
        output[KEY] = as_json(self._heard)


def tell_again(text: str, listener: Listener) -> None:
    """Tell a listener what a worker handed over, in the worker's order."""
    for heard in json.loads(text):
        match heard["what"]:
            case "session":
                listener.session_started(heard["provenance"])
            case "engine":
                listener.engine_started(heard["labels"], heard["description"])
            case "questions":
                listener.questions_asked(from_rows(heard["questions"]), heard["labels"])
            case "run":
                listener.run_finished(Run.from_dict(heard["run"]), heard["labels"])
            case "load":
                listener.load_finished(LoadRun.from_dict(heard["run"]), heard["labels"])
            case "verdict":
                listener.judged(verdict_from(heard["verdict"]))
