"""What a combination is held against by the gates of drafts and of quantization."""

from pathlib import Path

import pytest

from fixtures import matrix
from fixtures.upgrade.baseline import siblings

HEAD = """\
models:
  smol: {weights: {none: org/smol, w8a8: org/smol-int8, w4a16: org/smol-int4}}
drafts:
  ngram: {method: ngram, tokens: 3}
tasks: [gsm8k]
combinations:
"""


def pairs(folder: Path, *blocks: str, axis: str = "quantization") -> dict[str, str]:
    """Which combination is held against which, without the words that all ids share."""
    path = folder / "some.yaml"
    lines = "".join(f"  - {{model: smol, engine: vllm, {block}}}\n" for block in blocks)
    path.write_text(HEAD + lines, encoding="utf-8")
    listed = matrix.load(path).combinations
    found = siblings(listed, listed, axis)
    return {one.candidate.id[len("smol-vllm-") :]: one.baseline.id[len("smol-vllm-") :] for one in found}


def test_quantized_weights_are_held_against_whole_ones(tmp_path: Path) -> None:
    assert pairs(tmp_path, "quantization: [none, w8a8], max_tokens: [32, 64]") == {
        "w8a8-max_tokens_32": "unquantized-max_tokens_32",
        "w8a8-max_tokens_64": "unquantized-max_tokens_64",
    }


def test_a_quantized_kv_cache_is_held_against_the_engines_own(tmp_path: Path) -> None:
    assert pairs(tmp_path, "kv_cache: [auto, fp8, fp8_e5m2]") == {
        "unquantized-kv_fp8": "unquantized",
        "unquantized-kv_fp8_e5m2": "unquantized",
    }


def test_weights_and_kv_cache_together_are_held_against_neither(tmp_path: Path) -> None:
    assert pairs(tmp_path, "quantization: [none, w8a8], kv_cache: [auto, fp8]") == {
        "unquantized-kv_fp8": "unquantized",
        "w8a8": "unquantized",
        "w8a8-kv_fp8": "unquantized",
    }


@pytest.mark.parametrize(
    ("listed", "against"),
    [
        ("quantization: none, kv_cache: fp8", "unquantized-kv_fp8"),
        ("quantization: w8a8, kv_cache: auto", "w8a8"),
        ("quantization: none, kv_cache: bfloat16", "unquantized-kv_bfloat16"),
        ("quantization: w4a16, kv_cache: auto", None),
    ],
)
def test_where_neither_is_not_listed_one_axis_alone_is_weighed(
    listed: str, against: str | None, tmp_path: Path
) -> None:
    assert pairs(tmp_path, "quantization: w8a8, kv_cache: fp8", listed).get("w8a8-kv_fp8") == against


@pytest.mark.parametrize(
    ("listed", "against"),
    [
        ("w8a8, w4a16", {"w4a16": "w8a8"}),
        ("none, w8a8, w4a16", {"w8a8": "unquantized", "w4a16": "unquantized"}),
        ("w8a8", {}),
        ("w4a16", {}),
    ],
)
def test_without_whole_weights_those_of_fewer_bits_are_held_against_those_of_eight(
    listed: str, against: dict[str, str], tmp_path: Path
) -> None:
    assert pairs(tmp_path, f"quantization: [{listed}]") == against


def test_a_16_bit_kv_cache_is_no_quantized_one(tmp_path: Path) -> None:
    assert pairs(tmp_path, "kv_cache: [auto, bfloat16]") == {}
    assert pairs(tmp_path, "kv_cache: [float16, fp8]") == {"unquantized-kv_fp8": "unquantized-kv_float16"}


def test_a_quant_with_another_draft_is_no_sibling(tmp_path: Path) -> None:
    assert pairs(tmp_path, "quantization: none", "quantization: w8a8, draft: ngram") == {}


def test_a_draft_is_held_against_the_same_without_one(tmp_path: Path) -> None:
    assert pairs(tmp_path, "kv_cache: [auto, fp8], draft: [none, ngram]", axis="draft") == {
        "unquantized-draft_ngram": "unquantized",
        "unquantized-kv_fp8-draft_ngram": "unquantized-kv_fp8",
    }
