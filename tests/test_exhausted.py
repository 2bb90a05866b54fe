"""An account with nothing left ends what is asked of it at once, in one line, and is asked no more."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fake_provider import Provider
from test_budget import ASKED, QUESTIONS, asks

from conftest import Weighbridge
from fixtures.endpoints.account import Account
from fixtures.endpoints.exhausted import exhausted
from fixtures.endpoints.spending import Prices
from fixtures.engines.openai_api import call
from fixtures.evaluate.client import Call, Exchange
from fixtures.protocols import Endpoint, EngineFailed
from thresholds.measurement import NotMeasured

SENTENCE = "You exceeded your current quota, please check your plan and billing details."
OPENAI = {"error": {"message": SENTENCE, "type": "insufficient_quota", "code": "insufficient_quota"}}
ANTHROPIC = {
    "type": "error",
    "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."},
}


def google(limit: str) -> Any:
    failure = {"@type": "google.rpc.QuotaFailure", "violations": [{"quotaId": f"GenerateRequests{limit}PerModel"}]}
    said = f"{SENTENCE} Please retry in 21.5s."
    return [{"error": {"code": 429, "message": said, "status": "RESOURCE_EXHAUSTED", "details": [failure]}}]


@pytest.mark.parametrize(
    ("status", "body", "is_so"),
    [
        (429, OPENAI, True),
        (429, {"error": {"message": SENTENCE, "type": "insufficient_quota", "code": None}}, True),
        (400, ANTHROPIC, True),
        (402, {"error": {"message": "Insufficient Balance"}}, True),
        (403, {"error": "Your team has used all available credits"}, True),
        (429, google("PerDay"), True),
        (429, google("PerMinute"), False),
        (429, {"error": {"message": "Rate limit reached for tokens per min", "code": "rate_limit_exceeded"}}, False),
        (400, {"error": {"message": "bad request"}, "prompt": "Insufficient funds: what does it mean?"}, False),
        (500, OPENAI, False),
        (429, "no json {", False),
        (429, [[[]], 3, None], False),
    ],
)
def test_what_says_that_nothing_is_left_is_told_from_what_passes(status: int, body: Any, is_so: bool) -> None:
    assert exhausted(status, body if isinstance(body, str) else json.dumps(body)) is is_so


def test_an_exhausted_account_ends_the_questions_at_the_first_refusal_and_costs_nothing() -> None:
    account = Account(Prices(input=1.0, output=10.0))
    with Provider(troubles=[(429, {}, OPENAI)] * 40) as provider:
        provider.takes |= {"max_tokens"}
        exchange = Exchange(Endpoint(provider.url, "tiny", account=account), 1, 10, lambda: None)
        with pytest.raises(NotMeasured) as caught:
            exchange.send([Call("chat/completions", ASKED)] * 10, lambda *_: None)
        with pytest.raises(NotMeasured) as again:
            exchange.send([Call("chat/completions", ASKED)] * 10, lambda *_: None)

    assert len(provider.asked) == 1
    assert caught.value.reason == again.value.reason == "account_exhausted"
    assert str(caught.value) == str(again.value)
    assert "nothing left (HTTP 429: " in str(caught.value)
    assert SENTENCE in str(caught.value)
    assert "\n" not in str(caught.value)
    assert account.purse.spent == 0


def test_a_proof_is_not_repeated_on_an_exhausted_account() -> None:
    with Provider(troubles=[(429, {}, OPENAI)] * 9) as provider:
        provider.takes |= {"max_tokens"}
        with pytest.raises(EngineFailed) as caught:
            call(Endpoint(provider.url, "tiny"), "chat/completions", ASKED)

    assert (caught.value.reason, len(provider.asked)) == ("account_exhausted", 1)


def test_a_session_whose_account_runs_dry_says_so_once_and_goes_on_later(
    weighbridge: Weighbridge, solve: Callable[[str], str]
) -> None:
    with Provider(solve) as provider:
        provider.troubles = [*[None] * 5, *[(429, {}, OPENAI)] * 9]
        first = asks(weighbridge, provider)
        provider.troubles = []
        second = weighbridge.run(*QUESTIONS, "--resume")

    assert first.code == 1
    assert first.verdict(task="embedded_gsm8k")["reason"] == "account_exhausted"
    assert "--resume" in " ".join(first.verdict(task="embedded_gsm8k")["lines"])
    assert (second.code, second.runs[0]["replayed"]) in {(0, 3), (0, 4)}  # one may be under way at the refusal
