import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds.catalogue import ACCURACY_KEYS, SPEED_KEYS, Catalogue
from thresholds.measurement import ACCURACY, Metric
from thresholds.speed import SPEED
from thresholds.strict_yaml import InvalidFile, did_you_mean, shown

quick = settings(deadline=None, max_examples=50, database=None)

ORIGIN = "floor: 0.5, measured: 0.6, runs: 4, measured_on: 1 x NVIDIA H200, run: r-1, because: accepted"
WHOLE: Mapping[str, Any] = {
    "model": "smol",
    "task": "gsm8k",
    "quantization": "none",
    "kv_cache": "auto",
    "draft": "none",
    "max_tokens": None,
    "max_model_len": None,
    "chat": False,
    "temperature": None,
    "top_p": None,
    "samples": "all",
}
"""The labels of a combination whose matrix leaves everything out, on all questions."""


def file_of(folder: Path, *rows: str, model: str = "smol") -> Path:
    path = folder / f"{model}.yaml"
    path.write_text(f"model: {model}\naccuracy:\n" + "".join(f"  - {{{row}}}\n" for row in rows), encoding="utf-8")
    return path


def loaded(folder: Path, *rows: str) -> Catalogue:
    file_of(folder, *rows)
    return Catalogue.load(folder)


def refusal(folder: Path, *rows: str) -> str:
    path = file_of(folder, *rows)
    with pytest.raises(InvalidFile) as refused:
        Catalogue.load(folder)
    return str(refused.value).removeprefix(str(path))


def test_a_row_without_keys_speaks_of_a_combination_that_leaves_them_out(tmp_path: Path) -> None:
    row = loaded(tmp_path, f"task: gsm8k, {ORIGIN}").find(ACCURACY, WHOLE)

    assert row is not None
    assert (row.value, row.must, row.exact) == (0.5, "hold", True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task", "arc_challenge"),
        ("quantization", "w8a8"),
        ("kv_cache", "fp8"),
        ("draft", "eagle"),
        ("max_tokens", 128),
        ("max_model_len", 2048),
        ("chat", True),
        ("temperature", 0.2),
        ("model", "other"),
    ],
)
def test_a_row_is_not_found_for_another(key: str, value: object, tmp_path: Path) -> None:
    assert loaded(tmp_path, f"task: gsm8k, {ORIGIN}").find(ACCURACY, {**WHOLE, key: value}) is None


def test_parallelism_is_no_key_of_an_accuracy_row(tmp_path: Path) -> None:
    catalogue = loaded(tmp_path, f"task: gsm8k, {ORIGIN}")

    assert "tensor_parallel" not in ACCURACY_KEYS
    assert catalogue.find(ACCURACY, {**WHOLE, "tensor_parallel": 8}) is not None


def test_a_whole_number_as_temperature_equals_the_float_of_the_matrix(tmp_path: Path) -> None:
    catalogue = loaded(tmp_path, f"task: gsm8k, temperature: 1, {ORIGIN}")

    assert catalogue.find(ACCURACY, {**WHOLE, "temperature": 1.0}) is not None


@pytest.mark.parametrize(
    ("written", "label"),
    [("40", "40"), ("all", "all"), ("first 40", "first 40"), ("'seed 7: 40'", "seed 7: 40")],
)
def test_samples_are_written_as_the_command_line_has_them(written: str, label: str, tmp_path: Path) -> None:
    row = loaded(tmp_path, f"task: gsm8k, samples: {written}, {ORIGIN}").find(ACCURACY, {**WHOLE, "samples": label})

    assert row is not None
    assert row.exact


@pytest.mark.parametrize("written", ["some", "first", "first x", "first 0", "seed 7", "'40'", "1.5", "0", "-3", "true"])
def test_samples_are_refused_in_any_other_spelling(written: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, f"task: gsm8k, samples: {written}, {ORIGIN}").startswith(":3: samples: ")


def test_a_sample_without_a_row_is_held_against_the_row_of_the_whole_benchmark(tmp_path: Path) -> None:
    row = loaded(tmp_path, f"task: gsm8k, {ORIGIN}").find(ACCURACY, {**WHOLE, "samples": "40"})

    assert row is not None
    assert not row.exact


