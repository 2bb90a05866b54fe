"""A draft is compared with its target before an engine starts."""

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import checkpoint, plain, tokenizer

from fixtures.matrix_file import Draft
from fixtures.models.checkpoint import read
from fixtures.models.drafts import Suited, Target, suited
from fixtures.protocols import EngineFailed

WORDS = [chr(ord("a") + number) for number in range(26)]
SPECIAL = {26: "<s>", 27: "</s>"}


@pytest.fixture
def target(tmp_path: Path) -> Target:
    folder = tokenizer(checkpoint(tmp_path / "target"), WORDS, SPECIAL)
    return Target(str(folder), None, read(folder))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A draft of one layer, as it should be."""
    folder = checkpoint(tmp_path / "small", plain(layers=1), num_hidden_layers=1)
    return tokenizer(folder, WORDS, SPECIAL)


def asked(target: Target, weights: Path | str | None, method: Any = "draft_model", **options: Any) -> Suited:
    return suited(
        "little", Draft(method=method, tokens=3, weights=str(weights) if weights else None, **options), target
    )


def refusal(target: Target, weights: Path | str | None, method: str = "draft_model") -> tuple[str, str]:
    with pytest.raises(EngineFailed) as caught:
        asked(target, weights, method)
    return caught.value.reason, str(caught.value)


def test_a_draft_that_suits_its_target_is_measured(target: Target, small: Path) -> None:
    known = asked(target, small)

    assert known.checkpoint is not None
    assert known.checkpoint.total == 32 * 64 + 128 * 64 + 64
    assert (known.warnings, known.unchecked) == ((), ())


def test_a_draft_that_only_looks_words_up_has_nothing_to_compare(target: Target) -> None:
    assert asked(target, None, "ngram") == Suited()


@pytest.mark.parametrize("method", ["draft_model", "eagle", "eagle3"])
def test_a_draft_without_weights_is_refused(target: Target, method: str) -> None:
    reason, said = refusal(target, None, method)

    assert reason == "missing_draft"
    assert said == f"draft little of method {method} names no weights; add `weights:` to it under `drafts:`"


def test_a_missing_folder_is_named(target: Target, tmp_path: Path) -> None:
    reason, said = refusal(target, tmp_path / "nowhere")

    assert reason == "missing_draft"
    assert said == f"draft little: there is no folder {tmp_path / 'nowhere'}"


@pytest.mark.parametrize("method", ["draft_model", "eagle", "eagle3", "mtp"])
def test_a_foreign_vocabulary_is_refused_with_the_first_token_that_differs(
    target: Target, small: Path, method: str
) -> None:
    tokenizer(small, [*WORDS[:25], "Z"], SPECIAL)

    reason, said = refusal(target, small, method)

    assert reason == "foreign_vocabulary"
    assert "id 25 is 'z' to the target and 'Z' to the draft (1 of 28 ids differ)" in said
    assert said.endswith(f"target {target.source}, draft {small}")


def test_a_draft_of_which_only_shared_tokens_are_used_may_have_another_vocabulary(target: Target, small: Path) -> None:
    tokenizer(small, list(reversed(WORDS)))

    known = asked(target, small, options={"use_heterogeneous_vocab": True})

    assert known.unchecked == ("vocabulary: it may differ, by the draft's option use_heterogeneous_vocab",)


def test_what_cannot_be_compared_is_said(target: Target, small: Path) -> None:
    (small / "tokenizer.json").unlink()

    known = asked(target, small)

    assert known.unchecked == (
        f"vocabulary: {small} has no tokenizer.json or vocab.json that could be read, so no token was compared",
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"hidden_size": 128}, "its hidden_size is 128, the target's 64"),
        ({"vocab_size": 48}, "its vocab_size is 48, the target's 32"),
        ({"hidden_size": 64, "target_hidden_size": 256}, "its hidden_size is 256, the target's 64"),
        ({"transformer_layer_config": {"hidden_size": 128}}, "its hidden_size is 128, the target's 64"),
    ],
    ids=["hidden size", "vocabulary", "target's hidden size", "speculators' form"],
)
def test_a_head_for_another_model_is_refused(target: Target, tmp_path: Path, config: dict[str, Any], said: str) -> None:
    head = checkpoint(tmp_path / "head", {"fc.weight": ("BF16", [64, 128])}, **config)

    reason, told = refusal(target, head, "eagle3")

    assert reason == "foreign_head"
    assert told == f"the draft head was made for another model: {said}; head {head}, target {target.source}"


def test_a_head_for_this_model_is_accepted_though_it_has_no_tokenizer(target: Target, tmp_path: Path) -> None:
    head = checkpoint(tmp_path / "head", {"fc.weight": ("BF16", [64, 128])}, num_hidden_layers=1)

    known = asked(target, head, "eagle")

    assert known.checkpoint is not None
    assert [said.partition(":")[0] for said in known.unchecked] == ["vocabulary"]


def test_a_narrow_head_that_reads_this_model_s_states_is_accepted(target: Target, tmp_path: Path) -> None:
    tensors = {"fc.weight": ("BF16", [32, 192])}
    head = checkpoint(tmp_path / "head", tensors, hidden_size=32, target_hidden_size=64, draft_vocab_size=16)

    assert asked(target, head, "eagle3").checkpoint is not None


def test_a_narrow_head_of_speculators_says_outside_of_its_layer_which_states_it_reads(
    target: Target, tmp_path: Path
) -> None:
    layer = {"hidden_size": 32, "vocab_size": 32}
    head = checkpoint(
        tmp_path / "head",
        {"fc.weight": ("BF16", [32, 192])},
        target_hidden_size=64,
        transformer_layer_config=layer,
    )

    assert asked(target, head, "eagle3").checkpoint is not None


def test_a_draft_larger_than_its_target_is_warned_of_and_not_refused(target: Target, tmp_path: Path) -> None:
    large = checkpoint(tmp_path / "large", plain(layers=4), num_hidden_layers=4)

    (said,) = asked(target, tokenizer(large, WORDS, SPECIAL)).warnings

    assert said == (
        "the draft has 35,072 parameters, the target 18,560: a draft that is not smaller cannot make its target faster"
    )


def test_a_draft_of_fewer_parameters_in_more_bytes_is_warned_of(target: Target, tmp_path: Path) -> None:
    wide = {name: ("F64", shape) for name, (_, shape) in plain(layers=1).items()}
    folder = tokenizer(checkpoint(tmp_path / "wide", wide, num_hidden_layers=1), WORDS, SPECIAL)

    (said,) = asked(target, folder).warnings

    assert said.startswith("the draft's weights take 82,432 bytes, the target's 37,120: ")


def test_a_draft_whose_config_disagrees_with_its_tensors_is_refused(target: Target, small: Path) -> None:
    config = json.loads((small / "config.json").read_text(encoding="utf-8"))
    (small / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}), encoding="utf-8")

    reason, said = refusal(target, small)

    assert reason == "inconsistent_checkpoint"
    assert "config.json says 2 layers, but the tensors hold 1" in said
