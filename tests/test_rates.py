"""Limits by the minute, refusals that say when to come back, and how many requests are under way: no test waits."""

import asyncio
from collections.abc import Iterator

import pytest
from fake_provider import Provider

from fixtures.endpoints.account import Account
from fixtures.endpoints.pace import Limits, Pace, asked_wait
from fixtures.evaluate import client
from fixtures.evaluate.client import Answer, Call, Exchange
from fixtures.protocols import Endpoint


class Time:
    """A clock that only sleepers move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def send(provider: Provider, time: Time, count: int, *, concurrency: int = 1, **limits: int) -> list[Answer]:
    pace = Pace(Limits(**limits), time.clock)
    exchange = Exchange(
        Endpoint(provider.url, "tiny", account=Account(pace=pace)),
        concurrency,
        10,
        lambda: None,
        sleep=time.sleep,
        uniform=lambda low, high: (low + high) / 2,
    )
    turns = [{"role": "user", "content": "x" * 400}]
    answers: dict[int, Answer] = {}
    exchange.send([Call("chat/completions", {"messages": turns}) for _ in range(count)], answers.__setitem__)
    return [answers[position] for position in range(count)]


def test_requests_are_spread_over_the_minute_that_allows_them(provider: Provider, time: Time) -> None:
    send(provider, time, 7, requests_per_minute=60)

    assert time.now == pytest.approx(6.0)


def test_tokens_are_spread_over_the_minute_by_what_answers_really_took(provider: Provider, time: Time) -> None:
    provider.usage = lambda _: {"prompt_tokens": 900, "completion_tokens": 100}

    send(provider, time, 4, tokens_per_minute=60_000)

    assert time.now == pytest.approx(3.0)


def test_without_limits_nobody_waits(provider: Provider, time: Time) -> None:
    send(provider, time, 5)

    assert time.slept == []


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "7"}, 7.0), ({"retry-after-ms": "2500"}, 2.5)])
def test_a_refusal_is_waited_out_as_long_as_it_asks(
    provider: Provider, time: Time, headers: dict[str, str], seconds: float
) -> None:
    provider.troubles = [(429, headers)]

    (answer,) = send(provider, time, 1)

    assert (answer.failed, answer.retries) == (None, 1)
    assert time.now == pytest.approx(seconds)


def test_after_a_refusal_the_others_wait_too(provider: Provider, time: Time) -> None:
    provider.troubles = [(429, {"Retry-After": "20"})]

    answers = send(provider, time, 3, concurrency=1)

    assert [answer.failed for answer in answers] == [None] * 3
    assert time.now == pytest.approx(20)


def test_an_endpoint_that_asks_to_wait_for_an_hour_is_given_up_and_says_why(provider: Provider, time: Time) -> None:
    provider.troubles = [(429, {"Retry-After": "3600"})]

    (answer,) = send(provider, time, 1)

    assert answer.failed is not None
    assert answer.failed.endswith("(it asked to wait 3600 s; request_seconds is 10)")
    assert time.now == 0


def test_refusals_because_of_a_limit_do_not_use_up_the_attempts(provider: Provider, time: Time) -> None:
    provider.troubles = [(429, {"Retry-After": "1"})] * (client.ATTEMPTS + 4)

    (answer,) = send(provider, time, 1)

    assert (answer.failed, answer.retries) == (None, client.ATTEMPTS + 4)


def test_the_pauses_grow_and_are_drawn_from_their_whole_length(provider: Provider, time: Time) -> None:
    provider.troubles = [(500, {})] * 6

    send(provider, time, 1)

    assert time.slept == pytest.approx([0.25, 0.5, 1, 2, 4, 4])


def test_an_error_that_stays_ends_within_the_patience(provider: Provider, time: Time) -> None:
    provider.troubles = [(500, {})] * 100

    (answer,) = send(provider, time, 1)

    assert answer.retries == client.ATTEMPTS - 1
    assert time.now < 10 * client.PATIENCE


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "nan"}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "Wed, 25 Nov 2026 10:00:30 GMT"}, 30.0),
        ({"Retry-After": "Wed, 25 Nov 2026 09:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "40", "Retry-After": "1"}, 0.04),
    ],
)
def test_how_long_to_wait_may_be_said_in_three_ways(said: dict[str, str], seconds: float) -> None:
    assert asked_wait(said, lambda: 1795600800.0) == pytest.approx(seconds)


def test_a_refusal_halves_what_may_be_under_way_once_for_all_that_were(time: Time) -> None:
    pace = Pace(clock=time.clock)
    time.now = 10

    for _ in range(8):
        pace.refused(sent=9, under_way=8, wait=0)

    assert pace.room == 4


def test_each_round_of_answers_allows_one_more(time: Time) -> None:
    pace = Pace(clock=time.clock, room=4)

    for _ in range(4):
        pace.answered(1, 1)

    assert 4.8 < pace.room <= 5


def test_a_refused_endpoint_is_asked_by_fewer_at_once(provider: Provider, time: Time) -> None:
    provider.troubles = [(503, {})] * 4
    pace = Pace(clock=time.clock)
    exchange = Exchange(Endpoint(provider.url, "tiny", account=Account(pace=pace)), 8, 10, lambda: None, time.sleep)
    calls = [Call("chat/completions", {"messages": [{"content": "hello"}]})] * 40

    answers: list[Answer] = []
    exchange.send(calls, lambda _, answer: answers.append(answer))

    assert sum(answer.retries for answer in answers) == 4
    assert pace.room < 20
