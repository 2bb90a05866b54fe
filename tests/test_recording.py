import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from thresholds.catalogue import Catalogue, Threshold
from thresholds.doctor import examine
from thresholds.measurement import ACCURACY, Measurement, NotMeasured
from thresholds.recording import accuracy_row, as_text, edited, margin, recordable, write
from thresholds.strict_yaml import InvalidFile

LABELS: Mapping[str, Any] = {
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
ONE_FLIPS = ((0.0, 1.0, 1.0, 0.0), (1.0, 1.0, 1.0, 0.0))
HALF_RIGHT = ((1.0,) * 50 + (0.0,) * 50,) * 4


def measured(scores: tuple[tuple[float, ...], ...] = HALF_RIGHT, **labels: Any) -> Measurement:
    return Measurement(ACCURACY, scores, {**LABELS, **labels}, len(scores[0]))


def row_of(measurement: Measurement) -> dict[str, Any]:
    return accuracy_row(measurement, measured_on="2 x Intel cores", run="20260117-093000-ab12")


def recorded(measurement: Measurement, machine: str, run: str) -> tuple[dict[str, Any], Threshold | None]:
    """A row written into a file, and what the catalogue then finds."""
    row, model = accuracy_row(measurement, measured_on=machine, run=run), measurement.labels["model"]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / f"{model}.yaml", model, row)
        return row, Catalogue.load(Path(folder)).find(ACCURACY, measurement.labels)


def test_a_floor_recorded_from_one_run_is_refused() -> None:
    with pytest.raises(NotMeasured, match="from one run, whose spread is unknown; use --runs 4") as refused:
        recordable(measured(((1.0, 0.0),)))

    assert refused.value.reason == "one_run"


def test_a_floor_recorded_while_requests_fail_is_refused() -> None:
    with pytest.raises(NotMeasured, match="while requests fail") as refused:
        recordable(Measurement(ACCURACY, HALF_RIGHT, LABELS, 100, failed_requests=1))

    assert refused.value.reason == "failed_requests"


def test_two_complete_runs_can_be_recorded() -> None:
    assert recordable(measured(HALF_RIGHT[:2])) is None


def test_a_floor_that_could_never_fail_is_refused() -> None:
    with pytest.raises(NotMeasured, match="could never fail; ask more questions"):
        recordable(measured(((1.0,) + (0.0,) * 39, (0.0,) * 40)))


def test_a_floor_that_rounds_down_to_0_is_refused_too() -> None:
    just_above = ((0.032,) * 100,) * 4

    assert margin(measured(just_above)) < 0.032
    with pytest.raises(NotMeasured, match="could never fail; ask more questions"):
        recordable(measured(just_above))


def test_the_margin_of_runs_that_agree_is_that_of_one_question() -> None:
    # 2.5758 / 100, whatever the number of runs
    assert margin(measured(HALF_RIGHT)) >= 0.025758


def test_the_margin_grows_with_the_noise_between_runs() -> None:
    assert margin(measured(((0.0, 1.0), (1.0, 0.0)))) > margin(measured(((0.0, 1.0), (0.0, 1.0))))


def test_the_row_names_only_what_is_not_the_default() -> None:
    row = row_of(measured(quantization="w8a8", samples="40"))

    assert list(row) == [
        "task", "quantization", "samples", "floor", "measured", "noise", "runs", "questions", "measured_on", "run",
        "because"
    ]  # fmt: skip


def test_the_row_keeps_the_noise_between_runs_for_machines_to_read() -> None:
    # one item of four has the variance 0.5: sqrt(0.5) / 4
    assert row_of(measured(ONE_FLIPS))["noise"] == 0.177
    assert row_of(measured(HALF_RIGHT))["noise"] == 0.0


def test_one_run_shows_no_noise() -> None:
    assert "noise" not in row_of(measured(((1.0, 0.0),)))


def test_the_row_says_how_many_questions_were_asked_where_its_sample_does_not() -> None:
    assert row_of(measured())["questions"] == 100
    assert row_of(measured(samples="40"))["questions"] == 100
    assert "questions" not in row_of(measured(samples="first 100"))
    assert "questions" not in row_of(measured(samples="seed 7: 100"))


