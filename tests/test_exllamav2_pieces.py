"""What the ExLlamaV2 server calls tokens beside log-probabilities: they join to the text, and each has its place."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

import pytest
from sentencepiece_toy import sentencepiece_checkpoint, tokenizer, vocabulary
from toy_engine import ToyEngine

from fixtures.engines.exllamav2_server.pieces import Growing, Pieces

pytestmark = pytest.mark.timeout(120)

IDS = {name: place for place, name in enumerate(vocabulary())}


@pytest.fixture(params=[True, False], ids=["Metaspace", "Replace and Strip"])
def sentences(request: pytest.FixtureRequest) -> Any:
    """A tokenizer as SentencePiece's are."""
    return tokenizer(metaspace=request.param)


@pytest.fixture(scope="module", params=[True, False], ids=["Metaspace", "Replace and Strip"])
def toy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyEngine]:
    folder = tmp_path_factory.mktemp("sentences") / "model"
    with ToyEngine(sentencepiece_checkpoint(folder, metaspace=request.param), "--max-model-len", "1024") as engine:
        yield engine


def pieces_of(made: Any, prompt: str | list[int]) -> list[str]:
    own = made.encode(prompt, add_special_tokens=False).ids if isinstance(prompt, str) else prompt
    ids = made.encode(prompt).ids if isinstance(prompt, str) else prompt
    return Pieces.of(made).prompt(prompt, ids, own)


def test_a_token_in_the_middle_of_a_text_keeps_its_leading_blank(sentences: Any) -> None:
    pieces = Pieces.of(sentences)

    assert [pieces.text(IDS[name]) for name in ("▁the", "▁", "in")] == [" the", " ", "in"]


def test_the_first_token_of_a_prompt_has_the_blank_that_the_prompt_has(sentences: Any) -> None:
    ids = [IDS["▁the"], IDS["▁rain"], IDS["▁in"]]

    assert pieces_of(sentences, ids) == ["the", " rain", " in"]
    assert pieces_of(sentences, "the rain in") == ["", "the", " rain", " in"]


def test_what_the_tokenizer_puts_before_a_text_is_none_of_it_and_has_a_name(sentences: Any) -> None:
    assert Pieces.of(sentences).name(IDS["<s>"], "") == "<s>"
    assert pieces_of(sentences, [IDS["<s>"], IDS["▁the"]]) == ["<s>", " the"]


def test_a_character_of_several_tokens_belongs_to_the_last_of_them(sentences: Any) -> None:
    ids = [IDS[name] for name in ("▁the", "▁", "<0xC3>", "<0xA9>", "▁rain")]

    assert pieces_of(sentences, ids) == ["the", " ", "", "é", " rain"]


@pytest.mark.parametrize(
    "names",
    [["<0xC3>", "▁the", "▁the"], ["<0xC3>"], ["▁the", "<0xA9>", "<0xA9>", "<0xA9>", "<0xA9>", "<0xA9>", "in"]],
    ids=["cut off", "never complete", "no character"],
)
def test_bytes_that_are_no_character_lose_no_text(sentences: Any, names: list[str]) -> None:
    pieces = Pieces.of(sentences)
    growing = Growing(pieces, skip_special=True)

    alone = [pieces.text(IDS[name]) for name in names]
    assert "".join(growing.add([IDS[name] for name in names])) + growing.rest() == "".join(alone)


def test_an_empty_prompt_is_the_tokens_that_stand_around_it(sentences: Any) -> None:
    assert Pieces.of(sentences).prompt("", [IDS["<s>"]], []) == [""]


def test_a_prompt_of_nothing_but_half_a_character_is_a_piece(sentences: Any) -> None:
    assert pieces_of(sentences, [IDS["<0xC3>"]]) == ["\N{REPLACEMENT CHARACTER}"]


def aligned(choice: Mapping[str, Any], *silent: str) -> None:
    """Tokens join to the text, but for those that are none of it, and each begins at its offset."""
    told = choice["logprobs"]
    pieces = ["" if name in silent else name for name in told["tokens"]]
    assert "".join(pieces) == choice["text"]
    assert told["text_offset"] == list(accumulate(map(len, pieces), initial=0))[:-1]


