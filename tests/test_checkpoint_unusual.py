"""Checkpoints as they are published: cut short by a download, quantized in part, experts in one tensor, many widths."""

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import CONFIG, INT4, checkpoint, plain, quantized, tokenizer, write_safetensors

from fixtures import matrix
from fixtures.matrix import Combination
from fixtures.matrix_file import Draft
from fixtures.models import consistency, files
from fixtures.models.checkpoint import Checkpoint, read
from fixtures.models.drafts import Target, suited
from fixtures.models.inspection import inspect
from fixtures.protocols import EngineFailed

FP8_CACHE = {"num_bits": 8, "type": "float"}


def sound(folder: Path) -> Checkpoint:
    """What was measured of a checkpoint that must be accepted."""
    found = read(folder)
    assert found is not None
    consistency.check(found)
    return found


def called(quantization: str, folder: Path) -> Combination:
    path = folder / "m.yaml"
    models = {"large": {"weights": {quantization: "org/large"}}}
    block = {"model": "large", "engine": "vllm", "quantization": quantization}
    content = {"models": models, "tasks": ["gsm8k"], "combinations": [block]}
    path.write_text(json.dumps(content), encoding="utf-8")
    (one,) = matrix.load(path).combinations
    return one


@pytest.fixture
def combination(tmp_path: Path) -> Combination:
    return called("none", tmp_path)


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of the hub of which one of two files is on this machine."""
    folder = tokenizer(tmp_path / "snapshot", ["a", "b"])
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    write_safetensors(folder / "model-00001-of-00002.safetensors", plain(layers=1))
    files_of = {
        "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
        "x": "model-00002-of-00002.safetensors",
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files_of}), encoding="utf-8")
    monkeypatch.setattr(files, "snapshot", lambda source, _=None: Path(source) if Path(source).is_dir() else folder)
    return folder


def test_what_an_interrupted_download_left_out_is_fetched_by_the_engine(
    interrupted: Path, combination: Combination
) -> None:
    found = inspect(combination, "org/large")

    assert found.checkpoint is None
    assert found.unmeasured is not None
    assert found.unmeasured.endswith(f"{interrupted} holds neither whole safetensors nor GGUF that could be measured")


def test_a_draft_whose_download_was_interrupted_is_not_refused(
    interrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "named", lambda _, name, __=None: interrupted / name)
    target = tokenizer(checkpoint(tmp_path / "target"), ["a", "b"])

    found = suited(
        "little", Draft(method="draft_model", tokens=3, weights="org/small"), Target(str(target), None, None)
    )

    assert found.checkpoint is None


def test_a_folder_that_lacks_a_file_is_refused(interrupted: Path, combination: Combination) -> None:
    with pytest.raises(EngineFailed) as caught:
        inspect(combination, str(interrupted))

    assert caught.value.reason == "missing_weights"


@pytest.mark.parametrize(
    "said",
    [
        {"quant_method": "compressed-tensors", "config_groups": {}, "kv_cache_scheme": FP8_CACHE},
        {"quant_method": "modelopt", "quant_algo": None, "kv_cache_quant_algo": "FP8"},
    ],
    ids=["compressed-tensors", "modelopt"],
)
def test_a_checkpoint_that_quantizes_its_kv_cache_alone_keeps_its_weights(tmp_path: Path, said: dict[str, Any]) -> None:
    assert sound(checkpoint(tmp_path, quantization_config=said)).bits_per_weight == 16


@pytest.mark.parametrize(
    ("said", "weight", "scale"),
    [
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "gate_up_proj", "gate_up_proj_weight_scale"),
        ({"quant_method": "fp8"}, "down_proj", "down_proj_scale_inv"),
        ({"quant_method": "fp8"}, "down_proj", "down_proj_scale"),
    ],
)
def test_experts_in_one_tensor_have_their_scales_under_its_name(
    tmp_path: Path, said: dict[str, Any], weight: str, scale: str
) -> None:
    experts = "model.layers.0.mlp.experts"
    tensors = {**plain(), f"{experts}.{weight}": ("F8_E4M3", [8, 64, 32]), f"{experts}.{scale}": ("F32", [8, 1, 32])}

    found = sound(checkpoint(tmp_path, tensors, quantization_config=said))

    assert found.plain()["quantized"] == {"parameters": 8 * 64 * 32, "bits_per_weight": 8 + 32 / 64}


@pytest.mark.parametrize(
    ("parts", "bits"),
    [
        ({"weight": ("F8_E4M3", [128, 64]), "scale": ("F8_E8M0", [4, 4])}, 8 + 16 * 8 / 8192),
        ({"weight": ("I8", [128, 32]), "scale": ("F8_E8M0", [128, 2])}, 4 + 8 / 32),
        ({"weight": ("F8_E4M3", [128, 64]), "qscale_weight": ("F32", [])}, 8 + 32 / 8192),
    ],
    ids=["DeepSeek's fp8", "DeepSeek's fp4", "Mistral's fp8"],
)
def test_scales_by_the_names_of_those_who_trained_the_model_are_scales(
    tmp_path: Path, parts: dict[str, Any], bits: float
) -> None:
    found = sound(checkpoint(tmp_path, quantized(**parts), quantization_config={"quant_method": "fp8"}))

    assert found.plain()["quantized"] == {"parameters": 2 * 128 * 64, "bits_per_weight": pytest.approx(bits)}


def test_packed_weights_are_as_wide_as_their_zero_points_show_whatever_the_config_says(tmp_path: Path) -> None:
    """A quant of several widths names one in its config, and the others by patterns of its own."""
    eight = {"qweight": ("I32", [16, 128]), "qzeros": ("I32", [2, 32]), "scales": ("F16", [2, 128])}
    four = {"qweight": ("I32", [8, 128]), "qzeros": ("I32", [2, 16]), "scales": ("F16", [2, 128])}
    kept = {name: said for name, said in plain().items() if "up_proj" not in name}
    up = {
        f"model.layers.{n}.mlp.up_proj.{part}": said
        for n, one in enumerate((eight, four))
        for part, said in one.items()
    }

    found = sound(
        checkpoint(tmp_path, kept | up, quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 32})
    )

    assert found.total == read(checkpoint(tmp_path / "plain")).total  # type: ignore[union-attr]


def test_a_layer_of_a_searched_architecture_may_hold_nothing(tmp_path: Path) -> None:
    """As of Nemotron's, whose blocks may leave out attention and feed-forward both."""
    kept = {name: said for name, said in plain(layers=3).items() if ".layers.1." not in name}

    assert sound(checkpoint(tmp_path, kept, num_hidden_layers=3, block_configs=[{}, {}, {}])).total


