"""What requests cost, and a session that stops before it passes its budget and goes on with another one."""

from collections.abc import Callable
from typing import Any

import pytest
from fake_provider import Provider

from conftest import Heard, Weighbridge
from fixtures.endpoints.account import Account
from fixtures.endpoints.plugin import lines
from fixtures.endpoints.spending import Prices, Purse, prompt_bound
from fixtures.evaluate.client import Answer, Call, Exchange
from fixtures.load.metrics import Numbers
from fixtures.load.outcome import Outcome
from fixtures.load.paying import paid
from fixtures.load.run import Plan
from fixtures.load.workload import Arrivals
from fixtures.protocols import Endpoint
from thresholds.measurement import NotMeasured

PRICES = Prices(input=1.0, output=10.0, cached_input=0.1)
ASKED = {"messages": [{"content": "hello"}], "max_completion_tokens": 50, "max_tokens": 50}
QUESTIONS = ("--samples", "8", "--runs", "1", "-m", "accuracy", "-k", "floor")


def test_tokens_cost_what_the_prices_say() -> None:
    assert PRICES.of({"prompt_tokens": 1_000_000, "completion_tokens": 100_000}) == pytest.approx(2.0)


def test_cached_tokens_cost_less() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 500}}

    assert PRICES.of(usage) == pytest.approx((500 + 50) / 1e6)
    assert Prices(input=1.0, output=10.0).of(usage) == pytest.approx(1000 / 1e6)


def test_hidden_reasoning_costs_as_output() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 300}

    assert PRICES.of(usage) == pytest.approx((100 + 200 * 10) / 1e6)


def test_half_a_count_is_none() -> None:
    with pytest.raises(KeyError):
        PRICES.of({"prompt_tokens": 100, "completion_tokens": None})
    assert PRICES.of({"prompt_tokens": 100, "total_tokens": 110}) == pytest.approx((100 + 10 * 10) / 1e6)


def test_the_worst_case_counts_every_byte_of_a_text_and_every_token_of_ids() -> None:
    assert prompt_bound({"prompt": [1, 2, 3]}) == 3
    assert prompt_bound({"messages": [{"content": "héllo"}]}) >= 6
    assert PRICES.worst({"prompt": [1, 2, 3], "max_tokens": 7}) == pytest.approx(73 / 1e6)


def sent(provider: Provider, most: float, count: int, concurrency: int = 1) -> tuple[Purse, list[Answer], str]:
    provider.takes |= {"max_tokens"}
    purse, answers, reason = Purse(most), [], ""
    endpoint = Endpoint(provider.url, "tiny", account=Account(PRICES, purse))
    try:
        Exchange(endpoint, concurrency, 10, lambda: None).send(
            [Call("chat/completions", ASKED)] * count, lambda _, answer: answers.append(answer)
        )
    except NotMeasured as error:
        reason = f"{error.reason}: {error}"
    return purse, answers, reason


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_last_request_that_surely_fits_is_sent_and_no_other(concurrency: int) -> None:
    with Provider() as provider:  # an answer costs 0.0002, and 0.00063 at worst
        purse, answers, reason = sent(provider, 0.002, 30, concurrency)

    assert purse.spent == pytest.approx(0.0002 * len(answers))
    assert 0.002 - PRICES.worst(ASKED) < purse.spent <= 0.002
    assert len(provider.asked) == len(answers)
    assert reason.startswith("budget: 0.0014 of --max-cost 0.002 are spent, and what comes next may cost 0.000633;")
    assert purse.refused
    assert purse.held == pytest.approx(0)


def test_what_was_refused_costs_nothing_and_every_attempt_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.evaluate.client.FIRST_PAUSE", 0.001)
    with Provider(troubles=[(500, {}), (429, {})]) as provider:
        purse, (answer,), _ = sent(provider, 1.0, 1)

    assert (answer.failed, answer.retries) == (None, 2)
    assert answer.cost == purse.spent == pytest.approx(0.0002)


def test_an_answer_that_counts_nothing_costs_its_worst_case() -> None:
    with Provider(usage=lambda _: {}) as provider:
        purse, _, _ = sent(provider, 1.0, 1)

    assert purse.spent == pytest.approx(PRICES.worst(ASKED))


LOAD = Plan("completions", lambda _: b"", Arrivals(concurrency=4), warm_up=2, requests=10, seconds=10)
"""16 requests at most: those that keep the load up are as many as are under way."""


def load_of(_position: int) -> dict[str, Any]:
    return {"prompt": [1] * 100, "max_tokens": 10}


def test_a_load_that_might_pass_the_budget_is_not_begun() -> None:
    account = Account(PRICES, Purse(0.0031))  # it may cost 16 x 0.0002

    with pytest.raises(NotMeasured, match=r"what comes next may cost 0.0032"), paid(account, LOAD, load_of):
        pytest.fail("it was begun")

    assert account.purse.spent == 0


def test_a_load_costs_what_its_answers_took_as_if_all_that_may_be_sent_had_been() -> None:
    account = Account(PRICES, Purse(1.0))
    details = {"prompt_tokens": 10 * 100, "output_tokens": 10 * 5}
    came = Outcome(1.0, 10, {}, Numbers({}, {}), None, details, {})

    with paid(account, LOAD, load_of) as told:
        told(came)

    assert account.purse.spent == pytest.approx(16 * (100 + 5 * 10) / 1e6)