def test_the_row_of_the_sample_is_preferred_to_that_of_the_whole_benchmark(tmp_path: Path) -> None:
    sampled = f"task: gsm8k, samples: 40, {ORIGIN}".replace("floor: 0.5", "floor: 0.4")

    row = loaded(tmp_path, f"task: gsm8k, {ORIGIN}", sampled).find(ACCURACY, {**WHOLE, "samples": "40"})

    assert row is not None
    assert (row.value, row.exact) == (0.4, True)


def test_the_row_of_a_sample_says_nothing_of_the_whole_benchmark(tmp_path: Path) -> None:
    assert loaded(tmp_path, f"task: gsm8k, samples: 40, {ORIGIN}").find(ACCURACY, WHOLE) is None


def test_a_row_says_in_which_line_it_stands(tmp_path: Path) -> None:
    path = file_of(tmp_path, f"task: arc_easy, {ORIGIN}", f"task: gsm8k, {ORIGIN}")

    row = Catalogue.load(tmp_path).find(ACCURACY, WHOLE)

    assert row is not None
    assert row.where == f"{path}:4"


def test_a_row_knows_its_place_in_its_file(tmp_path: Path) -> None:
    path = file_of(tmp_path, f"task: arc_easy, {ORIGIN}", f"task: gsm8k, {ORIGIN}")

    row = Catalogue.load(tmp_path).find(ACCURACY, {**WHOLE, "samples": "40"})

    assert row is not None
    assert row.place == (path, "accuracy", 1)


def test_a_label_that_is_left_out_is_none(tmp_path: Path) -> None:
    catalogue = loaded(tmp_path, f"task: gsm8k, {ORIGIN}")
    known = {name: value for name, value in WHOLE.items() if value is not None}

    assert catalogue.find(ACCURACY, known) is not None
    assert catalogue.find(ACCURACY, {}) is None


def test_a_row_may_say_its_noise_its_questions_what_a_guess_reaches_and_its_golden_value(tmp_path: Path) -> None:
    more = "noise: 0.04, questions: 96, chance: 0.25, golden: {value: 0.7, run: r-0}"

    row = loaded(tmp_path, f"task: gsm8k, {more}, {ORIGIN}").find(ACCURACY, WHOLE)

    assert row is not None
    assert [row.row[name] for name in ("noise", "questions", "chance")] == [0.04, 96, 0.25]
    assert row.row["golden"] == {"value": 0.7, "run": "r-0"}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("noise: 4", ":3: noise: input should be less than or equal to 1 (got 4)"),
        ("noise: -0.1", ":3: noise: input should be greater than or equal to 0 (got -0.1)"),
        ("noise: .nan", ":3: noise: input should be a finite number (got nan)"),
        ("noise: '0.1'", ":3: noise: a number belongs here, without quotes (got '0.1')"),
        ("questions: 0", ":3: questions: input should be greater than 0 (got 0)"),
        ("chance: 25", ":3: chance: input should be less than or equal to 1 (got 25)"),
        ("golden: 0.7", ":3: golden: input should be a valid dictionary or instance of GoldenShare (got 0.7)"),
        ("golden: {value: 0.7}", ":3: the key 'run' is missing"),
        ("golden: {value: '0.7', run: r-0}", ":3: value: a number belongs here, without quotes (got '0.7')"),
        ("golden: {value: 0.7, rnu: r-0}", ":3: unknown key 'rnu'; did you mean 'run'?"),
    ],
)
def test_what_a_row_may_say_beside_its_floor_is_checked_too(written: str, said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, f"task: gsm8k, {written}, {ORIGIN}") == said


