"""A draft must have its target's vocabulary, token by token."""

import json
import string
from pathlib import Path

import pytest
from checkpoints import tokenizer, write_gguf

from fixtures.models import vocabulary
from fixtures.models.vocabulary import Vocabulary
from fixtures.protocols import EngineFailed

WORDS = list(string.ascii_lowercase)


def known(folder: Path) -> Vocabulary:
    found = vocabulary.read(str(folder))
    assert found is not None
    return found


def difference(target: Path, draft: Path) -> str | None:
    return vocabulary.difference(known(target), known(draft))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tokenizer(tmp_path / "target", WORDS, {26: "<s>", 27: "</s>"})


def test_the_same_tokens_make_no_difference(target: Path, tmp_path: Path) -> None:
    assert difference(target, tokenizer(tmp_path / "draft", WORDS, {26: "<s>", 27: "</s>"})) is None


def test_the_first_id_that_differs_is_told_with_both_tokens_and_both_folders(target: Path, tmp_path: Path) -> None:
    swapped = [*WORDS[:9], "k", "j", *WORDS[11:]]
    draft = tokenizer(tmp_path / "draft", swapped, {26: "<s>", 27: "</s>"})

    assert difference(target, draft) == (
        f"id 9 is 'j' to the target and 'k' to the draft (2 of 28 ids differ); target {target}, draft {draft}"
    )


def test_a_special_token_that_differs_is_found(target: Path, tmp_path: Path) -> None:
    draft = tokenizer(tmp_path / "draft", WORDS, {26: "<s>", 27: "<|end|>"})

    said = difference(target, draft)

    assert said is not None
    assert said.startswith("id 27 is '</s>' to the target and '<|end|>' to the draft (1 of 28 ids differ)")


@pytest.mark.parametrize("more", [{26: "<s>", 27: "</s>", 28: "<think>"}, {26: "<s>"}], ids=["one more", "one fewer"])
def test_a_token_that_only_one_of_them_has_is_found(target: Path, tmp_path: Path, more: dict[int, str]) -> None:
    said = difference(target, tokenizer(tmp_path / "draft", WORDS, more))

    assert said is not None
    assert "no token" in said


def test_a_token_that_is_written_over_by_an_added_one_is_what_counts(target: Path, tmp_path: Path) -> None:
    said = difference(target, tokenizer(tmp_path / "draft", WORDS, {3: "D", 26: "<s>", 27: "</s>"}))

    assert said is not None
    assert said.startswith("id 3 is 'd' to the target and 'D' to the draft")


def test_a_foreign_vocabulary_is_refused(target: Path, tmp_path: Path) -> None:
    draft = tokenizer(tmp_path / "draft", list(reversed(WORDS)))

    with pytest.raises(EngineFailed, match=r"^the draft has another vocabulary: id 0 is 'a' .* 'z' ") as caught:
        vocabulary.require_same(known(target), known(draft))

    assert caught.value.reason == "foreign_vocabulary"


def test_control_characters_of_a_token_are_told_and_not_sent(target: Path, tmp_path: Path) -> None:
    said = difference(target, tokenizer(tmp_path / "draft", ["\x1b[2J", *WORDS[1:]], {26: "<s>", 27: "</s>"}))

    assert said is not None
    assert "\x1b" not in said
    assert r"'\x1b[2J'" in said


def test_a_vocabulary_may_be_a_list_of_pieces_with_scores(tmp_path: Path) -> None:
    tmp_path.joinpath("tokenizer.json").write_text(
        json.dumps({"added_tokens": [], "model": {"type": "Unigram", "vocab": [["<unk>", 0.0], ["a", -1.5]]}}),
        encoding="utf-8",
    )

    assert known(tmp_path).tokens == {0: "<unk>", 1: "a"}


def test_an_older_tokenizer_keeps_its_added_tokens_beside_the_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 0, "b": 1}), encoding="utf-8")
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<s>": 2}), encoding="utf-8")
    decoder = {"3": {"content": "</s>", "special": True}}
    config = {"added_tokens_decoder": decoder, "eos_token": {"content": "</s>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")

    found = known(tmp_path)

    assert found.tokens == {0: "a", 1: "b", 2: "<s>", 3: "</s>"}
    assert found.end == "</s>"


def test_a_gguf_file_carries_its_vocabulary(tmp_path: Path) -> None:
    write_gguf(tmp_path / "x.gguf", {"tokenizer.ggml.tokens": ["a", "b"], "tokenizer.ggml.eos_token_id": 1}, {})

    assert known(tmp_path).tokens == {0: "a", 1: "b"}
    assert known(tmp_path).end == "b"


def test_a_folder_without_a_tokenizer_has_no_vocabulary(tmp_path: Path) -> None:
    assert vocabulary.read(str(tmp_path)) is None


@pytest.mark.parametrize(
    "content",
    ['{"model": ', '{"model": {"vocab": [3]}}', '{"model": {"vocab": {"a": "one"}}}', "[]", '{"added_tokens": [{}]}'],
    ids=["cut off", "no pairs", "no ids", "no object", "no model"],
)
def test_a_damaged_tokenizer_is_refused_by_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(EngineFailed) as caught:
        vocabulary.read(str(tmp_path))

    assert caught.value.reason == "broken_checkpoint"
    assert str(path) in str(caught.value)
