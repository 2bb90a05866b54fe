"""The ExLlamaV2 server speaks the protocol that our clients need of vLLM's, as a process of its own."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_engine import END
from toy_engine import ToyEngine, checkpoint

from fixtures.engines.causes import cause
from fixtures.engines.exllamav2_server.options import parse

pytestmark = pytest.mark.timeout(120)

PROMPT = list(b"the rain mainly ")
"""Behind it the toy says 40 letters and more before it ends."""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyEngine]:
    model = checkpoint(tmp_path_factory.mktemp("toy") / "model")
    with ToyEngine(model, "--max-model-len", "1024", "--max-batch-size", "4") as engine:
        yield engine


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyEngine]:
    """One request at a time, 10 ms a step, behind a key."""
    model = checkpoint(tmp_path_factory.mktemp("slow") / "model", quantization_config={"quant_method": "exl2"})
    environment = {"STAND_IN_PAGED": "0", "STAND_IN_STEP": "0.01", "TOY_KEY": "sk-toy-4711"}
    with ToyEngine(
        model, "--cache", "q4", "--gpu-split", "1,1", "--key-variable", "TOY_KEY", environment=environment
    ) as engine:
        engine.key = "sk-toy-4711"
        yield engine


def counts(body: Mapping[str, Any]) -> dict[str, int]:
    """Tokens of an answer; how many were cached depends on what was asked before."""
    return {name: told for name, told in body["usage"].items() if name != "prompt_tokens_details"}


def until(holds: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_completion_has_text_usage_and_a_reason(toy: ToyEngine) -> None:
    body = toy.post(prompt=PROMPT, max_tokens=9, temperature=0, ignore_eos=True)

    (choice,) = body["choices"]
    assert (body["object"], body["model"], choice["finish_reason"]) == ("text_completion", "tiny", "length")
    assert len(choice["text"]) == 9
    assert counts(body) == {"prompt_tokens": 16, "completion_tokens": 9, "total_tokens": 25}


@pytest.mark.parametrize("limit", [1, 2, 7, 300])
def test_max_tokens_is_honoured_exactly(toy: ToyEngine, limit: int) -> None:
    body = toy.post(prompt=PROMPT, max_tokens=limit, temperature=1, seed=5, ignore_eos=True)

    assert body["usage"]["completion_tokens"] == limit


def test_text_and_its_token_ids_are_one_prompt(toy: ToyEngine) -> None:
    asked = {"max_tokens": 20, "temperature": 0}

    assert toy.post(prompt=bytes(PROMPT).decode(), **asked)["choices"] == toy.post(prompt=PROMPT, **asked)["choices"]


def test_several_prompts_have_an_answer_each(toy: ToyEngine) -> None:
    body = toy.post(prompt=[PROMPT, list(b"other")], max_tokens=5, temperature=0, ignore_eos=True)

    alone = [toy.post(prompt=p, max_tokens=5, temperature=0, ignore_eos=True) for p in (PROMPT, list(b"other"))]
    assert [choice["text"] for choice in body["choices"]] == [one["choices"][0]["text"] for one in alone]
    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    assert body["usage"]["completion_tokens"] == 10


def test_the_same_seed_draws_the_same_answer_and_another_one_another(toy: ToyEngine) -> None:
    def drawn(seed: int) -> str:
        return str(toy.post(prompt=PROMPT, max_tokens=60, temperature=1, seed=seed)["choices"][0]["text"])

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(4)}) == 4


def test_the_most_likely_token_alone_is_left_by_top_k_top_p_and_min_p(toy: ToyEngine) -> None:
    asked = {"prompt": PROMPT, "max_tokens": 40, "ignore_eos": True}
    greedy = toy.post(**asked, temperature=0)["choices"][0]["text"]

    for narrowed in ({"top_k": 1}, {"top_p": 0.001}, {"min_p": 1.0}):
        assert toy.post(**asked, temperature=1, seed=3, **narrowed)["choices"][0]["text"] == greedy


def test_an_answer_ends_at_its_own_end_unless_that_is_ignored(toy: ToyEngine) -> None:
    asked = {"prompt": PROMPT, "max_tokens": 900, "temperature": 1, "seed": 1, "top_k": 8}
    ended, ignored = toy.post(**asked), toy.post(**asked, ignore_eos=True)

    assert ended["choices"][0]["finish_reason"] == "stop"
    assert ended["choices"][0]["stop_reason"] == END
    assert ended["usage"]["completion_tokens"] == len(ended["choices"][0]["text"].encode()) + 1 < 900
    assert (ignored["choices"][0]["finish_reason"], ignored["usage"]["completion_tokens"]) == ("length", 900)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_stop_string_ends_the_answer_before_it(toy: ToyEngine, length: int) -> None:
    asked = {"prompt": PROMPT, "max_tokens": 60, "temperature": 0, "ignore_eos": True}
    whole = toy.post(**asked)["choices"][0]["text"]
    stop = whole[20 : 20 + length]

    (choice,) = toy.post(**asked, stop=["never said", stop])["choices"]

    assert choice["text"] == whole[: whole.index(stop)]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop)


def test_a_stop_string_that_the_last_allowed_token_completes_is_cut_as_well(toy: ToyEngine) -> None:
    asked = {"prompt": PROMPT, "temperature": 0, "ignore_eos": True}
    whole = toy.post(**asked, max_tokens=12)["choices"][0]["text"]
    stop = whole[-3:]

    (choice,) = toy.post(**asked, max_tokens=whole.index(stop) + 3, stop=stop)["choices"]

    assert (choice["text"], choice["finish_reason"]) == (whole[: whole.index(stop)], "stop")


def test_text_that_only_begins_like_a_stop_string_is_not_lost_at_the_end(toy: ToyEngine) -> None:
    asked = {"prompt": PROMPT, "max_tokens": 900, "temperature": 1, "seed": 1, "top_k": 8}
    whole = toy.post(**asked)["choices"][0]

    (choice,) = toy.post(**asked, stop=[whole["text"][-2:] + "\N{SNOWMAN}"])["choices"]

    assert choice["text"] == whole["text"]


def test_a_stream_says_what_the_whole_answer_says(toy: ToyEngine) -> None:
    asked = {"prompt": PROMPT, "max_tokens": 30, "temperature": 0, "ignore_eos": True}
    whole = toy.post(**asked)

    events = toy.stream(**asked, stream_options={"include_usage": True})

    *chunks, last = events
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == whole["choices"][0]["text"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 29 + ["length"]
    assert (last["choices"], counts(last)) == ([], counts(whole))
    assert all(chunk["usage"] is None for chunk in chunks)


def test_usage_grows_with_every_chunk_where_that_is_asked_for(toy: ToyEngine) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    events = toy.stream(prompt=PROMPT, max_tokens=5, temperature=0, ignore_eos=True, stream_options=options)

    assert [event["usage"]["completion_tokens"] for event in events] == [1, 2, 3, 4, 5, 5]


def test_a_chat_is_written_by_the_models_own_template(toy: ToyEngine) -> None:
    turns = [{"role": "user", "content": "hello"}]
    asked = {"temperature": 0, "ignore_eos": True}
    chat = toy.post("chat/completions", messages=turns, max_completion_tokens=12, **asked)
    plain = toy.post(prompt="<user>hello\n<assistant>", max_tokens=12, **asked)

    assert chat["choices"][0]["message"] == {"role": "assistant", "content": plain["choices"][0]["text"]}
    assert counts(chat) == counts(plain)
    assert chat["object"] == "chat.completion"


def test_a_streamed_chat_begins_with_a_role_and_no_token(toy: ToyEngine) -> None:
    turns = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    first, *others = toy.stream("chat/completions", messages=turns, max_tokens=3, temperature=0, ignore_eos=True)

    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [len(event["choices"][0]["delta"]["content"]) for event in others] == [1, 1, 1]


def test_a_chat_without_a_limit_may_fill_the_context(toy: ToyEngine) -> None:
    body = toy.post("chat/completions", messages=[{"role": "user", "content": "hi"}], temperature=0, ignore_eos=True)

    assert body["usage"]["total_tokens"] == 1024


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"prompt": [65] * 1000, "max_tokens": 25}, "1000 tokens of prompt and 25 of answer are more than the context"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "the prompt holds no token"),
        ({"prompt": "\ud800"}, "the prompt holds half a surrogate pair"),
        ({"prompt": [257]}, "token 257 is not one of the model's 257"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens must be at least 1"),
        ({"prompt": "a", "top_p": 0}, "top_p"),
        ({"prompt": "a", "n": 2}, "n: Input should be less than or equal to 1"),
        ({"prompt": "a", "presence_penalty": 0.5}, "presence_penalty"),
        ({"prompt": "a", "guided_json": {}}, "guided_json: Extra inputs are not permitted"),
        ({"prompt": ["a", "b"], "stream": True}, "a stream answers one prompt"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_the_field_is_named(
    toy: ToyEngine, payload: dict[str, object], words: str
) -> None:
    status, body = toy.status(**payload)

    assert (status, body["error"]["code"], body["error"]["type"]) == (400, 400, "BadRequestError")
    assert words in body["error"]["message"]


def test_fields_that_ask_for_nothing_are_taken(toy: ToyEngine) -> None:
    nothing = {"n": 1, "best_of": 1, "presence_penalty": 0.0, "frequency_penalty": 0, "repetition_penalty": 1.0}

    assert toy.status(prompt="a", max_tokens=1, **nothing, logit_bias={}, suffix=None, top_k=-1, user="me")[0] == 200


def test_a_request_that_fits_exactly_is_answered(toy: ToyEngine) -> None:
    body = toy.post(prompt=[65] * 1000, max_tokens=24, temperature=0, ignore_eos=True)

    assert body["usage"]["total_tokens"] == 1024


def test_a_model_of_another_name_is_not_found(toy: ToyEngine) -> None:
    assert toy.status(model="other", prompt="a")[0] == 404


def test_prompt_tokens_are_counted_and_a_repeated_prompt_comes_from_the_cache(toy: ToyEngine) -> None:
    prompt = list(b"a long beginning, " * 40)
    names = ("prompt_tokens_total", "generation_tokens_total", "prefix_cache_queries_total", "prefix_cache_hits_total")
    before = [toy.counted(name) for name in names]

    bodies = [toy.post(prompt=prompt, max_tokens=4, temperature=0, ignore_eos=True) for _ in range(2)]

    moved = [toy.counted(name) - old for name, old in zip(names, before, strict=True)]
    assert moved == [1440, 8, 1440, 719]
    assert [body["usage"]["prompt_tokens_details"]["cached_tokens"] for body in bodies] == [0, 719]


def test_what_was_loaded_is_told(toy: ToyEngine, slow: ToyEngine) -> None:
    (served,) = toy.served()
    (other,) = slow.served()

    assert (served["id"], served["max_model_len"]) == ("tiny", 1024)
    plain, small = served["properties"], other["properties"]
    assert (plain["quantization"], plain["cache"], plain["paged"], plain["draft"]) == ("none", "fp16", True, "none")
    assert plain["cache_tokens"] == 4 * 1024
    assert (small["quantization"], small["cache"], small["paged"]) == ("exl2", "q4", False)
    assert small["max_batch_size"] == 1
    assert "Flash Attention" in small["unpaged_because"]
    assert "loaded unpaged_because: Paged attention required Flash Attention" in slow.process.text()


def test_a_client_that_leaves_frees_its_place(slow: ToyEngine) -> None:
    long = {"prompt": "a", "max_tokens": 2000, "ignore_eos": True}
    for stream in (True, False):
        slow.leave_in_the_middle(**long, stream=stream)

    assert until(lambda: slow.counted("num_requests_running") == slow.counted("num_requests_waiting") == 0, 5)
    assert slow.post(prompt="a", max_tokens=2, ignore_eos=True)["usage"]["completion_tokens"] == 2


def test_the_key_is_asked_for_and_never_told(slow: ToyEngine) -> None:
    key, slow.key = slow.key, "sk-wrong"
    try:
        assert slow.status(prompt="a")[0] == 401
    finally:
        slow.key = key
    assert slow.status(prompt="a", max_tokens=1)[0] == 200
    assert "sk-toy" not in slow.process.text() + str(slow.process.command)


def test_an_engine_that_fails_says_so_to_those_who_wait_and_ends(tmp_path: Path) -> None:
    with ToyEngine(checkpoint(tmp_path / "model")) as toy:
        status, body = toy.status(prompt="\0 fails, and", max_tokens=3)

        assert (status, body["error"]["type"]) == (500, "InternalServerError")
        assert "the engine failed: RuntimeError: CUDA error" in body["error"]["message"]
        assert until(lambda: not toy.process.alive())
        assert "exit code 1" in str(toy.process.failure("it ended"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("RuntimeError: Insufficient VRAM for model and cache", "out_of_memory"),
        ("AssertionError: Insufficient space in device allocation", "out_of_memory"),
        ("error: --model: missing weights: /x holds no config.json", "missing_weights"),
    ],
)
def test_a_start_that_failed_has_a_cause(line: str, code: str) -> None:
    assert cause([line]) == (code, line)


def test_a_folder_without_a_checkpoint_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--model", str(tmp_path)])
    assert f"--model: missing weights: {tmp_path} holds no config.json" in capsys.readouterr().err
