"""A checkpoint whose config.json and tensors disagree is refused with what disagrees."""

from pathlib import Path
from typing import Any

import pytest
from checkpoints import INT4, checkpoint, plain, quantized

from fixtures.models import consistency
from fixtures.models.checkpoint import read
from fixtures.models.weights import prepared_folder
from fixtures.protocols import EngineFailed

INT8 = {"quant_method": "compressed-tensors", "format": "int-quantized"}
PACKED = {"weight_packed": ("I32", [128, 8]), "weight_scale": ("BF16", [128, 2])}


def refusal(folder: Path) -> str:
    found = read(folder)
    assert found is not None
    with pytest.raises(EngineFailed) as caught:
        consistency.check(found)
    assert caught.value.reason == "inconsistent_checkpoint"
    said = str(caught.value)
    assert said.startswith(f"{folder}: ")
    assert said.endswith("; fetch it again, or make it anew")
    return said.removeprefix(f"{folder}: ").partition(";")[0]


def accepted(folder: Path) -> bool:
    found = read(folder)
    assert found is not None
    consistency.check(found)
    return True


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"num_hidden_layers": 3}, "config.json says 3 layers, but the tensors hold 2: none of layer 2"),
        ({"num_hidden_layers": 1}, "config.json says 1 layers, but the tensors hold 2: they go on to layer 1"),
        ({"hidden_size": 96}, "config.json says hidden_size 96, but model.embed_tokens.weight has [32, 64]"),
        ({"vocab_size": 40}, "config.json says vocab_size 40, but model.embed_tokens.weight has [32, 64]"),
        (
            {"quantization_config": INT8},
            "it says that it is quantized (compressed-tensors), but no tensor is: all are BF16",
        ),
    ],
    ids=["layers missing", "layers too many", "hidden size", "vocabulary size", "not quantized"],
)
def test_a_config_that_its_tensors_contradict_is_refused(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    assert refusal(checkpoint(tmp_path, **config)) == said


def test_sizes_are_read_where_a_model_that_sees_keeps_them(tmp_path: Path) -> None:
    text = {"num_hidden_layers": 3, "hidden_size": 64, "vocab_size": 32}

    assert refusal(checkpoint(tmp_path, text_config=text)).startswith("config.json says 3 layers")


def test_a_layer_in_the_middle_that_is_missing_is_named(tmp_path: Path) -> None:
    tensors = {name: said for name, said in plain(layers=3).items() if "layers.1." not in name}

    assert refusal(checkpoint(tmp_path, tensors, num_hidden_layers=3)).endswith("hold 2: none of layer 1")


def test_layers_of_multi_token_prediction_stand_behind_the_others(tmp_path: Path) -> None:
    assert accepted(checkpoint(tmp_path, plain(layers=3), num_nextn_predict_layers=1))


def test_layers_of_a_vision_tower_are_not_those_of_the_model(tmp_path: Path) -> None:
    tower = {f"vision_tower.encoder.layers.{n}.mlp.weight": ("BF16", [4, 4]) for n in range(9)}

    assert accepted(checkpoint(tmp_path, plain() | tower))


@pytest.mark.parametrize(
    ("config", "parts", "said"),
    [
        (
            INT8,
            {"weight": ("I8", [128, 64])},
            "2 of 2 quantized weights have no weight_scale: model.layers.0.mlp.up_proj is the first",
        ),
        (
            {"quant_method": "gptq", "bits": 4},
            {"qweight": ("I32", [8, 128]), "qzeros": ("I32", [2, 16])},
            "2 of 2 quantized weights have no scales: model.layers.0.mlp.up_proj is the first",
        ),
        (
            {"quant_method": "fp8"},
            {"weight": ("F8_E4M3", [128, 64])},
            "2 of 2 quantized weights have no weight_scale or weight_scale_inv or scale or qscale_weight: "  # noqa: ISC004 - one text
            "model.layers.0.mlp.up_proj is the first",
        ),
        (
            {**INT4, "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 16}}}},
            PACKED,
            "model.layers.0.mlp.up_proj.weight_scale has 2 groups, but 64 inputs in groups of 16 need 4",
        ),
    ],
    ids=["int8", "gptq", "fp8", "groups"],
)
def test_scales_that_are_missing_or_do_not_fit_are_named(
    tmp_path: Path, config: dict[str, Any], parts: dict[str, Any], said: str
) -> None:
    assert refusal(checkpoint(tmp_path, quantized(**parts), quantization_config=config)) == said


def test_quantized_tensors_that_the_config_does_not_speak_of_are_refused(tmp_path: Path) -> None:
    said = refusal(checkpoint(tmp_path, quantized(**PACKED)))

    assert said == (
        "model.layers.0.mlp.up_proj.weight_packed is quantized (I32), but config.json has no quantization_config"
    )


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        (INT4, PACKED),
        (INT8, {"weight": ("I8", [128, 64]), "weight_scale": ("BF16", [128, 1])}),
        ({"quant_method": "torchao"}, {"weight": ("BF16", [128, 64])}),
        ({**INT8, "format": "dense"}, {"weight": ("BF16", [128, 64])}),
    ],
    ids=["int4", "int8", "quantized while it loads", "dense"],
)
def test_a_sound_checkpoint_is_accepted(tmp_path: Path, config: dict[str, Any], parts: dict[str, Any]) -> None:
    assert accepted(checkpoint(tmp_path, quantized(**parts), quantization_config=config))


@pytest.mark.parametrize("variant", ["bf16", "w8a8", "w4a16", "draft", "damaged", "resaved"])
def test_every_prepared_variant_of_the_embedded_model_is_sound(variant: str) -> None:
    folder = prepared_folder(f"smollm2-135m-instruct/{variant}")
    if not folder.is_dir():
        pytest.skip("this variant is not prepared on this machine")

    assert accepted(folder)
