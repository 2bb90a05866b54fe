"""What a checkpoint weighs, measured from the headers of its files."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from checkpoints import CONFIG, INT4, checkpoint, plain, quantized, write_gguf, write_safetensors

from fixtures.models.checkpoint import Checkpoint, read
from fixtures.protocols import EngineFailed

PROJECTIONS = 2 * 128 * 64
"""Weights of the two projections of the small model."""

OTHERS = 32 * 64 + 2 * 64
"""Its embeddings and norms."""


def measured(folder: Path) -> Checkpoint:
    found = read(folder)
    assert found is not None
    return found


def test_an_unquantized_checkpoint_has_the_bits_of_its_type(tmp_path: Path) -> None:
    found = measured(checkpoint(tmp_path))

    assert found.total == PROJECTIONS + OTHERS
    assert found.bytes == 2 * found.total
    assert found.bits_per_weight == 16


def test_scales_count_as_bytes_and_not_as_parameters(tmp_path: Path) -> None:
    int8 = {"quant_method": "compressed-tensors", "format": "int-quantized"}
    tensors = quantized(weight=("I8", [128, 64]), weight_scale=("BF16", [128, 1]))

    found = measured(checkpoint(tmp_path, tensors, quantization_config=int8))

    assert found.total == PROJECTIONS + OTHERS
    assert found.bytes == PROJECTIONS + 2 * OTHERS + 2 * 128 * 2


PACKED = [
    pytest.param(
        INT4,
        {"weight_packed": ("I32", [128, 8]), "weight_scale": ("BF16", [128, 2]), "weight_shape": ("I64", [2])},
        4 + (2 * 16 + 2 * 64 / 128) / 64,
        id="compressed-tensors int4 in groups of 32",
    ),
    pytest.param(
        {"quant_method": "gptq", "bits": 4},
        {
            "qweight": ("I32", [8, 128]),
            "qzeros": ("I32", [2, 16]),
            "scales": ("F16", [2, 128]),
            "g_idx": ("I32", [64]),
        },
        4 + (2 * 4 + 2 * 16) / 64 + 32 / 128,
        id="gptq",
    ),
    pytest.param(
        {"quant_method": "gptq", "bits": 8},
        {"qweight": ("I32", [16, 128]), "qzeros": ("I32", [2, 32]), "scales": ("F16", [2, 128])},
        8 + (2 * 8 + 2 * 16) / 64,
        id="gptq of 8 bits",
    ),
    pytest.param(
        {"w_bit": 4, "q_group_size": 32},
        {"qweight": ("I32", [64, 16]), "qzeros": ("I32", [2, 16]), "scales": ("F16", [2, 128])},
        4 + (2 * 4 + 2 * 16) / 64,
        id="awq of the older form",
    ),
    pytest.param(
        {"quant_method": "fp8"},
        {"weight": ("F8_E4M3", [128, 64]), "weight_scale_inv": ("F32", [1, 1])},
        8 + 32 / (128 * 64),
        id="fp8 in blocks",
    ),
    pytest.param(
        {"quantization": {"quant_algo": "NVFP4"}},
        {
            "weight": ("U8", [128, 32]),
            "weight_scale": ("F8_E4M3", [128, 4]),
            "weight_scale_2": ("F32", []),
            "input_scale": ("F32", []),
        },
        4 + 4 * 8 / 64 + 2 * 32 / (128 * 64),
        id="nvfp4 by ModelOpt",
    ),
    pytest.param(
        {"quant_method": "bitsandbytes"},
        {
            "weight": ("U8", [4096, 1]),
            "weight.absmax": ("F32", [128]),
            "weight.quant_map": ("F32", [16]),
            "weight.quant_state.bitsandbytes__nf4": ("U8", [100]),
        },
        4 + (128 * 32 + 16 * 32 + 800) / 8192,
        id="nf4 by bitsandbytes",
    ),
    pytest.param(
        {"quant_method": "exl2"},
        {
            "q_weight": ("I32", [10, 128]),
            "q_invperm": ("I32", [64]),
            "q_scale": ("I32", [2, 16]),
            "q_scale_max": ("F16", [2]),
            "q_groups": ("I16", [4]),
        },
        5 + (64 * 32 + 2 * 16 * 32 + 2 * 16 + 4 * 16) / 8192,
        id="exl2 of 5 bits",
    ),
]


@pytest.mark.parametrize(("said", "parts", "bits"), PACKED)
def test_packed_weights_are_counted_as_the_unquantized_model_has_them(
    tmp_path: Path, said: dict[str, Any], parts: dict[str, Any], bits: float
) -> None:
    found = measured(checkpoint(tmp_path, quantized(**parts), quantization_config=said))

    assert found.total == PROJECTIONS + OTHERS
    assert found.plain()["quantized"] == {"parameters": PROJECTIONS, "bits_per_weight": pytest.approx(bits)}


def test_weights_of_experts_are_counted_whose_blocks_hold_two_to_a_byte(tmp_path: Path) -> None:
    experts = "model.layers.0.mlp.experts.gate_up_proj"
    tensors = plain() | {f"{experts}_blocks": ("U8", [4, 128, 2, 16]), f"{experts}_scales": ("U8", [4, 128, 2])}

    found = measured(checkpoint(tmp_path, tensors, quantization_config={"quant_method": "mxfp4"}))

    assert found.parameters[f"{experts}_blocks"] == 4 * 128 * 64
    assert f"{experts}_scales" not in found.parameters
    assert found.plain()["quantized"]["bits_per_weight"] == 4.25


def test_groups_of_several_widths_count_each_module_by_its_own(tmp_path: Path) -> None:
    wide = {"targets": ["re:.*layers\\.1\\..*"], "weights": {"num_bits": 8}}
    said = {**INT4, "config_groups": {**INT4["config_groups"], "group_1": wide}}
    tensors = quantized(weight_packed=("I32", [128, 8]), weight_scale=("BF16", [128, 2]))
    tensors["model.layers.1.mlp.up_proj.weight_packed"] = ("I32", [128, 16])

    assert measured(checkpoint(tmp_path, tensors, quantization_config=said)).total == PROJECTIONS + OTHERS


def test_the_provenance_says_how_much_is_embeddings_and_of_which_types(tmp_path: Path) -> None:
    int8 = {"quant_method": "compressed-tensors", "format": "int-quantized"}
    tensors = quantized(weight=("I8", [128, 64]), weight_scale=("BF16", [128, 1]))

    told = measured(checkpoint(tmp_path, tensors, quantization_config=int8)).plain()

    assert told["embedding_parameters"] == 32 * 64
    assert list(told["dtypes"]) == ["I8", "BF16"]
    assert sum(told["dtypes"].values()) == pytest.approx(1)
    assert told["bits_per_weight"] == 8 * told["bytes"] / told["parameters"]


def test_an_unquantized_checkpoint_tells_of_no_quantized_part(tmp_path: Path) -> None:
    assert "quantized" not in measured(checkpoint(tmp_path)).plain()


def test_a_checkpoint_in_several_files_is_the_sum_of_them(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    names = list(plain())
    for number, half in enumerate((names[:2], names[2:])):
        write_safetensors(tmp_path / f"part-{number}.safetensors", {name: plain()[name] for name in half})
    where = {name: f"part-{int(place > 1)}.safetensors" for place, name in enumerate(names)}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}), encoding="utf-8")

    assert measured(tmp_path).total == PROJECTIONS + OTHERS


def test_weights_that_a_folder_holds_in_two_layouts_are_counted_once(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    write_safetensors(tmp_path / "consolidated.safetensors", plain())

    assert measured(tmp_path).total == PROJECTIONS + OTHERS


def test_a_gguf_file_is_measured_from_its_own_description(tmp_path: Path) -> None:
    fields = {"general.architecture": "llama", "llama.block_count": 1, "llama.embedding_length": 64}
    write_gguf(
        tmp_path / "tiny.gguf",
        {**fields, "tokenizer.ggml.tokens": ["a", "b"]},
        {"token_embd.weight": (8, [2, 64]), "blk.0.ffn_up.weight": (3, [128, 64])},
    )

    found = measured(tmp_path)

    assert found.total == 2 * 64 + 128 * 64
    assert found.bytes == 2 * 68 + 128 * 40
    assert found.config == {"num_hidden_layers": 1, "hidden_size": 64, "vocab_size": 2}


def test_sizes_of_gguf_blocks_are_those_of_the_gguf_package() -> None:
    constants = pytest.importorskip("gguf").constants
    from fixtures.models.gguf import TYPES

    theirs = {int(kind): (kind.name, *constants.GGML_QUANT_SIZES[kind]) for kind in constants.GGML_QUANT_SIZES}

    assert {number: said for number, said in TYPES.items() if number in theirs and theirs[number] != said} == {}
    assert set(TYPES) <= set(theirs)


def test_a_folder_without_weights_that_can_be_read_is_not_measured(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle, which is not opened")

    assert read(tmp_path) is None


def broken(folder: Path) -> EngineFailed:
    with pytest.raises(EngineFailed) as caught:
        read(folder)
    return caught.value


def test_a_file_that_is_cut_off_is_refused_with_both_lengths(tmp_path: Path) -> None:
    path = checkpoint(tmp_path) / "model.safetensors"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)

    failure = broken(tmp_path)

    assert failure.reason == "broken_checkpoint"
    assert str(failure).startswith(f"{path} has {path.stat().st_size:,} bytes where its header speaks of ")


@pytest.mark.parametrize(
    ("content", "reason", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "missing_weights", "git lfs pull"),
        (b"", "broken_checkpoint", "is no safetensors file, or only its beginning (0 bytes)"),
        (b"<html>404 Not Found</html>", "broken_checkpoint", "is no safetensors file"),
        ((4).to_bytes(8, "little") + b"oops", "broken_checkpoint", "has a damaged header"),
        ((2).to_bytes(8, "little") + b"[]", "broken_checkpoint", "has a damaged header"),
    ],
    ids=["LFS pointer", "empty", "error page", "no JSON", "no object"],
)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes, reason: str, said: str) -> None:
    path = checkpoint(tmp_path) / "model.safetensors"
    path.write_bytes(content)

    failure = broken(tmp_path)

    assert failure.reason == reason
    assert str(path) in str(failure)
    assert said in str(failure)


def test_a_file_that_the_index_names_and_that_is_missing_is_named(tmp_path: Path) -> None:
    checkpoint(tmp_path)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")

    failure = broken(tmp_path)

    assert failure.reason == "missing_weights"
    assert "names 2 files of weights, but model-1.safetensors, model-2.safetensors is missing" in str(failure)


@pytest.mark.parametrize("content", [b"GGUF\x03\0\0\0\xff", b"no GGUF", b"GGUF\x01\0\0\0"], ids=["cut", "other", "old"])
def test_what_is_no_gguf_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gguf").write_bytes(content)

    failure = broken(tmp_path)

    assert failure.reason == "broken_checkpoint"
    assert str(failure).startswith(str(tmp_path / "x.gguf"))


def test_a_broken_config_is_refused(tmp_path: Path) -> None:
    (checkpoint(tmp_path) / "config.json").write_text('{"num_hidden_layers": ', encoding="utf-8")

    assert broken(tmp_path).reason == "broken_checkpoint"


def test_measuring_imports_neither_torch_nor_transformers(tmp_path: Path) -> None:
    before = set(sys.modules)

    measured(checkpoint(tmp_path))

    assert not {"torch", "transformers", "safetensors"} & (set(sys.modules) - before)
