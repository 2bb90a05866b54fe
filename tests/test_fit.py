"""Whether a combination fits a machine: the arithmetic, what it is taken from, and what is never refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints import checkpoint, plain

from conftest import Weighbridge
from fixtures import matrix
from fixtures.fit import machine
from fixtures.fit.cache import Cache, Heads, heads_of
from fixtures.fit.machine import Memory, memory
from fixtures.fit.need import need_of, refusal
from fixtures.matrix import Combination
from fixtures.models import files
from fixtures.placement.local import LocalPlacement
from fixtures.protocols import EngineFailed

LARGE = {"parameters": 32_768_000_000, "layers": 64, "kv_heads": 8, "head_dim": 128}
ATTENTION = {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 16}
GIGABYTE = 10**9

Build = Callable[..., Combination]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """One combination of a model of this kind, with these axes and settings."""

    def made(model: dict[str, Any], draft: dict[str, Any] | None = None, **axes: Any) -> Combination:
        quantization = axes.get("quantization", "none")
        known = {"weights": {quantization: "org/not-on-this-machine"}, **model}
        block = {"model": "large", "engine": "vllm", "max_model_len": 16384, **axes}
        drafts = {"some": {"method": "draft_model", "tokens": 4, **draft}} if draft else {}
        content = {"models": {"large": known}, "drafts": drafts, "tasks": ["gsm8k"], "combinations": [block]}
        path = tmp_path / "m.yaml"
        path.write_text(json.dumps(content | ({"combinations": [block | {"draft": "some"}]} if draft else {})))
        (combination,) = matrix.load(path).combinations
        return combination

    return made


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give this machine GPUs of these sizes in bytes."""

    def given(*sizes: int | None) -> None:
        monkeypatch.setattr(machine, "gpus", lambda: ("H200",) * len(sizes))
        monkeypatch.setattr(machine, "gpu_sizes", lambda: sizes)
        monkeypatch.setattr(machine, "is_cpu_build", lambda: False)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return given


@pytest.mark.parametrize(
    ("heads", "bits", "each_token"),
    [
        (Heads(32, 8, 128), 16, 131_072),  # Llama 3.1 8B
        (Heads(64, 8, 128), 16, 262_144),  # Qwen2.5 32B
        (Heads(80, 8, 128), 4.5, 92_160),  # Qwen2.5 72B in ExLlamaV2's Q4
        (Heads(18, 8, 64), 16, 36_864),  # gpt-oss-120b: every second of its layers has a window
        (Heads(30, 3, 64), 16, 23_040),  # SmolLM2 135M: of 2 GiB vLLM's log says 93,184 tokens, 728 blocks of 128
    ],
)
def test_a_token_takes_a_key_and_a_value_of_every_head_and_layer(heads: Heads, bits: float, each_token: int) -> None:
    assert Cache(heads, bits, 1).bytes == each_token


def test_a_refusal_shows_its_arithmetic(build: Build) -> None:
    said = refusal(build({"shape": LARGE}), Memory(24 * GIGABYTE, "this machine has"))

    assert said == (
        "weights 65.5 GB + KV cache 4.3 GB (64 layers x 8 heads x 128 x 2 x 2 B x 16,384 tokens) = 69.8 GB; "
        "this machine has 24.0 GB"
    )


def test_bits_per_weight_are_those_of_the_quantization(build: Build) -> None:
    combination = build({"shape": {**LARGE, "bits": {"w4a16": 4.5}}}, quantization="w4a16", kv_cache="fp8")

    assert str(need_of(combination)).startswith(
        "weights 18.4 GB + KV cache 2.1 GB (64 layers x 8 heads x 128 x 2 x 1 B"
    )


def test_a_draft_is_needed_too(build: Build) -> None:
    small = {"parameters": 1_000_000_000, "layers": 24, "kv_heads": 2, "head_dim": 64}
    combination = build({"shape": LARGE}, draft={"weights": "org/small", "shape": small})

    assert " + draft weights 2.0 GB + draft KV cache 201 MB (24 layers x 2 heads x 64" in str(need_of(combination))
    assert need_of(combination).bytes == need_of(build({"shape": LARGE})).bytes + 2 * GIGABYTE + 201_326_592


