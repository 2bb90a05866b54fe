"""What the ExLlamaV2 server refuses, and what of a request that failed or was left goes on: nothing."""

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_engine import END
from toy_engine import ToyEngine, checkpoint

pytestmark = pytest.mark.timeout(120)

PROMPT = list(b"the rain mainly ")
ASKED = {"prompt": PROMPT, "temperature": 0, "ignore_eos": True}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyEngine]:
    """One that drafts, so that a prompt of one token is accepted and then refused by the engine."""
    model = checkpoint(tmp_path_factory.mktemp("toy") / "model", max_position_embeddings=4096)
    with ToyEngine(model, "--ngram", "--max-batch-size", "4", environment={"STAND_IN_STEP": "0.005"}) as engine:
        yield engine


def idle(toy: ToyEngine, seconds: float = 2) -> bool:
    """Whether nothing is computed and nothing waits, soon."""
    return until(lambda: toy.counted("num_requests_running") == toy.counted("num_requests_waiting") == 0, seconds)


@contextlib.contextmanager
def asking(toy: ToyEngine, **payload: object) -> Iterator[None]:
    """A client that waits for its answer as long as the block takes, and then hangs up."""
    connection = http.client.HTTPConnection("127.0.0.1", toy.port, timeout=30)
    connection.request("POST", "/v1/completions", json.dumps(payload), {"Content-Type": "application/json"})
    yield
    connection.close()


def until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"prompt": [True, False]}, "prompt"),
        ({"prompt": [65, True]}, "prompt"),
        ({"prompt": [[65], [True]]}, "prompt"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"logprobs": True}, "logprobs"),
        ({"seed": True}, "seed"),
        ({"top_k": True}, "top_k"),
        ({"temperature": True}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"n": True}, "n"),
        ({"n": 2}, "n"),
        ({"best_of": True}, "best_of"),
        ({"best_of": 2}, "best_of"),
        ({"min_tokens": False}, "min_tokens"),
        ({"logit_bias": {"65": True}}, "logit_bias"),
        ({"logit_bias": {"65": 1}}, "logit_bias"),
        ({"banned_strings": ["a"]}, "banned_strings"),
        ({"token_healing": True}, "token_healing"),
        ({"prompt": ["a", ""]}, "prompt"),
        ({"prompt": [[65], []]}, "prompt"),
        ({"stop": [7]}, "stop"),
        ({"stop": ["\ud800"]}, None),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_what_is_not_done_as_asked_is_refused(toy: ToyEngine, payload: dict[str, object], field: str | None) -> None:
    status, body = toy.status(**{**ASKED, "max_tokens": 2, **payload})

    assert (status, body["error"]["type"]) == (400, "BadRequestError")
    assert field is None or str(body["error"]["param"]).startswith(field)


def test_a_token_that_is_none_is_named_by_its_place(toy: ToyEngine) -> None:
    _, body = toy.status(**{**ASKED, "prompt": [65, True]})

    assert body["error"]["param"] == "prompt.1"
    assert body["error"]["message"] == "prompt.1: Input should be a valid integer"


def test_one_prompt_that_fails_ends_those_beside_it(toy: ToyEngine) -> None:
    status, _ = toy.status(prompt=[PROMPT, [65]], max_tokens=3000, ignore_eos=True)

    assert status == 400
    assert idle(toy)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_while_it_waits_waits_no_more(toy: ToyEngine, stream: bool) -> None:
    for _ in range(6):  # more than are computed at a time
        toy.leave_in_the_middle(prompt=PROMPT, max_tokens=3000, ignore_eos=True, stream=stream)

    assert idle(toy)


@pytest.mark.parametrize("paged", ["1", "0"])
def test_a_client_that_leaves_while_its_prompt_is_read_leaves_nothing_wrong_behind(tmp_path: Path, paged: str) -> None:
    model = checkpoint(tmp_path / "model", max_position_embeddings=8192)
    asked = {"prompt": (PROMPT * 400)[:6000], "temperature": 0, "logprobs": 1, "ignore_eos": True}
    with ToyEngine(model, environment={"STAND_IN_PAGED": paged, "STAND_IN_STEP": "0.2"}) as toy:
        for _ in range(2):
            with asking(toy, **asked, max_tokens=2000):
                assert until(lambda: toy.counted("num_requests_running") > 0, 5)
            assert idle(toy, 4)
        generated = toy.counted("generation_tokens_total")
        after = toy.post(**asked, max_tokens=8)["choices"]

    assert generated < 40  # of the 4,000 that were asked for
    with ToyEngine(model, environment={"STAND_IN_PAGED": paged}) as fresh:
        assert fresh.post(**asked, max_tokens=8)["choices"] == after


def test_several_prompts_of_text_are_answered_in_their_order(toy: ToyEngine) -> None:
    prompts = ["the rain in spain", "mainly", "stays in the plain and nowhere else"]
    asked = {"max_tokens": 7, "temperature": 0, "ignore_eos": True, "echo": True}

    choices = toy.post(prompt=prompts, **asked)["choices"]

    assert [choice["text"][: len(prompt)] for choice, prompt in zip(choices, prompts, strict=True)] == prompts
    assert choices == [{**toy.post(prompt=p, **asked)["choices"][0], "index": at} for at, p in enumerate(prompts)]


@pytest.mark.parametrize("length", [1, 2, 5, 40])
def test_a_stop_string_over_several_events_is_in_none_of_them(toy: ToyEngine, length: int) -> None:
    whole = toy.post(**ASKED, max_tokens=120)["choices"][0]["text"]
    stop = whole[50 : 50 + length]

    told = [e["choices"][0] for e in toy.stream(**ASKED, max_tokens=120, stop=[stop, "\N{SNOWMAN}" * 5000])]

    assert "".join(one["text"] for one in told) == whole[: whole.index(stop)]
    assert [one["finish_reason"] for one in told] == [None] * (len(told) - 1) + ["stop"]


def test_usage_comes_last_and_alone_and_only_where_it_is_asked_for(toy: ToyEngine) -> None:
    asked = {**ASKED, "max_tokens": 9}
    *chunks, last = toy.stream(**asked, stream_options={"include_usage": True})

    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 9)
    assert all("usage" not in event for event in toy.stream(**asked))
    assert len(chunks) == len(toy.stream(**asked, stream_options={"include_usage": False}))


@pytest.mark.parametrize("limit", range(1, 5))
def test_a_character_that_the_end_cuts_off_is_said_alike_in_a_stream(toy: ToyEngine, limit: int) -> None:
    asked = {"prompt": [*PROMPT, 0xE2, 0x98], "temperature": 1, "seed": 4, "max_tokens": limit}
    whole = toy.post(**asked)["choices"][0]["text"]

    assert "".join(event["choices"][0]["text"] for event in toy.stream(**asked)) == whole


def test_every_end_that_the_checkpoint_names_ends_an_answer(tmp_path: Path) -> None:
    letter = ord("o")
    with ToyEngine(checkpoint(tmp_path / "model", eos_token_id=[END, letter])) as toy:
        assert toy.served()[0]["properties"]["stop_tokens"] == [letter, END]
        (choice,) = toy.post(prompt=PROMPT, max_tokens=200, temperature=1, seed=3)["choices"]

    assert choice["finish_reason"] == "stop"
    assert "o" not in choice["text"]
