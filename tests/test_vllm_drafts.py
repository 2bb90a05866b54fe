"""Drafts, quantizations and KV caches of GPUs: what a matrix may say of them, and what vLLM then says of itself."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from checkpoints import checkpoint, plain, tokenizer
from fake_engine import FakeEngine

from fixtures import matrix
from fixtures.engines.counters import prove_drafting
from fixtures.engines.vllm import VllmEngine
from fixtures.engines.vllm_log import LOADED_AS, is_other_kv_cache
from fixtures.engines.vllm_options import KV_CACHES, arguments, environment, speculative
from fixtures.matrix import Combination
from fixtures.matrix_file import Draft
from fixtures.models.drafts import Target, suited
from fixtures.protocols import Endpoint, EngineFailed, Lease
from thresholds.strict_yaml import InvalidFile

Build = Callable[..., Combination]
WORDS = ["a", "b"]


def source(file: str) -> str:
    """A file of vLLM, found without importing it, which takes as long as many tests."""
    found = find_spec("vllm")
    if found is None or found.origin is None:
        pytest.skip("vLLM is not installed")
    return (Path(found.origin).parent / file).read_text("utf-8")


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def made(read_by: str | None = None, **draft: Any) -> Combination:
        folder = tokenizer(checkpoint(tmp_path / "target"), WORDS)
        model = {"weights": {"none": str(folder)}, "tokenizer": read_by}
        path = tmp_path / "m.yaml"
        content = {
            "models": {"tiny": model},
            "drafts": {"some": {"tokens": 3, **draft}},
            "tasks": ["gsm8k"],
            "combinations": [{"model": "tiny", "engine": "vllm", "draft": "some"}],
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        (combination,) = matrix.load(path).combinations
        return combination

    return made


@pytest.fixture
def environments(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What servers would have been started with."""
    found: list[dict[str, str]] = []

    def start(server: Any) -> None:
        found.append(dict(server.environment))
        raise EngineFailed("launched", "a test needs no engine")

    monkeypatch.setattr("fixtures.engines.process.ServerProcess.start", start)
    return found


@pytest.mark.parametrize(
    ("draft", "asked"),
    [
        ({"method": "medusa", "weights": "org/heads"}, {"method": "medusa", "model": "org/heads"}),
        ({"method": "mlp_speculator", "weights": "org/mlp"}, {"method": "mlp_speculator", "model": "org/mlp"}),
        ({"method": "dflash", "weights": "org/block"}, {"method": "dflash", "model": "org/block"}),
        ({"method": "dspark"}, {"method": "dspark"}),
        ({"method": "ngram_gpu"}, {"method": "ngram_gpu"}),
        (
            {"method": "eagle3", "weights": "org/head", "options": {"synthetic_acceptance_rates": [0.8, 0.5, 0.2]}},
            {"method": "eagle3", "model": "org/head", "synthetic_acceptance_rates": [0.8, 0.5, 0.2]},
        ),
        (
            {"method": "ngram", "options": {"num_speculative_tokens_per_batch_size": [[1, 4, 3], [5, 64, 1]]}},
            {"method": "ngram", "num_speculative_tokens_per_batch_size": [[1, 4, 3], [5, 64, 1]]},
        ),
    ],
)
def test_every_method_and_option_of_vllm_can_be_asked_for(
    build: Build, draft: dict[str, Any], asked: dict[str, Any]
) -> None:
    assert speculative(build(**draft)) == {"num_speculative_tokens": 3, **asked}


def test_the_engine_reads_text_as_the_matrix_says(build: Build) -> None:
    """Prompts are sent as the numbers of that tokenizer."""
    asked = dict(pairwise(arguments(build(read_by="org/base", method="ngram"))))

    assert asked["--tokenizer"] == "org/base"
    assert "--tokenizer" not in arguments(build(method="ngram"))


def test_the_log_that_proves_what_was_loaded_is_written_however_quiet_the_shell_wants_it(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "ERROR")

    assert environment(build(method="ngram"))["VLLM_LOGGING_LEVEL"] == "INFO"


@pytest.mark.parametrize(
    ("option", "instead"), [("num_speculative_tokens", "tokens"), ("model", "weights"), ("method", "method")]
)
def test_an_option_that_would_contradict_the_draft_is_refused(build: Build, option: str, instead: str) -> None:
    with pytest.raises(InvalidFile, match=rf"'{option}' is no option; write `{instead}:` under the draft instead"):
        build(method="ngram", options={option: 8})


def test_methods_and_kv_caches_are_those_that_vllm_has() -> None:
    methods, caches = source("config/speculative.py"), source("config/cache.py")

    assert {name for name in get_args(Draft.model_fields["method"].annotation) if f'"{name}"' not in methods} == set()
    listed = caches.partition("CacheDType = Literal[")[2].partition("]")[0]
    assert {word.strip().strip('"') for word in listed.split(",") if word.strip()} == KV_CACHES


def test_every_name_that_a_log_may_call_a_quantization_is_one_of_vllm() -> None:
    said = source("model_executor/layers/quantization/__init__.py")
    listed = said.partition("QuantizationMethods = Literal[")[2].partition("]")[0]

    assert {name for names in LOADED_AS.values() for name in names if f'"{name}"' not in listed} == {"None"}