def test_a_path_below_the_working_directory_is_shown_relative(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert shown(tmp_path / "thresholds" / "smol.yaml") == "thresholds/smol.yaml"


def test_a_second_floor_for_the_same_thing_names_both_places(tmp_path: Path) -> None:
    row = f"task: gsm8k, {ORIGIN}"

    said = refusal(tmp_path, row, f"task: gsm8k, quantization: none, {ORIGIN}")

    assert said == f":4: a second floor for what {tmp_path / 'smol.yaml'}:3 speaks of; delete one"


def test_the_same_floor_in_the_files_of_two_models_is_no_duplicate(tmp_path: Path) -> None:
    file_of(tmp_path, f"task: gsm8k, {ORIGIN}", model="large")

    assert len(loaded(tmp_path, f"task: gsm8k, {ORIGIN}").rows) == 2


def test_a_row_that_a_reachable_combination_can_use_is_not_unused(tmp_path: Path) -> None:
    catalogue = loaded(tmp_path, f"task: gsm8k, {ORIGIN}")

    assert catalogue.unused([(ACCURACY, WHOLE)]) == []


def test_a_row_for_another_sample_is_not_unused(tmp_path: Path) -> None:
    catalogue = loaded(tmp_path, f"task: gsm8k, samples: 40, {ORIGIN}")

    assert catalogue.unused([(ACCURACY, WHOLE)]) == []


def test_a_row_that_nothing_can_use_is_unused(tmp_path: Path) -> None:
    catalogue = loaded(tmp_path, f"task: gsm8k, {ORIGIN}", f"task: gsm8k, quantization: awq, {ORIGIN}")

    assert [row.where for row in catalogue.unused([(ACCURACY, WHOLE)])] == [f"{tmp_path / 'smol.yaml'}:4"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"tsk: gsm8k, {ORIGIN}", ":3: unknown key 'tsk'; did you mean 'task'?"),
        (f"task: gsm8k, flor: 1, {ORIGIN}", ":3: unknown key 'flor'; did you mean 'floor'?"),
        (f"task: gsm8k, quantisation: awq, {ORIGIN}", ":3: unknown key 'quantisation'; did you mean 'quantization'?"),
        (f"task: gsm8k, must: shw, {ORIGIN}", ":3: must is 'shw'; did you mean 'show'?"),
        (f"task: 7, {ORIGIN}", ":3: task: input should be a valid string (got 7)"),
        (f"task: gsm8k, max_tokens: 0, {ORIGIN}", ":3: max_tokens: input should be greater than 0 (got 0)"),
        (f"task: gsm8k, chat: 1, {ORIGIN}", ":3: chat: input should be a valid boolean (got 1)"),
        (f"task: gsm8k, task: gsm8k, {ORIGIN}", ":3: is not valid YAML: found duplicate key"),
    ],
)
def test_a_wrong_row_says_where_and_what(row: str, said: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, row).startswith(said)


@pytest.mark.parametrize(
    ("floor", "said"),
    [
        (".nan", "floor: input should be a finite number (got nan)"),
        (".inf", "floor: input should be a finite number (got inf)"),
        ("-0.1", "floor: input should be greater than or equal to 0 (got -0.1)"),
        ("70", "floor: input should be less than or equal to 1 (got 70)"),
        ("'0.5'", "floor: a number belongs here, without quotes (got '0.5')"),
        ("true", "floor: a number belongs here, without quotes (got True)"),
        ("null", "floor: input should be a valid number (got None)"),
    ],
)
def test_a_floor_that_is_no_share_is_refused(floor: str, said: str, tmp_path: Path) -> None:
    row = f"task: gsm8k, {ORIGIN}".replace("floor: 0.5", f"floor: {floor}")

    assert refusal(tmp_path, row) == f":3: {said}"


@pytest.mark.parametrize("key", ["floor", "measured", "runs", "measured_on", "run", "because"])
def test_a_row_without_its_origin_is_refused(key: str, tmp_path: Path) -> None:
    row = ", ".join(part for part in f"task: gsm8k, {ORIGIN}".split(", ") if not part.startswith(f"{key}:"))

    assert refusal(tmp_path, row) == f":3: the key {key!r} is missing"


def test_a_mistake_in_a_nested_list_is_found_in_its_line(tmp_path: Path) -> None:
    path = tmp_path / "smol.yaml"
    path.write_text(
        "# accepted in January\nmodel: smol\n\naccuracy:\n"
        f"  - {{task: arc_easy, {ORIGIN}}}\n\n"
        "  - task: gsm8k\n    # the margin is wide\n    floor: high\n"
        "    measured: 0.6\n    runs: 4\n    measured_on: cpu\n    run: r-1\n    because: accepted\n",
        encoding="utf-8",
    )

    with pytest.raises(InvalidFile, match=r"smol\.yaml:9: floor: a number belongs here, without quotes \(got 'high'\)"):
        Catalogue.load(tmp_path)


