"""The exchange with an endpoint: what is sent again, what is not, and what is told of a failure."""

from collections.abc import Callable

import pytest
from fake_engine import FakeEngine, Fault, Script

from fixtures.evaluate import client
from fixtures.evaluate.client import Answer, Call, Exchange
from fixtures.protocols import Endpoint, EngineFailed

KEY = "sk-very-secret-4711"
VARIABLE = "WEIGHBRIDGE_TEST_KEY"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.001)
    monkeypatch.setenv(VARIABLE, KEY)


def send(
    fake: FakeEngine,
    count: int = 1,
    *,
    concurrency: int = 4,
    seconds: float = 10,
    failure: Callable[[], EngineFailed | None] = lambda: None,
) -> list[Answer]:
    exchange = Exchange(Endpoint(fake.url, "tiny", VARIABLE), concurrency, seconds, failure)
    answers: dict[int, Answer] = {}
    calls = [Call("completions", {"prompt": f"question {number}", "max_tokens": 4}) for number in range(count)]
    exchange.send(calls, answers.__setitem__)
    return [answers[position] for position in range(count)]


def test_every_answer_comes_back_with_the_position_of_its_call(fake_engine: FakeEngine) -> None:
    fake_engine.script = Script(answer=lambda prompt, _: prompt.upper())

    answers = send(fake_engine, 40)

    assert [a.body["choices"][0]["text"] for a in answers] == [f"QUESTION {number}" for number in range(40)]


def test_as_many_requests_are_under_way_as_the_concurrency_allows_and_no_more(fake_engine: FakeEngine) -> None:
    fake_engine.script = Script(delay=0.3)

    send(fake_engine, 64, concurrency=32)

    assert 16 < fake_engine.busiest <= 32


def test_nothing_is_sent_for_no_calls(fake_engine: FakeEngine) -> None:
    assert send(fake_engine, 0) == []
    assert fake_engine.requests == []


@pytest.mark.parametrize("status", ["500", "429", "503"])
def test_a_passing_error_is_sent_again_and_the_retries_are_counted(fake_engine: FakeEngine, status: str) -> None:
    fake_engine.script.faults = [Fault(status, times=2)]

    (answer,) = send(fake_engine)

    assert (answer.failed, answer.retries, fake_engine.asked["question 0"]) == (None, 2, 3)


def test_an_error_that_stays_is_given_up_after_some_attempts(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("500")]

    (answer,) = send(fake_engine)

    assert answer.body is None
    assert answer.failed is not None
    assert answer.failed.startswith("HTTP 500: it went wrong")
    assert (answer.retries, fake_engine.asked["question 0"]) == (client.ATTEMPTS - 1, client.ATTEMPTS)


def test_a_refused_request_is_not_sent_again(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("400")]

    (answer,) = send(fake_engine)

    assert answer.failed is not None
    assert answer.failed.startswith("HTTP 400: it went wrong")
    assert (answer.retries, fake_engine.asked["question 0"]) == (0, 1)


def test_an_answer_that_does_not_come_in_time_says_how_long_was_waited(fake_engine: FakeEngine) -> None:
    fake_engine.script = Script(delay=1)

    (answer,) = send(fake_engine, seconds=0.2)

    assert answer.failed is not None
    assert answer.failed.startswith("no answer within")
    assert answer.retries == client.PATIENCE - 1


@pytest.mark.parametrize(("kind", "said"), [("html", "<html>Gateway"), ("broken_json", '{"choices": [')])
def test_an_answer_that_is_no_json_says_so_and_shows_its_beginning(
    fake_engine: FakeEngine, kind: str, said: str
) -> None:
    fake_engine.script.faults = [Fault(kind)]

    (answer,) = send(fake_engine)

    assert answer.failed is not None
    assert answer.failed.startswith(f"an answer that is no JSON: {said}")


def test_a_dropped_connection_is_tried_again(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("drop", times=1)]

    (answer,) = send(fake_engine)

    assert (answer.failed, answer.retries) == (None, 1)


def test_a_connection_that_is_always_dropped_is_a_failed_answer(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("drop")]

    (answer,) = send(fake_engine)

    assert answer.failed is not None
    assert answer.failed.startswith("ServerDisconnectedError")


def test_one_failure_among_successes_is_that_answer_s_own(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("400", where=lambda asked: asked.prompt == "question 7")]

    answers = send(fake_engine, 20)

    assert [position for position, answer in enumerate(answers) if answer.failed] == [7]


def test_too_many_failures_in_a_row_end_the_exchange(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("500")]

    with pytest.raises(EngineFailed, match=r"8 requests in a row failed; the last: HTTP 500") as caught:
        send(fake_engine, 100)

    assert caught.value.reason == "unreachable"
    assert len(fake_engine.requests) < 16 * client.ATTEMPTS


def test_requests_that_are_refused_one_by_one_do_not_condemn_the_endpoint(fake_engine: FakeEngine) -> None:
    fake_engine.script.faults = [Fault("400")]

    answers = send(fake_engine, 30)

    assert len(answers) == 30
    assert all((answer.failed or "").startswith("HTTP 400") for answer in answers)


def test_an_engine_that_died_ends_the_exchange_with_its_cause(fake_engine: FakeEngine) -> None:
    fake_engine.script.die_after = 5

    with pytest.raises(EngineFailed, match="the engine ran out of memory"):
        send(fake_engine, 50, failure=lambda: EngineFailed("out_of_memory", "the engine ran out of memory"))

    assert len(fake_engine.requests) <= 8


def test_the_key_is_sent_and_accepted(fake_engine: FakeEngine) -> None:
    fake_engine.script.key = KEY

    (answer,) = send(fake_engine)

    assert answer.failed is None


@pytest.mark.parametrize("kind", ["400", "401", "500", "html", "broken_json"])
def test_the_key_is_in_no_message_even_when_the_server_repeats_it(fake_engine: FakeEngine, kind: str) -> None:
    fake_engine.script.faults = [Fault(kind)]

    (answer,) = send(fake_engine)

    assert answer.failed is not None
    assert "***" in answer.failed
    assert KEY not in answer.failed


def test_a_wrong_key_is_a_failure_that_does_not_show_it(
    fake_engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_engine.script.key = KEY
    monkeypatch.setenv(VARIABLE, "sk-wrong")

    (answer,) = send(fake_engine)

    assert answer.failed == "HTTP 401: wrong key: Bearer ***"