@pytest.mark.parametrize(
    ("quantization", "said"),
    [
        ("w4a16", "inc"),
        ("gptq", "inc"),
        ("awq", "moe_wna16"),
        ("fp8", "quark"),
        ("fp8", "modelopt_mxfp8"),
        ("fp8", "fp8_per_block"),
        ("nvfp4", "modelopt_mixed"),
        ("w8a8", "quark"),
    ],
)
def test_a_quantization_is_known_by_all_names_that_vllm_has_for_it(quantization: str, said: str) -> None:
    assert said in LOADED_AS[quantization]


@pytest.mark.parametrize(
    ("asked", "told", "other"),
    [
        ("auto", "fp8_e4m3", False),
        ("fp8", "fp8", False),
        ("fp8", "fp8_ds_mla", False),
        ("bfloat16", "auto", False),
        ("fp8", "auto", True),
        ("fp8", None, True),
        ("nvfp4", "fp8", True),
    ],
)
def test_a_kv_cache_is_another_only_where_it_is_no_other_name_of_the_same(
    *, asked: str, told: str | None, other: bool
) -> None:
    assert is_other_kv_cache(asked, told) is other


def test_the_hub_is_asked_for_a_draft_though_the_target_is_in_a_folder(
    build: Build, tmp_path: Path, environments: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EngineFailed, match="a test needs no engine"):
        VllmEngine(build(method="eagle", weights="org/head"), tmp_path).start(Lease({}, "nothing"))

    assert "HF_HUB_OFFLINE" not in environments[0]


def test_the_hub_is_asked_for_a_tokenizer_though_all_weights_are_in_folders(
    build: Build, tmp_path: Path, environments: list[dict[str, str]]
) -> None:
    small = tokenizer(checkpoint(tmp_path / "small"), WORDS)
    made = build("org/words", method="draft_model", weights=str(small))
    with pytest.raises(EngineFailed, match="a test needs no engine"):
        VllmEngine(made, tmp_path).start(Lease({}, "nothing"))

    assert "HF_HUB_OFFLINE" not in environments[0]


def test_no_hub_is_asked_where_target_and_draft_are_in_folders(
    build: Build, tmp_path: Path, environments: list[dict[str, str]]
) -> None:
    small = tokenizer(checkpoint(tmp_path / "small"), WORDS)
    with pytest.raises(EngineFailed, match="a test needs no engine"):
        VllmEngine(build(method="draft_model", weights=str(small)), tmp_path).start(Lease({}, "nothing"))

    assert environments[0]["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(
    ("options", "reason"), [({}, "foreign_vocabulary"), ({"use_heterogeneous_vocab": True}, "launched")]
)
def test_a_draft_whose_tables_are_padded_to_another_size_needs_an_option(
    build: Build, tmp_path: Path, environments: list[dict[str, str]], options: dict[str, Any], reason: str
) -> None:
    small = tokenizer(checkpoint(tmp_path / "small", plain(vocabulary=64), vocab_size=64), WORDS)
    combination = build(method="draft_model", weights=str(small), options=options)

    with pytest.raises(EngineFailed) as caught:
        VllmEngine(combination, tmp_path).start(Lease({}, "nothing"))

    assert caught.value.reason == reason
    assert len(environments) == (reason == "launched")
    assert options or "have 64 rows of tokens and the target's 32; vLLM takes such" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [([], "wrong_quantization"), (["--quantization=fp8"], "launched"), (["-q", "fp8"], "launched")],
)
def test_unquantized_weights_that_are_called_a_quant_need_an_engine_that_quantizes_them(
    build: Build, tmp_path: Path, environments: list[dict[str, str]], arguments: list[str], reason: str
) -> None:
    plainly = build(method="ngram")
    settings = plainly.settings.model_copy(update={"engine_arguments": arguments})
    combination = replace(plainly, quantization="fp8", settings=settings)

    with pytest.raises(EngineFailed) as caught:
        VllmEngine(combination, tmp_path).start(Lease({}, "nothing"))

    assert caught.value.reason == reason
    assert len(environments) == (reason == "launched")
    assert arguments or "is not quantized, and the matrix calls it fp8; where vLLM shall" in str(caught.value)


@pytest.mark.parametrize("method", ["medusa", "mlp_speculator", "dflash"])
def test_heads_that_need_weights_are_refused_without(tmp_path: Path, method: Any) -> None:
    target = tokenizer(checkpoint(tmp_path / "target"), WORDS)

    with pytest.raises(EngineFailed, match="names no weights"):
        suited("some", Draft(method=method, tokens=3), Target(str(target), None, None))


def test_an_engine_without_counters_is_told_which_option_takes_them_away() -> None:
    with (
        FakeEngine() as fake,
        pytest.raises(EngineFailed, match=r"shows no counters at /metrics .* --disable-log-stats") as caught,
    ):
        prove_drafting(Endpoint(f"{fake.url}/elsewhere", "tiny"))

    assert caught.value.reason == "not_drafting"
