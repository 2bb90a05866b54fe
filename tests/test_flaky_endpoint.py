"""An endpoint that fails a fifth of its requests: the same scores as without, every retry counted, in bounded time."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from fake_engine import FakeEngine, Fault, Script
from flaky_proxy import HANG, FlakyProxy

from conftest import Heard, Weighbridge
from fixtures.engines import openai_api
from fixtures.engines.openai_api import call
from fixtures.protocols import Endpoint, EngineFailed

TASK = "embedded_gsm8k"
QUESTIONS = 40
SECONDS = 2
"""Limit for a request, which every one that hangs costs."""

PARALLEL = 8


def asks_a_question(body: bytes) -> bool:
    """Whether a request is the benchmark's; those by which an endpoint proves itself are few."""
    return b"max_tokens" in body and json.loads(body).get("stop") is not None and b"Question" in body


@pytest.fixture(scope="module")
def sessions(
    checkout: Callable[[], Weighbridge], solve: Callable[[str], str]
) -> Iterator[tuple[Heard, Heard, FlakyProxy]]:
    """A session at an engine that answers two thirds right, and the same through the proxy."""

    def answer(prompt: str, _payload: object) -> str:
        return solve(prompt) if len(prompt) % 3 else " I do not know."

    weighbridge = checkout()
    words = ("-m", "accuracy", "--samples-first", str(QUESTIONS), "--runs", "1", "-p", "no:reports.plugin")
    block = {"request_seconds": SECONDS, "concurrency": PARALLEL}
    model = {"tokenizer": None}
    with FakeEngine(Script(answer=answer)) as fake, FlakyProxy(fake.url, asks_a_question) as proxy:
        weighbridge.matrix([TASK], {"url": fake.url, **block}, model=model)
        direct = weighbridge.run(*words)
        weighbridge.matrix([TASK], {"url": proxy.url, **block}, model=model)
        yield direct, weighbridge.run(*words), proxy


def test_scores_are_those_of_the_direct_way(sessions: tuple[Heard, Heard, FlakyProxy]) -> None:
    direct, flaky, _ = sessions
    told = [[item["scores"] for item in run["items"]] for run in direct.runs]

    assert [[item["scores"] for item in run["items"]] for run in flaky.runs] == told
    assert [len(run) for run in told] == [QUESTIONS]
    assert 0 < sum(score["exact_match,flexible-extract"] for run in told for score in run) < QUESTIONS


def test_every_failure_is_a_counted_retry_and_no_failed_request(sessions: tuple[Heard, Heard, FlakyProxy]) -> None:
    direct, flaky, proxy = sessions

    assert sum(run["retries"] for run in direct.runs) == 0
    assert sum(run["retries"] for run in flaky.runs) == proxy.struck.total() > QUESTIONS / 5
    assert all(item["failed"] is None for run in flaky.runs for item in run["items"])


def test_the_time_is_bounded_by_that_of_the_requests_that_hang(sessions: tuple[Heard, Heard, FlakyProxy]) -> None:
    direct, flaky, proxy = sessions

    assert proxy.struck[HANG] >= 3
    assert flaky.seconds < direct.seconds + proxy.struck.total() * (SECONDS + 1)


def test_a_proof_is_asked_again_where_an_error_may_pass(
    fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_api, "PAUSES", (0.01, 0.01))
    fake_engine.script.faults = [Fault("429", times=1), Fault("500", times=1)]

    answer = call(Endpoint(fake_engine.url, "tiny"), "completions", {"prompt": "a", "max_tokens": 1})

    assert answer["choices"]
    assert len(fake_engine.requests) == 3


def test_a_proof_is_given_up_where_an_error_stays(fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_api, "PAUSES", (0.01, 0.01))
    fake_engine.script.faults = [Fault("503")]
    started = time.perf_counter()

    with pytest.raises(EngineFailed, match="answered 503"):
        call(Endpoint(fake_engine.url, "tiny"), "completions", {"prompt": "a", "max_tokens": 1})

    assert len(fake_engine.requests) == 3
    assert time.perf_counter() - started < 2