def test_a_file_named_after_another_model_is_refused(tmp_path: Path) -> None:
    file_of(tmp_path, f"task: gsm8k, {ORIGIN}").rename(tmp_path / "large.yaml")

    with pytest.raises(InvalidFile, match=r"large\.yaml:1: model is 'smol', but the file is named large\.yaml"):
        Catalogue.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: smol\naccuracy: [", ":2: is not valid YAML: "),
        ("model: smol\n\ttabs: 1\n", ":2: is not valid YAML: "),
        ("- a list\n", ":1: holds no mapping"),
        ("", ":1: holds no mapping"),
        ("model: smol\naccuracy:\n", ":2: accuracy: input should be a valid list"),
    ],
)
def test_a_file_that_is_no_threshold_file_says_where(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "smol.yaml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidFile) as refused:
        Catalogue.load(tmp_path)

    assert str(refused.value).startswith(f"{path}{said}")


def test_a_file_that_is_no_utf_8_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "smol.yaml").write_bytes(b"model: sm\xf6l\n")

    with pytest.raises(InvalidFile, match=r"smol\.yaml: cannot be read"):
        Catalogue.load(tmp_path)


def test_a_missing_folder_is_refused_with_the_option_to_change(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"nowhere: is no folder; .* --thresholds"):
        Catalogue.load(tmp_path / "nowhere")


def test_an_empty_folder_has_no_rows(tmp_path: Path) -> None:
    assert Catalogue.load(tmp_path).rows == {}


def test_only_the_files_that_speak_of_the_models_are_read_when_these_are_named(tmp_path: Path) -> None:
    file_of(tmp_path, f"task: gsm8k, {ORIGIN}")
    (tmp_path / "large.yaml").write_text("model: large\naccuracy: [", encoding="utf-8")

    assert [row.row["model"] for row in Catalogue.load(tmp_path, {"smol"}).rows.values()] == ["smol"]


@pytest.mark.parametrize("named", ["large.yaml", "smol.yaml"])
def test_a_file_that_is_named_wrongly_but_speaks_of_the_model_is_refused(named: str, tmp_path: Path) -> None:
    other = "smol" if named == "large.yaml" else "large"
    (tmp_path / named).write_text(f"model: {other}\n", encoding="utf-8")

    with pytest.raises(InvalidFile, match=rf"model is '{other}', but the file is named {named}"):
        Catalogue.load(tmp_path, {"smol"})


def test_a_file_that_cannot_be_opened_is_refused_whatever_models_are_named(tmp_path: Path) -> None:
    (tmp_path / "smol.yaml").mkdir()

    with pytest.raises(InvalidFile, match=r"smol\.yaml: cannot be read"):
        Catalogue.load(tmp_path, {"other"})


def test_nothing_near_lists_all_that_is_known() -> None:
    assert did_you_mean("zzz", ["beta", "alpha"]) == "; known: alpha, beta"


def test_nothing_known_says_none() -> None:
    assert did_you_mean("zzz", []) == "; known: none"


@quick
@given(st.sampled_from(["gsm8k", "arc_easy"]), st.integers(1, 10**6), st.floats(0, 1))
def test_whatever_a_row_says_is_found_by_its_labels(task: str, limit: int, floor: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        row = f"task: {task}, max_tokens: {limit}, {ORIGIN}".replace("floor: 0.5", f"floor: {floor!r}")
        found = loaded(Path(folder), row).find(ACCURACY, {**WHOLE, "task": task, "max_tokens": limit})

    assert found is not None
    assert found.value == floor


@quick
@given(
    st.sampled_from([ACCURACY, *SPEED.values()]),
    st.dictionaries(st.sampled_from([*ACCURACY_KEYS, *SPEED_KEYS, "model"]), st.none() | st.integers() | st.text()),
)
def test_whatever_is_asked_for_there_is_a_row_or_none(metric: Metric, labels: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalogue = loaded(Path(folder), f"task: gsm8k, {ORIGIN}")

    assert catalogue.find(metric, labels) is None
    assert len(catalogue.unused([(metric, labels)])) == 1
    assert catalogue.path_for("x").name == "x.yaml"
