"""What is asked of vLLM, what is refused before it is asked, and what its log must then say."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints import checkpoint, plain, tokenizer

from fixtures import matrix
from fixtures.engines import vllm_options
from fixtures.engines.vllm import VllmEngine
from fixtures.engines.vllm_log import LOADED_AS, configuration, differing_draft
from fixtures.engines.vllm_options import KV_CACHES, speculative
from fixtures.matrix import Combination
from fixtures.protocols import EngineFailed, Lease

WORDS = [chr(ord("a") + number) for number in range(26)]
LINE = (
    "(EngineCore pid=12) INFO 11-25 18:22:42 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: "
    "model='/models/large', speculative_config=SpeculativeConfig(method='draft_model', model='/models/small', "
    "num_spec_tokens=3), tokenizer='/models/large', dtype=torch.bfloat16, max_seq_len=2048, "
    "quantization=compressed-tensors, quantization_config=None, enforce_eager=True, kv_cache_dtype=fp8, a=b"
)
ROOM = "(EngineCore pid=12) INFO 11-25 18:22:52 [kv_cache_utils.py:2327] CPU KV cache size: 93,184 tokens, Maximum"

Build = Callable[..., Combination]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """One combination of a small model in a folder, with this draft and these other axes."""

    def made(draft: dict[str, Any] | None = None, **axes: Any) -> Combination:
        folder = tokenizer(checkpoint(tmp_path / "target"), WORDS)
        drafts = {"some": draft} if draft else {}
        block = {"model": "tiny", "engine": "vllm", "draft": "some" if draft else "none", **axes}
        models = {"tiny": {"weights": {"none": str(folder)}}}
        path = tmp_path / "m.yaml"
        content = {"models": models, "drafts": drafts, "tasks": ["gsm8k"], "combinations": [block]}
        path.write_text(json.dumps(content), encoding="utf-8")
        (combination,) = matrix.load(path).combinations
        return combination

    return made


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return tokenizer(checkpoint(tmp_path / "small", plain(layers=1), num_hidden_layers=1), WORDS)


@pytest.mark.parametrize(
    ("draft", "asked"),
    [
        (
            {"method": "ngram", "tokens": 4, "options": {"prompt_lookup_max": 4}},
            {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4},
        ),
        (
            {"method": "suffix", "tokens": 8, "options": {"suffix_decoding_max_spec_factor": 2.0}},
            {"method": "suffix", "num_speculative_tokens": 8, "suffix_decoding_max_spec_factor": 2.0},
        ),
        (
            {"method": "draft_model", "tokens": 3, "weights": "org/small", "options": {"quantization": "fp8"}},
            {"method": "draft_model", "num_speculative_tokens": 3, "model": "org/small", "quantization": "fp8"},
        ),
        (
            {"method": "eagle", "tokens": 3, "weights": "org/head"},
            {"method": "eagle", "num_speculative_tokens": 3, "model": "org/head"},
        ),
        (
            {"method": "eagle3", "tokens": 5, "weights": "org/head"},
            {"method": "eagle3", "num_speculative_tokens": 5, "model": "org/head"},
        ),
        ({"method": "mtp", "tokens": 1}, {"method": "mtp", "num_speculative_tokens": 1}),
    ],
    ids=["ngram", "suffix", "draft_model", "eagle", "eagle3", "mtp"],
)
def test_a_draft_is_passed_as_the_speculative_configuration(
    build: Build, draft: dict[str, Any], asked: dict[str, Any]
) -> None:
    assert speculative(build(draft)) == asked


def test_the_command_carries_the_draft_and_the_kv_cache(build: Build, tmp_path: Path) -> None:
    combination = build({"method": "ngram", "tokens": 4}, kv_cache="fp8", max_model_len=2048)

    command = VllmEngine(combination, tmp_path).command("/models/tiny", 8000)

    asked = dict(itertools.pairwise(command))
    assert json.loads(asked["--speculative-config"]) == {"method": "ngram", "num_speculative_tokens": 4}
    assert asked["--per-request-spec-decode-metrics"] == "summary"
    assert asked["--kv-cache-dtype"] == "fp8"
    assert asked["--max-model-len"] == "2048"


def test_without_a_draft_nothing_is_said_of_one(build: Build, tmp_path: Path) -> None:
    command = VllmEngine(build(), tmp_path).command("/models/tiny", 8000)

    assert not {"--speculative-config", "--per-request-spec-decode-metrics", "--kv-cache-dtype"} & set(command)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Commands that would have been started."""
    commands: list[Any] = []

    def start(server: Any) -> None:
        commands.append(server.command)
        raise EngineFailed("launched", "a test needs no engine")

    monkeypatch.setattr("fixtures.engines.process.ServerProcess.start", start)
    return commands


def refusal(combination: Combination, logs: Path) -> EngineFailed:
    with pytest.raises(EngineFailed) as caught:
        VllmEngine(combination, logs).start(Lease({}, "nothing"))
    return caught.value


def test_a_draft_with_a_foreign_vocabulary_is_refused_before_anything_is_launched(
    build: Build, small: Path, tmp_path: Path, launched: list[Any]
) -> None:
    tokenizer(small, [*WORDS[:25], "!"])

    failure = refusal(build({"method": "draft_model", "tokens": 3, "weights": str(small)}), tmp_path)

    assert failure.reason == "foreign_vocabulary"
    assert "id 25 is 'z' to the target and '!' to the draft" in str(failure)
    assert launched == []