def test_a_head_that_the_text_part_of_a_config_ties_counts_once(tmp_path: Path) -> None:
    text = {**CONFIG, "tie_word_embeddings": True}
    tied = checkpoint(tmp_path / "tied", {**plain(), "lm_head.weight": ("BF16", [32, 64])}, text_config=text)

    assert sound(tied).total == sound(checkpoint(tmp_path / "plain")).total


def test_of_experts_a_token_reads_those_it_is_sent_to_and_of_a_table_beside_a_head_nothing(tmp_path: Path) -> None:
    experts = {f"model.layers.0.mlp.experts.{n}.up_proj.weight": ("BF16", [128, 64]) for n in range(8)}
    tensors = {**plain(), **experts, "lm_head.weight": ("BF16", [32, 64])}
    found = sound(checkpoint(tmp_path, tensors, num_experts=8, num_experts_per_tok=2))

    table, expert = 2 * 32 * 64, 2 * 128 * 64
    assert found.step_bytes == found.bytes - table - 6 * expert
    assert found.plain()["step_bytes"] == found.step_bytes


@pytest.mark.parametrize("layer", ["model.layers.2", "mtp.layers.0", "model.mtp_layers.0"])
def test_layers_of_multi_token_prediction_are_a_draft_of_their_own(tmp_path: Path, layer: str) -> None:
    behind = {f"{layer}.mlp.up_proj.weight": ("BF16", [128, 64]), f"{layer}.eh_proj.weight": ("BF16", [64, 128])}
    found = sound(checkpoint(tmp_path, {**plain(), **behind}, num_nextn_predict_layers=1))

    table, own = 2 * 32 * 64, 2 * 2 * 128 * 64
    assert found.draft_bytes == own + table  # which is the output head, too
    assert found.step_bytes == found.bytes - own
    assert "draft_bytes" not in sound(checkpoint(tmp_path / "plain")).plain()


def test_layers_of_a_vision_tower_draft_nothing(tmp_path: Path) -> None:
    seeing = {"model.vision_tower.encoder.layers.7.mlp.fc1.weight": ("BF16", [128, 64])}

    assert sound(checkpoint(tmp_path, {**plain(), **seeing})).draft_bytes == 0