UNPROBED = """

import fixtures.pool

fixtures.pool.of_remote = lambda *_: []
"""
"""The provider does little more than these tests are about."""


def asks(weighbridge: Weighbridge, provider: Provider, *words: str, prices: dict[str, float] | None = None) -> Heard:
    weighbridge.conftest(UNPROBED)
    weighbridge.matrix(
        ["embedded_gsm8k"],
        {"preset": "openai", "url": provider.url, "key_variable": "TINY_KEY", "concurrency": 2},
        model={} if prices is None else {"prices": prices},
    )
    weighbridge.floors({"task": "embedded_gsm8k", "samples": 8, "chat": True, "floor": 0.5})
    weighbridge.environment = {**weighbridge.environment, "TINY_KEY": "sk-very-secret-4711"}
    return weighbridge.run(*QUESTIONS, *words)


def test_a_session_stops_before_its_budget_and_goes_on_with_another_one_without_paying_twice(
    weighbridge: Weighbridge, solve: Callable[[str], str]
) -> None:
    prices = {"input": 1.0, "output": 10.0}
    with Provider(solve, usage=lambda _: {"prompt_tokens": 100, "completion_tokens": 100}) as provider:
        first = asks(weighbridge, provider, "--max-cost", "0.007", prices=prices)
        paid = len(provider.asked)
        second = asks(weighbridge, provider, "--max-cost", "1", "--resume", "-v", prices=prices)

    assert first.code == 1
    assert first.verdict(task="embedded_gsm8k")["reason"] == "budget"
    assert f"spent {0.0011 * paid:.4g} of --max-cost 0.007; it did not suffice" in first.output
    assert 3 <= paid < 9
    assert (second.code, second.runs[0]["replayed"]) == (0, paid - 1)
    assert len(provider.asked) == 8 + 2
    assert second.runs[0]["cost"] == pytest.approx(8 * 0.0011)
    assert "cost" in second.output.partition("What it took")[2]


def test_without_prices_there_is_no_cost_and_no_budget(weighbridge: Weighbridge, solve: Callable[[str], str]) -> None:
    with Provider(solve) as provider:
        free = asks(weighbridge, provider)
        refused = asks(weighbridge, provider, "--max-cost", "1")

    assert (free.code, free.runs[0]["cost"]) == (0, None)
    assert refused.code == 4
    assert "matrix.yaml:7: --max-cost needs to know what 'tiny' costs; write `prices:" in refused.output


def test_retries_and_cost_are_told_where_there_are_some(weighbridge: Weighbridge, solve: Callable[[str], str]) -> None:
    with Provider(solve) as provider:
        provider.troubles = [None, (429, {"Retry-After": "0"})]  # the first request is the proof
        provider.fingerprint = lambda number: f"fp_{number // 6}"
        heard = asks(weighbridge, provider, "-v", prices={"input": 1.0, "output": 10.0})

    took = heard.output.partition("What it took")[2]
    assert heard.code == 0, heard.output
    assert {"retries", "cost"} <= set(took.split())
    assert "system_fingerprint changed between answers (fp_0, fp_1)" in heard.output


def test_another_version_in_the_middle_of_a_session_is_not_measured(
    weighbridge: Weighbridge, solve: Callable[[str], str]
) -> None:
    with Provider(solve, version=lambda number: "tiny-1" if number < 5 else "tiny-2") as provider:
        heard = asks(weighbridge, provider)

    assert heard.code == 1
    assert heard.verdict(task="embedded_gsm8k")["reason"] == "model_changed"


def test_what_a_worker_of_xdist_refuses_is_told_in_one_line(
    weighbridge: Weighbridge, solve: Callable[[str], str]
) -> None:
    with Provider(solve) as provider:
        heard = asks(
            weighbridge, provider, "-p", "xdist", "-n", "1", "--max-cost", "1", prices={"input": 1.0, "output": 1.0}
        )

    assert heard.code != 0
    assert "--max-cost" in heard.output
    assert "INTERNALERROR" not in heard.output
    assert not provider.asked


def test_workers_of_xdist_tell_what_they_spent_together_and_whose_backend_changed(
    weighbridge: Weighbridge, solve: Callable[[str], str]
) -> None:
    prices = {"input": 1.0, "output": 10.0}
    with Provider(solve) as provider:
        provider.fingerprint = lambda number: f"fp_{number // 6}"
        heard = asks(weighbridge, provider, "-p", "xdist", "-n", "2", "--dist", "loadgroup", prices=prices)
        cost = 0.0002 * len(provider.asked)

    told = heard.output.partition(" endpoints ")[2]
    assert heard.code == 0, heard.output
    assert "system_fingerprint changed between answers (fp_0, fp_1)" in told
    assert f"spent {cost:.4g}" in told


def test_a_version_that_only_another_worker_met_is_told() -> None:
    one = {
        "url": "http://x/v1",
        "model": "tiny",
        "answered_as": "tiny-1",
        "fingerprints": ["a"],
        "cuts": False,
        "held": 0.2,
    }
    session = {"endpoints": [one], "spent": 0.5, "most": None, "out": False}
    other = {**session, "endpoints": [{**one, "answered_as": "tiny-2"}], "spent": 0.25}

    assert lines([session, session]) == ["spent 1"]
    assert lines([session, other, {**other, "spent": None}]) == [
        "tiny at http://x/v1: answered as tiny-1 and as tiny-2; name an exact version",
        "spent 0.75",
    ]
