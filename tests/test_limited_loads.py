"""Limits by the minute hold for loads, proofs and probes too: a load is refused before it could pass them."""

import time as real
from collections.abc import Callable
from typing import Any

import pytest
from fake_engine import FakeEngine, Script
from fake_provider import Provider
from test_budget import ASKED

from conftest import Weighbridge
from fixtures.endpoints.account import Account
from fixtures.endpoints.pace import Limits, Pace
from fixtures.engines.openai_api import call
from fixtures.load.paying import paid
from fixtures.load.run import Plan
from fixtures.load.workload import Arrivals
from fixtures.probe.asking import CHAT, Subject
from fixtures.protocols import Endpoint
from thresholds.measurement import NotMeasured


class Clock:
    """Time that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("fixtures.endpoints.pace.time.sleep", clock.sleep)
    return clock


def limited(clock: Callable[[], float] = real.monotonic, **limits: int) -> Account:
    return Account(pace=Pace(Limits(**limits), clock))


def plan(requests: int, **arrivals: Any) -> Plan:
    return Plan("completions", lambda _: b"", Arrivals(**arrivals), warm_up=2, requests=requests, seconds=10)


def asked(_position: int) -> dict[str, Any]:
    return {"prompt": [1] * 90, "max_tokens": 10}


def begun(account: Account, load: Plan) -> str:
    """Why a load is refused; empty where it is begun."""
    try:
        with paid(account, load, asked):
            return ""
    except NotMeasured as error:
        return str(error) if error.reason == "beyond_limits" else repr(error)


def test_a_closed_loop_of_more_requests_than_a_minute_allows_is_refused_with_the_arithmetic() -> None:
    said = begun(limited(requests_per_minute=60), plan(60, concurrency=4))

    assert said.startswith("a load of up to 66 requests of up to 100 tokens: 66 requests may come within a minute")
    assert "`limits:` allow 60; ask fewer, or let them arrive at a rate of 1 a second at most" in said


def test_a_load_of_more_tokens_than_a_minute_allows_is_refused_too() -> None:
    said = begun(limited(requests_per_minute=600, tokens_per_minute=3000), plan(30, concurrency=4))

    assert "3,600 tokens may come within a minute, and `limits:` allow 3,000" in said
    assert "at a rate of 0.5 a second" in said


@pytest.mark.parametrize(
    "load", [plan(54, concurrency=4), plan(300, rate=1.0, process="constant")], ids=["few", "slow"]
)
def test_a_load_that_cannot_pass_its_limits_is_begun(load: Plan, clock: Clock) -> None:
    assert begun(limited(clock, requests_per_minute=60, tokens_per_minute=6000), load) == ""


def test_arrivals_that_are_too_fast_or_come_in_bursts_are_refused() -> None:
    assert "70 requests" in begun(limited(requests_per_minute=69), plan(300, rate=70 / 60, process="constant"))
    assert begun(limited(requests_per_minute=60), plan(300, rate=1.0, process="poisson"))


@pytest.mark.parametrize(
    "limits",
    [{"requests_per_minute": 9}, {"requests_per_minute": 285}, {"tokens_per_minute": 3370}, {"tokens_per_minute": 350}],
    ids=str,
)
def test_the_rate_that_is_advised_is_taken(limits: dict[str, int]) -> None:
    said = begun(limited(**limits), plan(600, concurrency=4))
    rate = float(said.rpartition("a rate of ")[2].partition(" a second")[0])

    assert begun(limited(lambda: 1000.0, **limits), plan(600, rate=rate, process="constant")) == ""


def test_without_limits_nothing_is_reckoned() -> None:
    assert begun(Account(), plan(10**6, concurrency=4)) == ""


def test_a_load_has_its_minute_for_itself(clock: Clock) -> None:
    account = limited(clock, requests_per_minute=60)

    account.pace.wait(1)
    began = clock.now
    with paid(account, plan(54, concurrency=4), asked):
        load = clock.now
    account.pace.wait(1)

    assert load == pytest.approx(began + 60)
    assert clock.now >= load + 60


def test_a_load_does_not_begin_while_the_endpoint_asked_to_be_left_alone(clock: Clock) -> None:
    account = limited(clock)

    account.pace.refused(clock.now, 1, 30)
    with paid(account, plan(54, concurrency=4), asked):
        began = clock.now

    assert began == pytest.approx(1030)


def test_proofs_and_probes_keep_the_pace(clock: Clock) -> None:
    account = limited(clock, requests_per_minute=6)
    with Provider() as provider:
        provider.takes |= {"max_tokens", "max_completion_tokens"}
        endpoint = Endpoint(provider.url, "tiny", account=account)
        call(endpoint, "chat/completions", ASKED)
        on = Subject(endpoint, CHAT, None)
        on.ask(on.greedy())
        on.ask(on.greedy(), again=1)

    assert len(provider.asked) == 3
    assert clock.now == pytest.approx(1020)


def test_a_session_says_that_a_load_would_pass_its_limits_and_sends_none_of_it(weighbridge: Weighbridge) -> None:
    weighbridge.workloads(chat={"arrivals": {"concurrency": 4}, "requests": 8, "output": {"tokens": 4}})
    with FakeEngine(Script()) as fake:
        weighbridge.matrix([], {"url": fake.url, "limits": {"requests_per_minute": 12}}, workloads=["chat"])
        weighbridge.conftest("\nimport fixtures.pool\n\nfixtures.pool.of_remote = lambda *_: []\n")
        heard = weighbridge.run("-m", "throughput")
        streams = [one for one in fake.requests if one.payload.get("stream")]

    assert {verdict["reason"] for verdict in heard.verdicts} == {"beyond_limits"}
    assert "16 requests may come within a minute, and `limits:` allow 12" in heard.output
    assert streams == []