@pytest.mark.parametrize(
    ("model", "axes", "why"),
    [
        ({}, {}, "its weights are not on this machine, and the matrix gives no `shape:` of the model"),
        ({"shape": LARGE}, {"engine_arguments": ["--cpu-offload-gb", "40"]}, "engine_arguments has --cpu-offload-gb"),
        ({"shape": LARGE}, {"engine_arguments": ["--quantization=fp8"]}, "engine_arguments has --quantization"),
        ({"shape": LARGE}, {"engine_arguments": ["--max_model_len", "8"]}, "engine_arguments has --max-model-len"),
        ({"shape": LARGE}, {"engine_arguments": ["--hf-overrides.n", "8"]}, "engine_arguments has --hf-overrides"),
        (
            {"shape": LARGE},
            {"engine_arguments": ["--offload-group-size", "8"]},
            "engine_arguments has --offload-group-size",
        ),
    ],
)
def test_what_cannot_be_reckoned_is_not_judged(
    build: Build, model: dict[str, Any], axes: dict[str, Any], why: str
) -> None:
    combination = build(model, **axes)

    assert str(need_of(combination)) == f"unknown: {why}"
    assert refusal(combination, Memory(1, "this machine has")) is None


def test_without_a_context_length_only_the_weights_count(build: Build) -> None:
    assert str(need_of(build({"shape": LARGE}, max_model_len=None))) == "weights 65.5 GB"


def test_what_is_larger_by_less_than_a_twentieth_may_start(build: Build) -> None:
    combination = build({"shape": LARGE})
    needed = need_of(combination).bytes

    assert refusal(combination, Memory(round(0.951 * needed), "it has")) is None
    assert refusal(combination, Memory(round(0.949 * needed), "it has")) is not None


def test_weights_on_this_machine_are_measured_and_the_matrix_is_not_believed(build: Build, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "here", **ATTENTION)
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))

    (part,) = need_of(build({"weights": {"none": str(folder)}, "shape": LARGE})).parts

    assert 0.5 * stored < (part.weights or 0) < stored  # the rest is the header
    assert part.cache is not None
    assert part.cache.heads == Heads(2, 4, 16)


