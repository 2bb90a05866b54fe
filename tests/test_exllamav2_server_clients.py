"""Our own clients on the ExLlamaV2 server: prompt log-probabilities, whole sessions, and loads."""

import math
from collections.abc import Callable, Iterator

import pytest
from load_servers import load, workload
from toy_engine import ToyEngine, checkpoint

from conftest import Weighbridge
from fixtures.engines.openai_api import first_answer, served_models
from fixtures.evaluate.client import Answer, Call, Exchange
from fixtures.evaluate.tokens import Tokens
from fixtures.probe.conformance import Known, probe
from fixtures.probe.finding import Status
from fixtures.probe.template import Template
from fixtures.protocols import Endpoint

pytestmark = pytest.mark.timeout(180)

PROMPT = list(b"the rain in spain stays mainly ")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyEngine]:
    model = checkpoint(tmp_path_factory.mktemp("toy") / "model", max_position_embeddings=8192, eos_token_id=None)
    with ToyEngine(model, "--cache", "q8", "--max-batch-size", "8") as engine:
        yield engine


def test_no_probe_of_an_endpoint_finds_a_defect_or_something_absent(toy: ToyEngine) -> None:
    known = Known(Tokens.load(str(toy.model)), Template.load(str(toy.model)))
    found = probe(Endpoint(toy.url, "tiny"), known=known)

    assert [finding.plain() for finding in found if finding.status in (Status.DEFECT, Status.ABSENT)] == []
    assert sum(finding.status is Status.OK for finding in found) > 15


def test_the_proofs_of_a_remote_engine_pass(toy: ToyEngine) -> None:
    endpoint = Endpoint(toy.url, "tiny")

    assert first_answer(endpoint, chat=True)["choices"]
    assert served_models(endpoint)[0]["max_model_len"] == 8192


def test_echo_tells_of_every_prompt_token_and_of_one_behind_them(toy: ToyEngine) -> None:
    (choice,) = toy.post(prompt=PROMPT, max_tokens=1, temperature=0, logprobs=2, echo=True)["choices"]

    told = choice["logprobs"]
    assert choice["text"] == bytes(PROMPT).decode() + told["tokens"][-1]
    assert told["tokens"][:-1] == [chr(byte) for byte in PROMPT]
    assert told["token_logprobs"][0] is told["top_logprobs"][0] is None
    assert all(value < 0 for value in told["token_logprobs"][1:])
    assert told["text_offset"] == list(range(len(PROMPT) + 1))
    assert all(2 <= len(top) <= 3 for top in told["top_logprobs"][1:])
    assert all(
        top[token] == value
        for token, value, top in zip(told["tokens"], told["token_logprobs"], told["top_logprobs"], strict=True)
        if top is not None
    )


def test_log_probabilities_of_a_prompt_are_those_that_its_tokens_had_as_an_answer(toy: ToyEngine) -> None:
    asked = {"temperature": 0, "logprobs": 3, "return_tokens_as_token_ids": True}
    answer = toy.post(prompt=PROMPT, max_tokens=40, ignore_eos=True, **asked)["choices"][0]["logprobs"]
    ids = [int(token.removeprefix("token_id:")) for token in answer["tokens"]]

    echoed = toy.post(prompt=PROMPT + ids, max_tokens=1, echo=True, **asked)["choices"][0]["logprobs"]

    assert len(ids) == 40
    for name in ("tokens", "token_logprobs", "top_logprobs"):
        assert echoed[name][len(PROMPT) : -1] == answer[name]
    assert [max(top.values()) for top in answer["top_logprobs"]] == answer["token_logprobs"]
    assert all(sum(map(math.exp, top.values())) < 1 for top in answer["top_logprobs"])


def test_an_echo_may_be_followed_by_a_whole_answer_or_by_nothing(toy: ToyEngine) -> None:
    asked = {"prompt": PROMPT, "temperature": 0, "logprobs": 1, "ignore_eos": True}
    plain = toy.post(**asked, max_tokens=5)["choices"][0]

    long, none = (toy.post(**asked, echo=True, max_tokens=limit) for limit in (5, 0))

    assert long["choices"][0]["text"] == bytes(PROMPT).decode() + plain["text"]
    assert long["choices"][0]["logprobs"]["tokens"][-5:] == plain["logprobs"]["tokens"]
    assert len(long["choices"][0]["logprobs"]["tokens"]) == len(PROMPT) + 5
    assert none["choices"][0]["text"] == bytes(PROMPT).decode()
    assert len(none["choices"][0]["logprobs"]["tokens"]) == len(PROMPT)
    assert none["usage"]["completion_tokens"] == 0


def test_a_long_prompt_is_scored_as_its_parts_are(toy: ToyEngine) -> None:
    asked = {"max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": True}
    long = (PROMPT * 50)[:1500]

    whole = toy.post(prompt=long, **asked)["choices"][0]["logprobs"]["token_logprobs"]
    part = toy.post(prompt=long[:700], **asked)["choices"][0]["logprobs"]["token_logprobs"]

    assert whole[:700] == part[:700]
    assert len(whole) == 1501


def test_stock_scores_of_a_session_are_counted_and_none_fails(
    toy: ToyEngine, checkout: Callable[[], Weighbridge]
) -> None:
    inner = checkout()
    tasks = ["embedded_arc_challenge", "embedded_gsm8k"]
    inner.matrix(tasks, {"url": toy.url, "max_tokens": 24, "concurrency": 8})
    inner.floors()

    heard = inner.run("-m", "accuracy", "--samples", "12", "--max-runs", "1", "--runs", "1")

    assert {run["task"] for run in heard.runs} == set(tasks), heard.output
    items = [item for run in heard.runs for item in run["items"]]
    assert len(items) == 24
    assert [item["failed"] for item in items] == [None] * 24
    assert all(item["prompt_tokens"] for item in items)
    generated = next(run for run in heard.runs if run["task"] == "embedded_gsm8k")["items"]
    assert all(0 < item["completion_tokens"] <= 24 for item in generated)


@pytest.mark.parametrize("chat", [False, True])
def test_a_load_is_valid_and_its_tokens_are_those_that_the_server_counted(toy: ToyEngine, chat: bool) -> None:
    loaded = load(toy.url, workload(tokens=12, requests=16, streams=4), chat=chat, counting=True)

    assert loaded.failures == {}
    told = loaded.outcome.details
    assert told["client_tokens"] == told["server_tokens"] >= 16 * 12


def test_prompts_are_scored_and_answers_made_at_the_same_time_as_one_after_the_other(toy: ToyEngine) -> None:
    scored = {"max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": True}
    drawn = {"max_tokens": 30, "temperature": 1, "seed": 7, "logprobs": 1}
    calls = [
        Call("completions", {"prompt": PROMPT * 10 + [65 + number], **(scored if number % 3 else drawn)})
        for number in range(24)
    ]
    alone = [toy.post(**call.payload)["choices"] for call in calls]
    together: dict[int, Answer] = {}

    exchange = Exchange(Endpoint(toy.url, "tiny"), 8, 60, lambda: None)
    exchange.send(calls, together.__setitem__)

    assert [together[place].body["choices"] for place in range(24)] == alone


def test_what_was_cached_before_a_prompt_was_scored_is_not_taken_for_what_it_was(toy: ToyEngine) -> None:
    asked = {"prompt": PROMPT * 20, "max_tokens": 20, "temperature": 0, "logprobs": 1}
    scored = {"prompt": list(b"something else ") * 200, "max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": True}

    toy.post(**scored)
    before = toy.post(**asked)["choices"]
    toy.post(**scored)

    assert toy.post(**asked)["choices"] == before