ASKED = {"temperature": 0, "logprobs": 2, "ignore_eos": True}
PROMPT = [IDS[name] for name in ("▁the", "▁rain", "▁in", "▁the", "▁", "<0xC3>", "<0xA9>")]


@pytest.mark.parametrize("limit", [1, 2, 3, 60])
def test_the_tokens_of_an_answer_join_to_its_text(toy: ToyEngine, limit: int) -> None:
    (choice,) = toy.post(prompt=PROMPT, max_tokens=limit, **ASKED)["choices"]

    aligned(choice, "<|end|>")
    assert len(choice["logprobs"]["tokens"]) == limit


def test_an_answer_may_begin_with_a_blank(toy: ToyEngine) -> None:
    answers = [toy.post(prompt=[*PROMPT, byte], max_tokens=1, **ASKED)["choices"][0] for byte in range(97, 123)]

    for choice in answers:
        aligned(choice, "<|end|>")
    assert {" the", " rain", " "} & {choice["text"] for choice in answers}


@pytest.mark.parametrize("limit", [0, 1, 20])
def test_the_tokens_of_an_echo_join_to_its_text(toy: ToyEngine, limit: int) -> None:
    (by_ids,) = toy.post(prompt=PROMPT, echo=True, max_tokens=limit, **ASKED)["choices"]
    (by_text,) = toy.post(prompt="the rain in the é", echo=True, max_tokens=limit, **ASKED)["choices"]

    assert by_ids["text"].startswith("the rain in the é")
    assert by_text["text"].startswith("the rain in the é")
    assert by_text["logprobs"]["tokens"][:3] == ["<s>", "the", " rain"]
    aligned(by_ids, "<|end|>")
    aligned(by_text, "<s>", "<|end|>")


def test_the_tokens_of_a_stream_join_to_its_text_and_its_offsets_go_on(toy: ToyEngine) -> None:
    (whole,) = toy.post(prompt=PROMPT, max_tokens=60, **ASKED)["choices"]

    told = [event["choices"][0] for event in toy.stream(prompt=PROMPT, max_tokens=60, **ASKED)]

    assert "".join(one["text"] for one in told) == whole["text"]
    for name in ("tokens", "text_offset", "token_logprobs", "top_logprobs"):
        assert [value for one in told for value in one["logprobs"][name]] == whole["logprobs"][name]


def test_offsets_are_places_of_the_text_when_tokens_are_called_by_their_ids(toy: ToyEngine) -> None:
    asked = {**ASKED, "prompt": PROMPT, "max_tokens": 20, "echo": True}
    (named,) = toy.post(**asked)["choices"]

    (numbered,) = toy.post(**asked, return_tokens_as_token_ids=True)["choices"]

    assert numbered["logprobs"]["text_offset"] == named["logprobs"]["text_offset"]
    assert numbered["logprobs"]["tokens"][: len(PROMPT)] == [f"token_id:{token}" for token in PROMPT]


def test_a_token_is_called_alike_among_the_likely_ones_and_in_the_text(toy: ToyEngine) -> None:
    (choice,) = toy.post(prompt=PROMPT, echo=True, max_tokens=60, **ASKED)["choices"]

    told = choice["logprobs"]
    rows = zip(told["tokens"], told["token_logprobs"], told["top_logprobs"], strict=True)
    assert all(top[token] == value for token, value, top in rows if top is not None)


def test_no_likely_token_but_the_chosen_one_is_told_of_where_none_is_asked_for(toy: ToyEngine) -> None:
    asked = {**ASKED, "prompt": PROMPT, "max_tokens": 5, "logprobs": 0}
    for echo in (False, True):
        told = toy.post(**asked, echo=echo)["choices"][0]["logprobs"]

        assert [list(top) for top in told["top_logprobs"] if top] == [[token] for token in told["tokens"][echo:]]
