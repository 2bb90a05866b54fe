"""A context beyond that of the model is refused before anything is loaded, and its rope scaling counts."""

from pathlib import Path
from typing import Any

import pytest
from toy_engine import checkpoint

from fixtures.engines.exllamav2_server.context import longest
from fixtures.engines.exllamav2_server.options import parse


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"max_position_embeddings": 8192}, 8192),
        ({"text_config": {"max_position_embeddings": 4096}}, 4096),
        ({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}}, 16384),
        (
            {
                "max_position_embeddings": 32768,
                "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
            },
            131072,
        ),
        (
            {
                "max_position_embeddings": 131072,
                "rope_scaling": {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096},
            },
            131072,
        ),
        (
            {
                "max_position_embeddings": 131072,
                "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192},
            },
            131072,
        ),
        ({"max_position_embeddings": 4096, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, 4096),
        ({"max_position_embeddings": 4096, "rope_scaling": "linear", "text_config": "none"}, 4096),
    ],
    ids=["plain", "nested", "linear", "yarn", "yarn in the length", "llama3", "dynamic is not computed", "no mappings"],
)
def test_a_context_is_the_length_that_config_json_says_with_the_scaling_that_is_computed(
    config: dict[str, Any], tokens: int
) -> None:
    found = longest(config)

    assert found is not None
    assert found[0] == tokens


def test_a_config_without_a_length_says_nothing_of_one() -> None:
    assert longest({"vocab_size": 5}) is None


def test_the_server_refuses_a_context_that_its_model_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(checkpoint(tmp_path / "model"))

    with pytest.raises(SystemExit):
        parse(["--model", folder, "--max-model-len", "2049"])

    said = capsys.readouterr().err.splitlines()[-1]
    assert "--max-model-len: 2049 tokens of context are more than the 2048 that the model was made for" in said
    assert said.endswith("(max_position_embeddings 2048); write at most 2048")
    assert parse(["--model", folder, "--max-model-len", "2048"]).max_model_len == 2048


def test_the_server_counts_a_scaling_that_was_written_by_transformers_5(tmp_path: Path) -> None:
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
    folder = str(checkpoint(tmp_path / "model", rope_parameters=rope))

    assert parse(["--model", folder, "--max-model-len", "4096"]).max_model_len == 4096


def test_a_config_that_is_no_json_is_a_mistake_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = checkpoint(tmp_path / "model")
    (folder / "config.json").write_text("{", encoding="utf-8")

    with pytest.raises(SystemExit):
        parse(["--model", str(folder)])

    assert "config.json is no JSON" in capsys.readouterr().err.splitlines()[-1]