def test_of_a_draft_the_revision_counts_that_it_is_loaded_in(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {None: checkpoint(tmp_path / "main"), "8.0bpw": checkpoint(tmp_path / "8.0bpw", plain(layers=1))}
    monkeypatch.setattr(
        files, "snapshot", lambda source, revision=None: folders[revision] if "small" in source else None
    )
    small = {"weights": "org/small", "options": {"revision": "8.0bpw"}}

    named, usual = (
        need_of(build({"shape": LARGE}, draft=draft)).parts[1].weights for draft in (small, {**small, "options": {}})
    )

    assert 0 < (named or 0) < (usual or 0)


def test_32_bit_weights_are_loaded_in_16(build: Build, tmp_path: Path) -> None:
    wide = {name: ("F32", shape) for name, (_, shape) in plain().items()}

    sizes = [
        need_of(build({"weights": {"none": str(folder)}})).parts[0].weights
        for folder in (checkpoint(tmp_path / "wide", wide), checkpoint(tmp_path / "narrow"))
    ]

    assert sizes[0] == sizes[1]


def test_a_head_that_is_tied_to_the_embeddings_is_loaded_once(build: Build, tmp_path: Path) -> None:
    twice = {**plain(), "lm_head.weight": ("BF16", [32, 64])}

    sizes = [
        need_of(build({"weights": {"none": str(folder)}})).parts[0].weights
        for folder in (
            checkpoint(tmp_path / "tied", twice, tie_word_embeddings=True),
            checkpoint(tmp_path / "once", tie_word_embeddings=True),
            checkpoint(tmp_path / "untied", twice),
        )
    ]

    assert sizes[0] == sizes[1] == (sizes[2] or 0) - 2 * 32 * 64


def test_exllamav2_keeps_embeddings_out_of_the_gpu(build: Build, tmp_path: Path) -> None:
    folder = str(checkpoint(tmp_path / "here"))

    sizes = [
        need_of(build({"weights": {"none": folder}}, engine=engine)).parts[0].weights
        for engine in ("vllm", "exllamav2")
    ]

    assert (sizes[0] or 0) - (sizes[1] or 0) == 2 * 32 * 64


def test_a_broken_checkpoint_is_left_to_the_start(build: Build, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"\xff" * 64)

    assert need_of(build({"weights": {"none": str(folder)}})).unknown is not None


@pytest.mark.parametrize(
    ("more", "heads"),
    [
        ({}, Heads(2, 4, 16)),
        ({"head_dim": None, "hidden_size": 128}, Heads(2, 4, 16)),
        ({"num_key_value_heads": None}, Heads(2, 8, 16)),
        ({"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 128}, Heads(1, 4, 16)),
        ({"sliding_window": 128}, Heads(2, 4, 16, 128)),
        ({"sliding_window": 128, "use_sliding_window": False}, Heads(2, 4, 16)),
        ({"attention_chunk_size": 8192}, Heads(2, 4, 16, 8192)),
        ({"kv_lora_rank": 512}, None),
        ({"multi_query": True, "num_key_value_heads": None}, None),  # Falcon: one head, for all its 71 queries
        ({"multi_query_group_num": 2, "num_key_value_heads": None}, None),  # ChatGLM
        ({"multi_query": False, "num_key_value_heads": None}, Heads(2, 8, 16)),
        ({"block_configs": [{}], "num_key_value_heads": None}, None),  # Nemotron: each layer has its own
        ({"mamba_d_state": 16}, None),
        ({"num_attention_heads": None, "num_key_value_heads": None}, None),
    ],
)
def test_only_layers_that_look_back_to_the_first_token_grow(more: dict[str, Any], heads: Heads | None) -> None:
    assert heads_of({"num_hidden_layers": 2, "hidden_size": 64, **ATTENTION, **more}) == heads


def test_a_window_bounds_the_cache(build: Build, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "here", **ATTENTION, sliding_window=100)

    assert "x 100 tokens)" in str(need_of(build({"weights": {"none": str(folder)}})))


def test_the_largest_gpus_that_it_could_have_count(build: Build, gpus: Callable[..., None]) -> None:
    gpus(24 * GIGABYTE, 80 * GIGABYTE, 48 * GIGABYTE)

    assert memory(build({})) == Memory(80 * GIGABYTE, "its GPU has")
    assert memory(build({}, tensor_parallel=2)) == Memory(128 * GIGABYTE, "its 2 GPUs have")


def test_only_the_gpus_that_are_left_to_us_count(
    build: Build, gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(24 * GIGABYTE, 80 * GIGABYTE, 48 * GIGABYTE)
    for given in ("0,2", "0, 2", "0,2,"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)

        assert memory(build({})) == Memory(48 * GIGABYTE, "its GPU has")


@pytest.mark.parametrize(("sizes", "parallel"), [((None,), 1), ((80 * GIGABYTE,), 2), ((), 1)])
def test_gpus_that_do_not_say_or_are_not_there_are_not_judged(
    build: Build, gpus: Callable[..., None], sizes: tuple[int | None, ...], parallel: int
) -> None:
    gpus(*sizes)

    assert memory(build({}, tensor_parallel=parallel)) is None


def test_the_cpu_build_fills_the_processors_memory_whatever_gpus_there_are(
    build: Build, gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(4 * GIGABYTE)
    monkeypatch.setattr(machine, "is_cpu_build", lambda: True)
    monkeypatch.setattr(machine, "processor_size", lambda: 64 * GIGABYTE)

    assert memory(build({})) == Memory(64 * GIGABYTE, "this machine has")


def test_a_container_may_use_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "LIMIT", limit)
    whole = machine.processor_size()
    for said, size in (("max", whole), ("1000000", 1_000_000), (str(2 * whole), whole)):
        limit.write_text(f"{said}\n", encoding="ascii")
        assert machine.processor_size() == size


def test_what_does_not_fit_takes_no_device(build: Build, gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(24 * GIGABYTE)
    combination = build({"shape": LARGE})

    with pytest.raises(
        EngineFailed, match=r"m\.yaml:\d+: weights 65\.5 GB .* = 69\.8 GB; its GPU has 24\.0 GB"
    ) as caught:
        LocalPlacement(lambda _: None, 0.1, tmp_path / "leases").acquire(combination)

    assert caught.value.reason == "does_not_fit"
    assert not (tmp_path / "leases").exists()


def test_a_session_measures_what_fits_and_says_why_it_does_not_measure_the_rest(weighbridge: Weighbridge) -> None:
    weighbridge.matrix(
        ["embedded_gsm8k"],
        {"engine": "spawned"},
        {"engine": "vllm", "quantization": "fp8", "max_model_len": 2048},
        model={"weights": {"none": "./nowhere", "fp8": "./nowhere"}, "shape": {**LARGE, "parameters": 10**15}},
    )
    weighbridge.floors(*({"task": "embedded_gsm8k", "quantization": q, "floor": 0.0} for q in ("none", "fp8")))

    heard = weighbridge.run("--samples", "2", "--runs", "1", "-m", "accuracy")

    assert heard.engines == ["tiny-spawned-unquantized"]
    verdict = heard.verdict(quantization="fp8")
    assert (verdict["outcome"], verdict["reason"]) == ("NOT_MEASURED", "does_not_fit")
    assert (
        "weights 2,000,000.0 GB + KV cache 537 MB (64 layers x 8 heads x 128 x 2 x 2 B x 2,048 tokens)" in heard.output
    )
