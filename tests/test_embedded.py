"""The variants of the embedded model, as they are written."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.models import embedded
from fixtures.models.embedded import DEFAULT, VARIANTS, CannotPrepare, prepared

with_torch = [
    pytest.mark.real_engine,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
"""Needs what comes with a real engine, and seconds to import it."""

HIDDEN = 64


def test_the_variants_are_those_that_matrices_may_name() -> None:
    assert [variant.rpartition("/")[2] for variant in VARIANTS] == [
        "bf16",
        "w8a8",
        "w4a16",
        "draft",
        "damaged",
        "resaved",
        "exl2",
    ]
    assert [variant.rpartition("/")[2] for variant in DEFAULT] == ["bf16", "w8a8"]


def test_an_unknown_variant_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        CannotPrepare, match=r"no embedded model 'smollm2/int3'; there are: smollm2-135m-instruct/bf16, "
    ):
        prepared("smollm2/int3")


def test_a_variant_appears_only_when_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_CACHE", str(tmp_path))

    def fails_halfway(folder: Path) -> None:
        (folder / "config.json").write_text("{}", encoding="utf-8")
        raise CannotPrepare("the disk is full")

    monkeypatch.setattr(embedded, "write_bf16", fails_halfway)
    with pytest.raises(CannotPrepare):
        prepared(VARIANTS[0])
    left = [path.name for path in (tmp_path / "models" / "1" / "smollm2-135m-instruct").iterdir()]
    assert "bf16" not in left


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A very small model of the same kind, saved."""
    model = small_model()
    model.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def small_model(layers: int = 6) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
    )
    return LlamaForCausalLM(config).to(torch.bfloat16).eval()


def tensors_of(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return {name: t for path in folder.glob("*.safetensors") for name, t in load_file(path).items()}


class TestWithTorch:
    pytestmark = with_torch

    def test_int4_is_packed_as_compressed_tensors_unpacks_it(self, base: Path, tmp_path: Path) -> None:
        from compressed_tensors.compressors.pack_quantized.helpers import unpack_from_int32

        from fixtures.models.quantized import GROUP, write_w4a16

        (folder := tmp_path / "w4a16").mkdir()
        write_w4a16(base, folder)
        made, before = tensors_of(folder), tensors_of(base)
        stem = "model.layers.1.mlp.up_proj."
        scale = made[f"{stem}weight_scale"].float().repeat_interleave(GROUP, 1)
        weight = unpack_from_int32(made[f"{stem}weight_packed"], 4, tuple(made[f"{stem}weight_shape"].tolist()))

        assert f"{stem}weight" not in made
        assert (weight.float() * scale - before[f"{stem}weight"].float()).pow(2).mean().sqrt() < 0.12 * 0.2
        assert json.loads((folder / "config.json").read_text())["quantization_config"]["format"] == "pack-quantized"

    def test_embeddings_and_norms_stay_as_they_are(self, base: Path, tmp_path: Path) -> None:
        from fixtures.models.quantized import write_w4a16

        (folder := tmp_path / "w4a16").mkdir()
        write_w4a16(base, folder)
        made, before = tensors_of(folder), tensors_of(base)

        kept = [name for name in before if not name.endswith("_proj.weight")]
        assert all(made[name].equal(before[name]) for name in kept)

    def test_only_one_layer_is_damaged(self, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from fixtures.models import changed

        monkeypatch.setattr(changed, "DAMAGED_LAYER", 3)
        (folder := tmp_path / "damaged").mkdir()
        changed.write_damaged(base, folder)
        made, before = tensors_of(folder), tensors_of(base)

        differing = {name for name in before if not made[name].equal(before[name])}
        assert {".".join(name.split(".")[:3]) for name in differing} == {"model.layers.3"}
        assert all(name.endswith("_proj.weight") for name in differing)
        ratio = made["model.layers.3.mlp.up_proj.weight"].float() / before["model.layers.3.mlp.up_proj.weight"].float()
        assert ratio.mean().item() == pytest.approx(1.15, abs=0.005)

    def test_a_resaved_model_has_the_same_numbers(self, base: Path, tmp_path: Path) -> None:
        from fixtures.models.changed import write_resaved

        (folder := tmp_path / "resaved").mkdir()
        write_resaved(base, folder)
        made, before = tensors_of(folder), tensors_of(base)

        assert {name: t for name, t in before.items() if not made[name].equal(t)} == {}

    def test_a_shortened_model_is_nearer_to_the_whole_one_than_layers_left_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import torch

        from fixtures.models import pruned

        monkeypatch.setattr(pruned, "GAP", range(2, 4))
        whole = small_model().float()
        texts = torch.randint(96, (32, 40))
        left_out, fitted = copy.deepcopy(whole), copy.deepcopy(whole)
        left_out.model.layers = torch.nn.ModuleList(
            [layer for n, layer in enumerate(left_out.model.layers) if n not in (2, 3)]
        )

        pruned.shorten(fitted, texts)

        with torch.inference_mode():
            wanted, bare, near = (
                model.model(texts, use_cache=False).last_hidden_state for model in (whole, left_out, fitted)
            )
        assert (near - wanted).norm() < 0.95 * (bare - wanted).norm()
        assert (len(fitted.model.layers), fitted.config.num_hidden_layers) == (4, 4)
        assert [layer.self_attn.layer_idx for layer in fitted.model.layers] == [0, 1, 2, 3]
