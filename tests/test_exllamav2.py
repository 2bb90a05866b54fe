"""ExLlamaV2 as an engine: what is asked of its server, what is refused before, and what it must prove."""

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from checkpoints import write_safetensors
from fake_engine import FakeEngine
from toy_engine import LLAMA, MATRICES, NORMS, STAND_INS, WIDTH
from toy_engine import checkpoint as toy

from fixtures import matrix
from fixtures.engines import exllamav2
from fixtures.engines.causes import cause
from fixtures.engines.counters import counters
from fixtures.engines.exllamav2 import Exllamav2Engine
from fixtures.engines.openai_api import first_answer
from fixtures.matrix import Combination
from fixtures.protocols import Endpoint, EngineFailed, Lease
from thresholds.strict_yaml import InvalidFile

EXL2 = {
    "q_weight": ("I32", [WIDTH * 4 // 32, WIDTH]),
    "q_invperm": ("I32", [WIDTH]),
    "q_scale": ("I32", [1, WIDTH // 8]),
    "q_scale_max": ("F16", [1]),
    "q_groups": ("I16", [2]),
}
GPTQ = {"qweight": ("I32", [8, WIDTH]), "qzeros": ("I32", [1, 8]), "scales": ("F16", [1, WIDTH])}
FOUR_BITS = {"quant_method": "exl2", "bits": 4.0}

Build = Callable[..., Combination]


def model(folder: Path, parts: Mapping[str, Any] | None = None, **config: Any) -> Path:
    """The toy's folder, with weights as large as its config says; `parts` are those of each quantized projection."""
    toy(folder, **config)
    plain = parts or {"weight": ("F16", [WIDTH, WIDTH])}
    tensors = {name: ("F16", [LLAMA["vocab_size"], WIDTH]) for name in MATRICES if "layers" not in name}
    projections = [name.removesuffix(".weight") for name in MATRICES if "layers" in name]
    tensors |= {f"{name}.{part}": said for name in projections for part, said in plain.items()}
    write_safetensors(folder / "model.safetensors", tensors | {name: ("F16", [WIDTH]) for name in NORMS})
    return folder


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """One combination of the toy, on a machine that seems to have a GPU and the library."""
    monkeypatch.setattr("fixtures.models.exl2.gpus", lambda: ("NVIDIA Toy",))
    monkeypatch.setenv("WEIGHBRIDGE_CACHE", str(tmp_path / "cache"))

    def made(draft: dict[str, Any] | None = None, weights: dict[str, str] | None = None, **axes: Any) -> Combination:
        folders = weights or {"none": str(model(tmp_path / "target"))}
        block = {"model": "tiny", "engine": "exllamav2", "draft": "some" if draft else "none", **axes}
        block["environment"] = {"PYTHONPATH": os.pathsep.join([str(STAND_INS), str(STAND_INS.parents[1])])}
        path = tmp_path / "m.yaml"
        drafts = {"some": draft} if draft else {}
        content = {"models": {"tiny": {"weights": folders}}, "drafts": drafts, "tasks": ["gsm8k"]}
        path.write_text(json.dumps({**content, "combinations": [block]}), encoding="utf-8")
        (combination,) = matrix.load(path).combinations
        return combination

    return made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Combination], Exllamav2Engine]]:
    """Engines that end with the test."""
    started: list[Exllamav2Engine] = []

    def begin(combination: Combination) -> Exllamav2Engine:
        started.append(Exllamav2Engine(combination, tmp_path / "logs"))
        started[-1].start(Lease({}, "nothing"))
        return started[-1]

    yield begin
    for engine in started:
        engine.stop()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library can be found, as where it is installed."""
    monkeypatch.setattr("fixtures.models.exl2.find_spec", lambda _: object())


def refusal(combination: Combination, logs: Path) -> EngineFailed:
    """What speaks against a combination, which must not be launched."""
    engine = Exllamav2Engine(combination, logs)
    with pytest.raises(EngineFailed) as caught:
        engine.start(Lease({}, "nothing"))
    assert engine.describe()["command"] == []
    return caught.value


def asked(combination: Combination, logs: Path) -> list[str]:
    return Exllamav2Engine(combination, logs).command(combination.weights or "", 8000)


def test_the_command_carries_cache_context_and_split(build: Build, tmp_path: Path) -> None:
    words = asked(build(kv_cache="q6", max_model_len=4096, tensor_parallel=2), tmp_path)

    told = dict(itertools.pairwise(words))
    assert (told["--cache"], told["--max-model-len"], told["--gpu-split"]) == ("q6", "4096", "auto")
    assert (told["--model"], told["--host"], told["--port"]) == (str(tmp_path / "target"), "127.0.0.1", "8000")


def test_what_is_left_out_is_the_choice_of_the_server(build: Build, tmp_path: Path) -> None:
    words = asked(build(), tmp_path)

    assert not {"--cache", "--max-model-len", "--gpu-split", "--draft-model", "--ngram"} & set(words)


def test_a_draft_is_a_model_or_what_the_request_itself_says(build: Build, tmp_path: Path) -> None:
    small = model(tmp_path / "small")
    words = asked(build({"method": "draft_model", "tokens": 3, "weights": str(small)}), tmp_path)
    told = dict(itertools.pairwise(words))
    assert (told["--draft-model"], told["--draft-tokens"]) == (str(small), "3")

    folder = {"none": str(tmp_path / "target")}
    words = asked(build({"method": "ngram", "tokens": 5}, weights=folder), tmp_path)
    assert words[words.index("--ngram") :][:3] == ["--ngram", "--draft-tokens", "5"]


@pytest.mark.parametrize(
    ("draft", "reason", "said"),
    [
        (
            {"method": "eagle", "tokens": 3, "weights": "org/head"},
            "unsupported_draft",
            "drafts by draft_model or ngram",
        ),
        ({"method": "suffix", "tokens": 3}, "unsupported_draft", "is of method suffix"),
        (
            {"method": "ngram", "tokens": 3, "options": {"prompt_lookup_max": 4}},
            "unsupported_draft",
            "has options that ExLlamaV2 does not know (prompt_lookup_max)",
        ),
        ({"method": "ngram", "tokens": 4000}, "too_many_draft_tokens", "takes at most 2047"),
    ],
    ids=["eagle", "suffix", "options", "too many tokens"],
)
def test_a_draft_that_it_has_not_is_refused_before_the_start(
    build: Build, tmp_path: Path, draft: dict[str, Any], reason: str, said: str
) -> None:
    failed = refusal(build(draft), tmp_path)

    assert failed.reason == reason
    assert said in str(failed)
    assert str(failed).startswith(f"{tmp_path / 'm.yaml'}:")


def test_without_the_package_it_says_what_to_install(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixtures.models.exl2.find_spec", lambda _: None)

    failed = refusal(build(), tmp_path)

    assert failed.reason == "missing_package"
    assert "pip install exllamav2==0.3.2" in str(failed)


@pytest.mark.usefixtures("installed")
def test_without_a_gpu_nothing_is_launched(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.models.exl2.gpus", tuple)

    failed = refusal(build(), tmp_path)

    assert (failed.reason, "needs an NVIDIA GPU" in str(failed)) == ("no_gpu", True)


WRONG = {
    "a quant as unquantized": ("none", EXL2, FOUR_BITS, "wrong_quantization", "is quantized as exl2, not as none"),
    "unquantized as a quant": ("exl2", None, None, "wrong_quantization", "is quantized as none, not as exl2"),
    "gptq of 8 bits": ("gptq", GPTQ, {"quant_method": "gptq", "bits": 8}, "unsupported", "GPTQ of 8 bits; ExLlamaV2"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.usefixtures("installed")
def test_weights_that_are_not_what_the_matrix_says_are_refused(build: Build, tmp_path: Path, case: str) -> None:
    said_to_be, parts, config, reason, said = WRONG[case]
    folder = model(tmp_path / "other", parts, **({"quantization_config": config} if config else {}))

    failed = refusal(build(weights={said_to_be: str(folder)}, quantization=said_to_be), tmp_path)

    assert (failed.reason, said in str(failed)) == (reason, True)


@pytest.mark.usefixtures("installed")
def test_a_context_beyond_that_of_the_model_is_refused_before_the_start(build: Build, tmp_path: Path) -> None:
    failed = refusal(build(max_model_len=4096), tmp_path)

    assert failed.reason == "too_long_context"
    assert str(failed).startswith(f"{tmp_path / 'm.yaml'}:")
    assert "4096 tokens of context are more than the 2048 that the model was made for" in str(failed)
    assert str(failed).endswith("(max_position_embeddings 2048); write at most 2048")


@pytest.mark.usefixtures("installed")
def test_weights_that_are_not_on_this_machine_are_not_waited_for(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixtures.models.files.snapshot", lambda *_: None)

    failed = refusal(build(weights={"none": "org/large"}), tmp_path)

    assert failed.reason == "missing_weights"
    assert str(failed).endswith("fetch it: hf download org/large")


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"kv_cache": "fp8"}, "exllamav2 has no KV cache of type 'fp8'"),
        ({"quantization": "awq"}, "exllamav2 cannot run quantization 'awq'"),
    ],
    ids=["cache", "quantization"],
)
def test_a_matrix_that_asks_for_what_it_cannot_run_is_wrong(build: Build, axes: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidFile, match=said):
        build(**axes)


@pytest.mark.usefixtures("installed")
def test_it_starts_proves_its_draft_and_leaves_nothing_behind(
    build: Build, start: Callable[[Combination], Exllamav2Engine]
) -> None:
    engine = start(build({"method": "ngram", "tokens": 4}, kv_cache="q4", max_model_len=512))

    told = engine.describe()
    assert {"quantization": "none", "cache": "q4", "draft": "ngram"}.items() <= told["loaded"].items()
    assert told["checkpoint"]["dtypes"] == {"F16": 1.0}
    assert engine.failure() is None
    assert (engine.memory() or 0) > 1_000_000
    engine.stop()
    assert engine.failure() is not None


@pytest.mark.usefixtures("installed")
def test_only_who_has_the_key_of_the_matrix_may_ask_it(
    build: Build, start: Callable[[Combination], Exllamav2Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_KEY", "sk-toy-secret")
    command = start(build(key_variable="TOY_KEY")).describe()["command"]

    url = f"http://127.0.0.1:{dict(itertools.pairwise(command))['--port']}/v1"
    assert first_answer(Endpoint(url, "tiny", "TOY_KEY"), chat=False)
    with pytest.raises(EngineFailed, match="answered 401"):
        first_answer(Endpoint(url, "tiny"), chat=False)
    assert "sk-toy-secret" not in " ".join(command)


def test_another_server_on_its_port_is_no_engine(build: Build, fake_engine: FakeEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineFailed) as caught:
        Exllamav2Engine(build(), tmp_path)._prove(Endpoint(fake_engine.url, "tiny"))

    assert caught.value.reason == "wrong_server"


@pytest.mark.parametrize(
    ("told", "reason", "said"),
    [
        ({"cache": "fp16"}, "wrong_kv_cache", "asked for cache q8, but the engine says 'fp16'"),
        ({"quantization": "exl2"}, "wrong_quantization", "asked for quantization none, but the engine says 'exl2'"),
        ({"draft": None}, "wrong_draft", "asked for draft ngram, but the engine says None"),
    ],
    ids=["cache", "quantization", "draft"],
)
def test_what_was_not_loaded_as_asked_is_no_engine(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], reason: str, said: str
) -> None:
    engine = Exllamav2Engine(build({"method": "ngram", "tokens": 4}, kv_cache="q8"), tmp_path)
    loaded = {"quantization": "none", "cache": "q8", "draft": "ngram", **told}
    monkeypatch.setattr(exllamav2, "served_models", lambda _: [{"id": engine._nonce}])
    monkeypatch.setattr(exllamav2, "call", lambda *_: loaded)

    with pytest.raises(EngineFailed, match=said) as caught:
        engine._prove(Endpoint("http://127.0.0.1:1/v1", "tiny"))

    assert caught.value.reason == reason


@pytest.mark.usefixtures("installed")
def test_an_exl2_quant_is_served_and_its_counters_are_read(
    build: Build, start: Callable[[Combination], Exllamav2Engine], tmp_path: Path
) -> None:
    folder = model(tmp_path / "quant", EXL2, quantization_config=FOUR_BITS)
    engine = start(build(weights={"exl2": str(folder)}, quantization="exl2", chat=True))

    assert engine.describe()["loaded"]["quantization"] == "exl2"
    port = dict(itertools.pairwise(engine.describe()["command"]))["--port"]
    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", "tiny")
    before = counters(endpoint)["generation_tokens_total"]
    first_answer(endpoint, chat=False)
    assert counters(endpoint)["generation_tokens_total"] > before > 0


@pytest.mark.parametrize(
    "line",
    [
        "RuntimeError: Error building extension 'exllamav2_ext'",
        "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.",
        "RuntimeError: Ninja is required to load C++ extensions (pip install ninja to get it)",
    ],
    ids=["compiler", "CUDA", "ninja"],
)
def test_an_extension_that_cannot_be_built_is_a_cause_of_its_own(line: str) -> None:
    assert cause(["loading", line])[0] == "not_built"
