"""The real vLLM as somebody else's endpoint, behind its key: the same answers as when it is ours."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flaky_proxy import FlakyProxy
from test_flaky_endpoint import asks_a_question

from conftest import REAL_KEY_VARIABLE
from fixtures import matrix
from fixtures.engines.supervisor import marked
from fixtures.evaluate.tasks import Tasks
from fixtures.placement.local import LocalPlacement
from fixtures.pool import Pool, Running
from fixtures.probe.finding import Status
from fixtures.protocols import EngineFailed
from tests.parity import Bench, matrix_weights
from thresholds.measurement import Run

QUESTIONS = 6
GENERATED, CHOSEN = "embedded_gsm8k", "embedded_arc_challenge"
MATRIX = """
models:
  known: {{served_as: {model}, tokenizer: {tokenizer}}}
  unknown: {{served_as: {model}}}
combinations:
  - {{model: known, engine: remote, url: "{url}", key_variable: {key}, max_model_len: 2048}}
  - {{model: unknown, engine: remote, url: "{url}", key_variable: {key}, max_model_len: 2048}}
  - {{model: known, engine: remote, url: "{url}", key_variable: {key}, max_model_len: 2048, chat: true}}
tasks: [{task}]
"""

pytestmark = [
    pytest.mark.real_engine,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


class Asking:
    """Evaluates the same questions by whichever way; what was asked once is remembered."""

    def __init__(self, ours: Running, tasks: Tasks, folder: Path) -> None:
        self.ours = ours
        self.pool = Pool(LocalPlacement(print), folder / "logs", lambda *_: None)
        self._folder = folder
        self._tasks = tasks
        self._known: dict[tuple[str, bool], Run] = {}

    def remote(self, url: str, number: int) -> Running:
        """The engine as an endpoint: by tokens (0), by text because nobody knows its tokenizer (1), or by turns (2)."""
        endpoint, file = self.ours.endpoint, self._folder / f"remote-{len(list(self._folder.iterdir()))}.yaml"
        told = {"model": endpoint.model, "url": url, "key": REAL_KEY_VARIABLE, "task": GENERATED}
        file.write_text(MATRIX.format(tokenizer=matrix_weights(self.ours), **told), encoding="utf-8")
        return self.pool.get(matrix.load(file).combinations[number])

    def of(self, running: Running, task: str) -> Run:
        return Bench(running, self._tasks, self._folder, QUESTIONS).ours(task)[0]

    def directly(self, task: str, *, chat: bool = False) -> Run:
        """By the engine that we started."""
        if (task, chat) not in self._known:
            combination = replace(self.ours.combination, chat=chat)
            self._known[task, chat] = self.of(replace(self.ours, combination=combination), task)
        return self._known[task, chat]


@pytest.fixture(scope="module")
def asking(real_engine: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with contextlib.closing(Tasks()) as tasks:
        asking = Asking(real_engine, tasks, tmp_path_factory.mktemp("remote"))
        yield asking
        asking.pool.stop()


def told(run: Run) -> list[tuple[Any, ...]]:
    """What each question came to, word by word and token by token."""
    return [
        (one.item, dict(one.scores), one.answer, one.finish_reasons, one.prompt_tokens, one.completion_tokens)
        for one in run.items
    ]


@pytest.mark.parametrize("task", [GENERATED, CHOSEN])
def test_by_completions_every_answer_is_the_one_that_our_own_engine_gives(asking: Asking, task: str) -> None:
    remote = asking.remote(asking.ours.endpoint.url, 0)

    assert told(asking.of(remote, task)) == told(asking.directly(task))
    assert not [finding for finding in remote.findings if finding.status is Status.DEFECT]


def test_by_chat_every_answer_is_the_one_that_our_own_engine_gives(asking: Asking) -> None:
    remote = asking.remote(asking.ours.endpoint.url, 2)
    answered = asking.of(remote, GENERATED)

    assert told(answered) == told(asking.directly(GENERATED, chat=True))
    assert all(one.prompt_tokens for one in answered.items)
    assert not [finding for finding in remote.findings if finding.status is Status.DEFECT]


def test_without_a_tokenizer_text_comes_to_the_same_as_tokens(asking: Asking) -> None:
    answered = asking.of(asking.remote(asking.ours.endpoint.url, 1), GENERATED)

    assert told(answered) == told(asking.directly(GENERATED))


def test_through_a_proxy_that_fails_a_fifth_of_the_requests_it_is_the_same_with_retries(asking: Asking) -> None:
    with FlakyProxy(asking.ours.endpoint.url, asks_a_question, kinds=("429", "500"), every=3) as proxy:
        answered = asking.of(asking.remote(proxy.url, 0), GENERATED)

    assert told(answered) == told(asking.directly(GENERATED))
    assert answered.retries == proxy.struck.total() > 0


def test_another_key_is_refused_and_shown_nowhere(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REAL_KEY_VARIABLE, "sk-of-somebody-else")
    asking.pool.stop()

    with pytest.raises(EngineFailed, match="answered 401") as refused:
        Pool(LocalPlacement(print), asking.pool._logs, lambda *_: None).get(
            matrix.load(next(asking._folder.glob("remote-*.yaml"))).combinations[0]
        )

    assert refused.value.reason == "key_refused"
    assert "sk-of-somebody-else" not in str(refused.value)


def test_the_key_is_on_no_command_line_and_in_no_log(asking: Asking) -> None:
    key, server = os.environ[REAL_KEY_VARIABLE], asking.ours.engine._server

    assert [one.pid for one in marked(server.mark) if key in " ".join(one.cmdline())] == []
    assert key not in server.text()
    assert key not in str(asking.ours.engine.describe())


def test_a_stopped_engine_leaves_no_process(real_engine: Running) -> None:
    """The last test that needs it."""
    server = real_engine.engine._server

    assert marked(server.mark) != []
    real_engine.engine.stop()
    assert marked(server.mark) == []