def test_many_questions_are_measured_to_as_many_decimals_as_one_of_them_needs() -> None:
    many = ((1.0,) * 7000 + (0.0,) * 3003,) * 2

    assert row_of(measured(many))["measured"] == 0.69979


def test_more_runs_never_widen_the_margin_of_one_question_beyond_that_of_four() -> None:
    assert margin(measured(HALF_RIGHT * 5)) == margin(measured(HALF_RIGHT))


def test_a_row_that_would_flake_is_refused_with_the_floor_that_would_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thresholds.recording.bound", lambda _: 0.49)

    with pytest.raises(NotMeasured, match=r"red in 20\.7 % of the sessions: .*; `floor: 0\.468` would hold") as refused:
        recordable(measured())

    assert refused.value.reason == "would_flake"


def test_an_edit_keeps_comments_order_and_the_one_line_form(tmp_path: Path) -> None:
    path = tmp_path / "smol.yaml"
    write(path, "smol", row_of(measured()))
    write(path, "smol", row_of(measured(task="arc_easy")))
    text = "# agreed in January\n" + path.read_text(encoding="utf-8").replace("accuracy:", "accuracy:  # per task")

    after = edited(text, [("accuracy", 1, {"floor": 0.5, "golden": {"value": 0.6, "run": "r-2"}})])

    before, changed = text.splitlines(), after.splitlines()
    assert changed[:-1] == before[:-1]
    assert changed[-1] == before[-1].replace("floor: 0.468", "floor: 0.5").replace(
        "questions: 100, ", 'questions: 100, golden: {value: 0.6, run: "r-2"}, '
    )


MANY_LINES = """\
model: smol
accuracy:
  - task: a
    floor: 0.5  # wide
    measured: 0.6
    runs: 4
    measured_on: cpu
    run: r-1
    because: agreed
"""


def test_an_edit_of_a_row_of_many_lines_keeps_its_lines() -> None:
    after = edited(MANY_LINES, [("accuracy", 0, {"floor": 0.55, "noise": 0.01})])

    assert after == MANY_LINES.replace("0.5  #", "0.55 #").replace("0.6\n", "0.6\n    noise: 0.01\n")