def test_without_experts_or_a_head_of_its_own_a_token_reads_everything(tmp_path: Path) -> None:
    found = sound(checkpoint(tmp_path, quantized(weight=("BF16", [128, 64]))))

    assert found.step_bytes == found.bytes


FOUR = {"weight_packed": ("I32", [128, 8]), "weight_scale": ("BF16", [128, 2])}
EIGHT = {"weight": ("I8", [128, 64]), "weight_scale": ("BF16", [128, 1])}


@pytest.mark.parametrize(
    ("parts", "said", "quantization", "bits"),
    [(FOUR, INT4, "w8a8", "4.5"), (EIGHT, {"quant_method": "compressed-tensors"}, "w4a16", "8.2")],
)
def test_weights_of_other_bits_than_the_matrix_calls_them_are_refused(
    tmp_path: Path, parts: dict[str, Any], said: dict[str, Any], quantization: str, bits: str
) -> None:
    """Both are compressed-tensors to vLLM, so that its log cannot tell them apart."""
    folder = checkpoint(tmp_path / "large", quantized(**parts), quantization_config=said)

    with pytest.raises(EngineFailed) as caught:
        inspect(called(quantization, tmp_path), str(folder))

    assert caught.value.reason == "wrong_quantization"
    assert f"holds quantized weights of {bits} bits, which is not what {quantization} means; mend" in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "said", "quantization"),
    [(FOUR, INT4, "w4a16"), (EIGHT, {"quant_method": "compressed-tensors"}, "w8a8"), (FOUR, INT4, "gptq")],
)
def test_weights_that_are_as_they_are_called_are_accepted(
    tmp_path: Path, parts: dict[str, Any], said: dict[str, Any], quantization: str
) -> None:
    folder = checkpoint(tmp_path / "large", quantized(**parts), quantization_config=said)

    assert inspect(called(quantization, tmp_path), str(folder)).checkpoint is not None


def test_an_unquantized_checkpoint_may_be_quantized_by_its_engine(tmp_path: Path) -> None:
    assert inspect(called("fp8", tmp_path), str(checkpoint(tmp_path / "large"))).checkpoint is not None


@pytest.mark.parametrize("said", [{"dtype": "BF16", "data_offsets": [0, 0]}, {"shape": [0], "data_offsets": [0, 0]}])
def test_a_tensor_without_type_or_shape_is_a_damaged_header(tmp_path: Path, said: dict[str, Any]) -> None:
    folder = checkpoint(tmp_path)
    header = json.dumps({"some.weight": said}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)

    with pytest.raises(EngineFailed, match=r"has a damaged header at some\.weight; fetch it again") as caught:
        read(folder)

    assert caught.value.reason == "broken_checkpoint"


@pytest.mark.parametrize(
    "config",
    [
        {"quantization_config": {"quant_method": "quark", "config_groups": [], "kv_cache_scheme": FP8_CACHE}},
        {"quantization_config": "some"},
        {"num_nextn_predict_layers": [1]},
        {"num_experts": "8", "num_experts_per_tok": 2},
    ],
)
def test_settings_in_a_form_that_nobody_knows_say_nothing(tmp_path: Path, config: dict[str, Any]) -> None:
    assert sound(checkpoint(tmp_path, **config)).bits_per_weight == 16


@pytest.mark.parametrize(
    "group",
    [
        {"targets": 3, "weights": {}},
        {"targets": ["re:("], "weights": 4},
        {"targets": [7], "weights": {"num_bits": "?"}},
    ],
)
def test_a_group_in_a_form_that_nobody_knows_has_four_bits(tmp_path: Path, group: dict[str, Any]) -> None:
    said = {**INT4, "config_groups": {"group_0": group}}

    assert sound(checkpoint(tmp_path, quantized(**FOUR), quantization_config=said)).quantized_bits == 4.5


def test_scales_of_no_size_tell_no_width(tmp_path: Path) -> None:
    parts = {"qweight": ("I32", [8, 128]), "qzeros": ("I32", []), "scales": ("F16", [0])}

    found = sound(checkpoint(tmp_path, quantized(**parts), quantization_config={"quant_method": "gptq", "bits": 4}))

    assert found.quantized_bits is not None
    assert 4 <= found.quantized_bits < 4.1
