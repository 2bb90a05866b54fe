"""Mistakes in files: one clear message with file, line and what to write instead."""

import re
from pathlib import Path

import pytest

from fixtures import matrix
from fixtures.evaluate.tasks import known
from thresholds.catalogue import Catalogue
from thresholds.strict_yaml import InvalidFile

MATRIX = """\
models:
  tiny: {weights: {none: ./weights}}
tasks: [embedded_gsm8k]
combinations:
  - model: tiny
    engine: remote
    url: http://127.0.0.1:1/v1
"""

THRESHOLDS = """\
model: tiny
accuracy:
  - task: embedded_gsm8k
    floor: 0.5
    measured: 0.6
    runs: 4
    measured_on: a test
    run: earlier
    because: a test wants it
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("    url:", "    quantisation: fp8\n    url:", 7, "unknown key 'quantisation'; did you mean 'quantization'?"),
        ("tasks:", "exclud: []\ntasks:", 3, "unknown key 'exclud'; did you mean 'exclude'?"),
        ("    url:", "    concurrency: many\n    url:", 7, "concurrency: input should be a valid integer (got 'many')"),
        ("    url:", "    concurrency: true\n    url:", 7, "concurrency: input should be a valid integer (got True)"),
        ("    url:", "    concurrency: 0\n    url:", 7, "concurrency: input should be greater than 0 (got 0)"),
        ("engine: remote", "engine: vlm", 6, "engine: unknown engine 'vlm'; did you mean 'vllm'?"),
        (
            "    url:",
            "    quantization: [none, fp9]\n    url:",
            7,
            "quantization: unknown quantization 'fp9'; did you mean 'fp8'?",
        ),
        ("{none:", "{w8a9:", 2, "weights: unknown quantization 'w8a9'; did you mean 'w8a8'?"),
        ("model: tiny", "model: tinny", 5, "model 'tinny' is not under `models:`; did you mean 'tiny'?"),
        ("    url:", "    draft: ngram\n    url:", 7, "draft 'ngram' is not under `drafts:`; known: none"),
        ("engine: remote", "engine: vllm\n    quantization: exl2", 7, "vllm cannot run quantization 'exl2'; "),
        ("engine: remote", "engine: vllm\n    quantization: fp8", 7, "model 'tiny' has no weights for 'fp8'; add them"),
        ("    url: http://127.0.0.1:1/v1\n", "", 6, "engine 'remote' needs `url:`, where the endpoint is (…/v1)"),
        ("    url:", "    sampling: {temperature: .nan}\n    url:", 7, "temperature: input should be a finite number"),
        ("    url:", '    sampling: {temperature: "0.2"}\n    url:', 7, "temperature: input should be a valid number"),
        ("    url:", "    sampling: {seed: per_rum}\n    url:", 7, "seed is 'per_rum'; did you mean 'per_run'?"),
        ("tasks: [embedded_gsm8k]", "tasks: [a, b, a]", 3, "a is listed twice; delete one"),
        ("tasks: [embedded_gsm8k]", "tasks: []", 3, "tasks: list should have at least 1 item"),
        ("tasks: [embedded_gsm8k]", "tasks: [embedded_gsm8k", 4, "is not valid YAML: "),
        ("tasks:", "exclude:\n  - {engine: remote}\ntasks:", 4, "the key 'because' is missing"),
        ("tasks:", "exclude:\n  - {engine: remote, because: no}\ntasks:", 4, "because: "),
        ("tasks:", "exclude:\n  - {engine: remote, because: a test}\ntasks:", 3, "every combination is excluded"),
    ],
    ids=lambda value: value[:60].strip() if isinstance(value, str) else str(value),
)
def test_a_mistake_in_a_matrix_is_told_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, line: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(MATRIX.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(InvalidFile) as caught:
        matrix.load(tmp_path / "m.yaml")

    assert f"m.yaml:{line}: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_duplicate_combination_names_both_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = MATRIX.partition("combinations:\n")[2]
    (tmp_path / "m.yaml").write_text(MATRIX + block, encoding="utf-8")

    with pytest.raises(InvalidFile) as caught:
        matrix.load(tmp_path / "m.yaml")

    assert str(caught.value) == ("m.yaml:8: tiny-remote-unquantized is already listed at m.yaml:5; delete one")


def test_an_address_that_is_not_http_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MATRIX.replace("http://127.0.0.1:1/v1", "file:///etc"), encoding="utf-8")

    with pytest.raises(InvalidFile, match="url"):
        matrix.load(tmp_path / "m.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "m.yaml:1: holds no mapping; write `key: value` lines"),
        (b"- a\n- b\n", "m.yaml:1: holds no mapping"),
        (b"\xff\xfe\x00", "m.yaml: cannot be read: "),
        (b"tasks: [a]\ntasks: [b]\n", "m.yaml:2: is not valid YAML: found duplicate key"),
        (b"a: \x07\n", "m.yaml: is not valid YAML: "),
    ],
    ids=["empty", "a list", "no text", "a key twice", "a control character"],
)
def test_a_file_that_is_no_yaml_mapping_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_bytes(content)

    with pytest.raises(InvalidFile, match=re.escape(message)):
        matrix.load(Path("m.yaml"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embeded", "there is no matrix 'embeded'; did you mean 'embedded'?"),
        ("nowhere/m.yaml", "nowhere/m.yaml: there is no such matrix file (--matrix takes a name or a path)"),
    ],
)
def test_a_matrix_that_is_not_there_is_told(name: str, message: str) -> None:
    with pytest.raises(InvalidFile, match=re.escape(message)):
        matrix.find(name)


def test_a_glob_that_matches_no_combination_lists_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MATRIX, encoding="utf-8")

    with pytest.raises(
        InvalidFile, match=r"no combination matches --combination '\*vllm\*'; it lists: tiny-remote-unq"
    ):
        matrix.load(tmp_path / "m.yaml").select("*vllm*")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embedded_gsm9k", "unknown task 'embedded_gsm9k'; did you mean 'embedded_gsm8k'?"),
        ("arc_chalenge", "unknown task 'arc_chalenge'; did you mean 'arc_challenge'?"),
        ("mmlu", "'mmlu' is a group of lm-eval tasks; name its tasks"),
    ],
)
def test_an_unknown_task_is_told_with_the_nearest_name(
    inner_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_CACHE", inner_environment["WEIGHBRIDGE_CACHE"])

    assert known(name) == message


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("runs: 4", "runs: 4\n    quantisation: fp8", 7, "unknown key 'quantisation'; did you mean 'quantization'?"),
        ("floor: 0.5", "floor: 1.2", 4, "floor: input should be less than or equal to 1 (got 1.2)"),
        ("floor: 0.5", "floor: -0.1", 4, "floor: input should be greater than or equal to 0 (got -0.1)"),
        ("floor: 0.5", "floor: .nan", 4, "floor: input should be "),
        ("floor: 0.5", 'floor: "0.5"', 4, "floor: a number belongs here, without quotes (got '0.5')"),
        ("floor: 0.5", "floor: 50%", 4, "floor: a number belongs here, without quotes (got '50%')"),
        ("floor: 0.5", "floor: true", 4, "floor: a number belongs here, without quotes (got True)"),
        ("measured: 0.6", "measured: .inf", 5, "measured: input should be "),
        ("runs: 4", "runs: 0", 6, "runs: input should be greater than 0 (got 0)"),
        ("runs: 4", "runs: 4\n    must: shown", 7, "must is 'shown'; did you mean 'show'?"),
        ("runs: 4", "runs: 4\n    samples: forty", 7, "samples: write a number, `all`, `first N` or `seed S: N`"),
        ("    because: a test wants it\n", "", 3, "the key 'because' is missing"),
        ("    measured_on: a test\n", "", 3, "the key 'measured_on' is missing"),
        ("model: tiny", "model: tinny", 1, "model is 'tinny', but the file is named tiny.yaml; rename one"),
        ("    floor: 0.5", "    floor: 0.5\n  floor: 0.5", 5, "is not valid YAML: "),
    ],
    ids=lambda value: value[:60].strip() if isinstance(value, str) else str(value),
)
def test_a_mistake_in_a_threshold_file_is_told_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, line: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(THRESHOLDS.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(InvalidFile) as caught:
        Catalogue.load(tmp_path)

    assert str(caught.value).startswith(f"tiny.yaml:{line}: {message}")


def test_a_misspelt_required_key_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(THRESHOLDS.replace("floor:", "flor:"), encoding="utf-8")

    with pytest.raises(InvalidFile, match=r"tiny\.yaml:4: unknown key 'flor'; did you mean 'floor'\?"):
        Catalogue.load(tmp_path)


def test_two_floors_for_the_same_thing_are_refused_with_both_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(THRESHOLDS + THRESHOLDS.partition("accuracy:\n")[2], encoding="utf-8")

    with pytest.raises(InvalidFile, match=r"tiny\.yaml:10: a second floor for what tiny\.yaml:3 speaks of; delete one"):
        Catalogue.load(tmp_path)


def test_a_folder_of_thresholds_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="is no folder; name one that holds threshold files with --thresholds"):
        Catalogue.load(tmp_path / "nowhere")