@pytest.mark.parametrize("values", [{"floor": 1.5}, {"run": "r"}, {"golden": {"value": 0.5}}])
def test_an_edit_that_no_threshold_file_may_hold_is_an_error(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        edited(MANY_LINES, [("accuracy", 0, values)])


def test_a_row_that_does_not_change_is_written_as_it_was() -> None:
    text = Path("thresholds/smollm2-135m-instruct.yaml").read_text(encoding="utf-8")

    assert edited(text, []) == text


def test_the_row_writes_a_plain_sample_as_a_number() -> None:
    assert row_of(measured(samples="40"))["samples"] == 40


def test_the_row_keeps_where_it_comes_from() -> None:
    row = row_of(measured())

    assert (row["measured"], row["runs"]) == (0.5, 4)
    assert (row["measured_on"], row["run"]) == ("2 x Intel cores", "20260117-093000-ab12")
    assert row["because"].startswith("recorded; error of a rerun 0.0 points, margin ")


def test_a_floor_is_rounded_down_to_a_tenth_of_a_point() -> None:
    row = row_of(measured())

    assert row["floor"] == round(row["floor"], 3)
    assert row["floor"] <= 0.5 - margin(measured())


def test_a_score_near_zero_has_a_floor_of_zero() -> None:
    assert row_of(measured(((0.0, 0.0, 0.0, 0.0),) * 2))["floor"] == 0.0


def test_a_recorded_row_is_found_by_the_labels_it_was_made_from(tmp_path: Path) -> None:
    measurement = measured(quantization="w8a8", temperature=0.2, max_tokens=96, chat=True, samples="seed 7: 40")
    write(tmp_path / "smol.yaml", "smol", row_of(measurement))

    found = Catalogue.load(tmp_path).find(ACCURACY, measurement.labels)

    assert found is not None
    assert found.value == row_of(measurement)["floor"]
    assert found.where == f"{tmp_path / 'smol.yaml'}:3"


def test_a_new_file_names_its_model(tmp_path: Path) -> None:
    write(tmp_path / "smol.yaml", "smol", row_of(measured()))

    assert (tmp_path / "smol.yaml").read_text(encoding="utf-8").startswith("model: smol\naccuracy:\n  - {task: gsm8k")


def test_writing_a_row_keeps_comments_and_the_rows_before_it(tmp_path: Path) -> None:
    path = tmp_path / "smol.yaml"
    write(path, "smol", row_of(measured()))
    text = "# agreed in January\n" + path.read_text(encoding="utf-8").replace("accuracy:", "accuracy:  # per task")
    path.write_text(text, encoding="utf-8")

    write(path, "smol", row_of(measured(task="arc_easy")))

    assert path.read_text(encoding="utf-8").startswith(text)
    assert len(Catalogue.load(tmp_path).rows) == 2


def test_a_row_is_pasted_as_it_is_printed(tmp_path: Path) -> None:
    measurement = measured(task="arc_easy", max_model_len=2048)
    pasted = f"model: smol\naccuracy:\n  - {as_text(row_of(measurement))}\n"
    (tmp_path / "smol.yaml").write_text(pasted, encoding="utf-8")

    assert Catalogue.load(tmp_path).find(ACCURACY, measurement.labels) is not None


def test_a_row_is_printed_in_one_line() -> None:
    assert "\n" not in as_text(accuracy_row(measured(), measured_on="word " * 200, run="r-1"))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(InvalidFile, match=r"file/smol\.yaml: cannot be written"):
        write(tmp_path / "file" / "smol.yaml", "smol", row_of(measured()))


def test_a_model_with_a_short_name_can_be_recorded(tmp_path: Path) -> None:
    measurement = measured(model="o1")
    write(tmp_path / "o1.yaml", "o1", row_of(measurement))

    assert Catalogue.load(tmp_path).find(ACCURACY, measurement.labels) is not None


word = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=12)
words = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=3, max_size=60)
limit = st.none() | st.integers(1, 10**6)
samples = st.integers(1, 12).flatmap(
    lambda items: st.lists(
        st.lists(st.floats(0, 1), min_size=items, max_size=items).map(tuple), min_size=2, max_size=5
    ).map(tuple)
)
labels = st.fixed_dictionaries(
    {
        "model": word.map(lambda name: f"model_{name}"),
        "task": word,
        "quantization": word,
        "kv_cache": word,
        "draft": word,
        "max_tokens": limit,
        "max_model_len": limit,
        "chat": st.booleans(),
        "temperature": st.none() | st.floats(0, 5),
        "samples": st.sampled_from(["all", "40", "first 40", "seed 7: 40"]),
    }
)


@settings(deadline=None, max_examples=40, database=None)
@given(samples, labels)
def test_whatever_is_recorded_is_found_again(scores: tuple[tuple[float, ...], ...], known: dict[str, Any]) -> None:
    row, found = recorded(measured(scores, **known), "cpu", "r-1")

    assert found is not None
    assert found.exact
    assert found.value == row["floor"]


@settings(deadline=None, max_examples=40, phases=[Phase.explicit, Phase.generate], database=None)
@given(words, words)
@example("2 x Intel(R) Xeon(R) @ 2.20GHz: {1, 2} # two", "null")
@example("?00", "cpu")
def test_whatever_is_said_of_a_recording_is_read_again(machine: str, run: str) -> None:
    _, found = recorded(measured(), machine, run)

    assert found is not None
    assert (found.row["measured_on"], found.row["run"]) == (machine, run)


@settings(deadline=None, max_examples=100, database=None)
@given(samples)
def test_a_recorded_floor_is_a_share_and_never_above_the_score(scores: tuple[tuple[float, ...], ...]) -> None:
    measurement = measured(scores)
    row = row_of(measurement)

    assert 0 <= row["floor"] <= 1
    assert row["floor"] <= measurement.value
    assert row["floor"] <= row["measured"]


@settings(deadline=None, max_examples=100, database=None)
@given(samples, st.sampled_from(["all", "40"]))
def test_whatever_can_be_recorded_turns_an_unchanged_combination_red_in_at_most_1_of_100_sessions(
    scores: tuple[tuple[float, ...], ...], asked: str
) -> None:
    measurement = measured(scores, samples=asked)
    try:
        recordable(measurement)
        refused = None
    except NotMeasured as error:
        refused = error.reason
    _, found = recorded(measurement, "cpu", "r-1")

    assert found is not None
    assert (examine(found).wrong, refused) in {(None, None), ("never_fails", "floor_of_zero")}
