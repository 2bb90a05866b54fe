"""EXL2 checkpoints: measured as they are, read as ExLlamaV2 reads them, made only where that is possible."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from checkpoints import checkpoint, plain, quantized, write_safetensors

from fixtures.models import consistency, exl2
from fixtures.models.checkpoint import read
from fixtures.models.exl2 import readable, write_exl2
from fixtures.models.tensors import INDEX
from fixtures.protocols import EngineFailed

SAID = {"quant_method": "exl2", "version": "0.3.2", "bits": 4.0, "head_bits": 6}
PARTS = {
    "q_weight": ("I32", [8, 128]),
    "q_invperm": ("I32", [64]),
    "q_scale": ("I32", [2, 16]),
    "q_scale_max": ("F16", [2]),
    "q_groups": ("I16", [4]),
}
HEAD = {"lm_head.q_weight": ("I32", [12, 32]), "lm_head.q_invperm": ("I32", [64])} | {
    f"lm_head.{name}": PARTS[name] for name in ("q_scale_max", "q_groups")
}
SCALED = {**HEAD, "lm_head.q_scale": ("I32", [2, 4])}
PROJECTIONS, TABLE, NORMS = 2 * 128 * 64, 32 * 64, 2 * 64


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEIGHBRIDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def config_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return found


def test_a_head_of_its_own_counts_as_the_weights_that_it_has(tmp_path: Path) -> None:
    found = read(checkpoint(tmp_path / "m", {**quantized(**PARTS), **SCALED}, quantization_config=SAID))

    assert found is not None
    assert found.total == PROJECTIONS + TABLE + NORMS + 64 * 32


def test_a_head_that_is_tied_counts_no_parameters_but_its_bytes(tmp_path: Path) -> None:
    tensors = {**quantized(**PARTS), **SCALED}
    found = read(checkpoint(tmp_path / "m", tensors, quantization_config=SAID, tie_word_embeddings=True))

    assert found is not None
    assert found.total == PROJECTIONS + TABLE + NORMS
    told = found.plain()["quantized"]
    assert told["parameters"] == PROJECTIONS + 64 * 32
    overhead = 3 * 64 * 32 + (2 * 2 * 16 + 2 * 4) * 32 + 3 * 2 * 16 + 3 * 4 * 16
    assert told["bits_per_weight"] == pytest.approx((4 * PROJECTIONS + 6 * 64 * 32 + overhead) / (PROJECTIONS + 2048))


def test_an_older_quant_that_says_nothing_of_it_is_known_by_its_tensors(tmp_path: Path) -> None:
    found = read(checkpoint(tmp_path / "m", quantized(**PARTS)))

    assert found is not None
    assert found.packing is not None
    assert (found.packing.method, found.total) == ("exl2", PROJECTIONS + TABLE + NORMS)


def test_an_index_that_came_from_the_unquantized_model_is_not_followed(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", quantized(**PARTS), quantization_config=SAID)
    (folder / "model.safetensors").rename(folder / "output.safetensors")
    index = {"weight_map": dict.fromkeys(plain(), "model-00001-of-00002.safetensors")}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")

    found = read(folder)

    assert found is not None
    consistency.check(found)
    assert found.total == PROJECTIONS + TABLE + NORMS


def test_an_index_of_which_some_files_are_there_names_the_missing_one(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")

    with pytest.raises(EngineFailed, match=r"names 2 files of weights, but model-2\.safetensors is missing"):
        read(folder)


def test_a_config_that_it_understands_is_left_alone(tmp_path: Path, cache: Path) -> None:
    folder = checkpoint(tmp_path / "m", rope_theta=5e5, rope_parameters={"rope_theta": 5e5, "rope_type": "default"})

    assert readable(folder) == folder
    assert not cache.exists()


@pytest.mark.parametrize(
    ("rope", "added"),
    [
        ({"rope_theta": 1e5, "rope_type": "default"}, {"rope_theta": 1e5}),
        (
            {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0},
            {"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
        ),
        (
            {"rope_theta": 5e5, "type": "yarn", "rope_type": "yarn", "factor": 4.0},
            {"rope_theta": 5e5, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
        ),
        (
            {"full_attention": {"rope_theta": 1e6, "rope_type": "default"}, "sliding_attention": {"rope_theta": 1e4}},
            {"rope_theta": 1e6},
        ),
    ],
    ids=["base alone", "scaled", "named twice", "by kind of layer"],
)
def test_positions_are_told_where_it_looks_for_them(
    tmp_path: Path, rope: dict[str, Any], added: dict[str, Any]
) -> None:
    folder = checkpoint(tmp_path / "m", rope_parameters=rope)

    view = readable(folder)

    assert config_of(view) == {**config_of(folder), **added}
    assert (view / "model.safetensors").resolve() == folder / "model.safetensors"
    assert readable(folder) == view
    assert readable(view) == view


def test_positions_of_the_nested_part_are_told_there(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", text_config={"rope_parameters": {"rope_theta": 1e6}})

    assert config_of(readable(folder))["text_config"]["rope_theta"] == 1e6


def test_a_view_follows_a_config_that_changed(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", rope_parameters={"rope_theta": 1e5})
    before = readable(folder)

    (folder / "config.json").write_text(json.dumps({"rope_parameters": {"rope_theta": 2e5}}), encoding="utf-8")

    assert readable(folder) != before
    assert config_of(readable(folder))["rope_theta"] == 2e5


def converting(monkeypatch: pytest.MonkeyPatch, code: int, config: dict[str, Any] | None) -> list[list[str]]:
    """The library is there, and its converter ends so."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        commands.append(command)
        folder = Path(command[command.index("--compile_full") + 1])
        if config is not None:
            (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
            write_safetensors(folder / "output.safetensors", quantized(**PARTS))
        return subprocess.CompletedProcess(command, code, stdout=" -- Beginning new job\n ## No room\n")

    monkeypatch.setattr(exl2, "require", lambda: None)
    monkeypatch.setattr(exl2.subprocess, "run", run)
    return commands


def test_the_converter_reads_a_config_that_it_understands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = converting(monkeypatch, 0, {"quantization_config": SAID})
    (tmp_path / "quant").mkdir()

    write_exl2(checkpoint(tmp_path / "m", rope_parameters={"rope_theta": 1e5}), tmp_path / "quant")

    (command,) = commands
    assert command[1:3] == ["-m", "exllamav2.conversion.convert_exl2"]
    assert config_of(Path(command[command.index("--in_dir") + 1]))["rope_theta"] == 1e5
    assert command[command.index("--bits") + 1] == "4.0"


@pytest.mark.parametrize(
    ("code", "config"), [(0, None), (0, {"model_type": "llama"}), (1, None)], ids=["nothing", "unquantized", "error"]
)
def test_a_converter_that_made_nothing_is_believed_no_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, config: dict[str, Any] | None
) -> None:
    converting(monkeypatch, code, config)
    (tmp_path / "quant").mkdir()

    with pytest.raises(EngineFailed, match=r"made no quant of .*: -- Beginning new job \| ## No room") as caught:
        write_exl2(checkpoint(tmp_path / "m"), tmp_path / "quant")

    assert caught.value.reason == "not_converted"