def test_a_checkpoint_that_contradicts_itself_is_refused_before_anything_is_launched(
    build: Build, tmp_path: Path, launched: list[Any]
) -> None:
    combination = build()
    checkpoint(tmp_path / "target", num_hidden_layers=7)

    assert refusal(combination, tmp_path).reason == "inconsistent_checkpoint"
    assert launched == []


def test_more_draft_tokens_than_vllm_takes_are_refused(build: Build, tmp_path: Path, launched: list[Any]) -> None:
    failure = refusal(build({"method": "ngram", "tokens": 129}), tmp_path)

    assert failure.reason == "too_many_draft_tokens"
    assert str(failure).endswith("m.yaml:1: draft some asks for 129 tokens; vLLM takes at most 128")
    assert launched == []


def test_a_kv_cache_that_only_the_gpu_build_has_is_refused_by_the_cpu_build(
    build: Build, tmp_path: Path, launched: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_options, "is_cpu_build", lambda: True)

    failure = refusal(build(kv_cache="nvfp4"), tmp_path)

    assert failure.reason == "unknown_kv_cache"
    assert "m.yaml:1: vLLM's CPU build has no KV cache of type 'nvfp4'; " in str(failure)
    assert launched == []


def test_the_gpu_build_launches_it(
    build: Build, tmp_path: Path, launched: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_options, "is_cpu_build", lambda: False)

    assert refusal(build(kv_cache="nvfp4"), tmp_path).reason == "launched"
    assert len(launched) == 1


def test_what_suits_is_launched_and_its_weights_are_described(
    build: Build, small: Path, tmp_path: Path, launched: list[Any]
) -> None:
    engine = VllmEngine(build({"method": "draft_model", "tokens": 3, "weights": str(small)}), tmp_path)

    with pytest.raises(EngineFailed, match="a test needs no engine"):
        engine.start(Lease({}, "nothing"))

    told = engine.describe()
    assert len(launched) == 1
    assert {name: told["checkpoint"][name] for name in ("bytes", "bits_per_weight", "parameters")} == {
        "bytes": 2 * 18_560,
        "bits_per_weight": 16,
        "parameters": 18_560,
    }
    assert told["draft_checkpoint"]["parameters"] == 10_304
    assert not {"warnings", "unchecked"} & set(told)


def test_weights_that_are_not_on_this_machine_are_said_to_be_unmeasured(
    build: Build, tmp_path: Path, launched: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixtures.models.inspection.files.snapshot", lambda *_: None)
    engine = VllmEngine(build(), tmp_path)

    with pytest.raises(EngineFailed, match="a test needs no engine"):
        engine.start(Lease({}, "nothing"))

    (said,) = engine.describe()["unchecked"]
    assert said.startswith("checkpoint: ")
    assert said.endswith("is not on this machine, so its weights were not measured before the start")
    assert len(launched) == 1


def test_the_log_tells_what_was_loaded() -> None:
    assert configuration(f"{LINE}\n{ROOM}") == {
        "model": "/models/large",
        "quantization": "compressed-tensors",
        "kv_cache_dtype": "fp8",
        "dtype": "torch.bfloat16",
        "max_seq_len": "2048",
        "enforce_eager": "True",
        "draft_method": "draft_model",
        "draft_model": "/models/small",
        "draft_num_spec_tokens": "3",
        "kv_cache_tokens": "93184",
    }


def test_a_folder_may_have_a_name_with_brackets_and_commas() -> None:
    told = configuration(LINE.replace("/models/small", "/models/small (1), a copy"))

    assert (told["draft_model"], told["draft_num_spec_tokens"]) == ("/models/small (1), a copy", "3")
    assert told["model"] == "/models/large"


def test_a_log_without_a_draft_tells_of_none() -> None:
    line = LINE.replace("SpeculativeConfig(method='draft_model', model='/models/small', num_spec_tokens=3)", "None")

    assert not {name for name in configuration(line) if name.startswith("draft")}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"method": "draft_model", "num_speculative_tokens": 3, "model": "/models/small"}, None),
        ({"method": "draft_model", "num_speculative_tokens": 5}, "num_speculative_tokens 3 instead of 5"),
        ({"method": "eagle"}, "method draft_model instead of eagle"),
        ({"model": "/models/other"}, "model /models/small instead of /models/other"),
        ({}, None),
    ],
)
def test_a_draft_that_was_not_loaded_as_asked_is_told(wanted: dict[str, Any], said: str | None) -> None:
    assert differing_draft(configuration(LINE), wanted) == said


def test_every_quantization_that_vllm_may_run_has_a_name_in_its_log() -> None:
    assert set(LOADED_AS) == VllmEngine.quantizations


def test_vllm_offers_what_its_version_can_load() -> None:
    assert not VllmEngine.quantizations & {"exl2", "gguf", "bitsandbytes"}
    assert {"none", "fp8", "w8a8", "w4a16", "awq", "gptq", "nvfp4", "mxfp4"} == VllmEngine.quantizations
    assert {"auto", "fp8"} <= KV_CACHES
