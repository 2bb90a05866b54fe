"""What one setting changed in the published runs: the questions that the study asked itself, with their intervals."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reports_tables import cell

from reports.__main__ import main
from reports.published.changes import Change, change_between, changes_of, find
from reports.published.studies import Study, read_study
from reports.published.tables import changes_table
from thresholds.measurement import NotMeasured

NAME = "mmlu-pro-cs-2024"
TOP = "# title: T\n# by: B\n# published: 2024\n# source: S\n# task: t\nmodel,draft,run,correct,questions\n"


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study(NAME)


@pytest.fixture(scope="module")
def changes(study: Study) -> list[Change]:
    return changes_of(study)


def one(changes: list[Change], setting: str, subject: str, after: str) -> Change:
    return next(
        change for change in changes if (change.setting, change.subject, change.after) == (setting, subject, after)
    )


def rounded(*shares: float | None) -> list[float | None]:
    return [None if share is None else round(100 * share, 1) for share in shares]


def test_qwq_at_8bpw_with_and_without_its_draft_is_not_told_apart(changes: list[Change]) -> None:
    change = one(changes, "draft", "QwQ-32B-Preview 8.0bpw", "Qwen2.5-Coder-0.5B-Instruct")

    assert (change.before, change.told_apart) == ("no draft", "no")
    assert rounded(change.difference, change.low, change.high) == [3.0, -3.3, 9.4]
    assert rounded(change.again_low, change.again_high) == [-2.4, 8.5]


def test_no_draft_of_the_study_changed_a_score_that_can_be_told(changes: list[Change]) -> None:
    drafts = [change.told_apart for change in changes if change.setting == "draft"]

    assert drafts == ["no"] * 5


def test_16k_against_2k_tokens_at_8bpw_is_stated_with_its_intervals(changes: list[Change]) -> None:
    change = one(changes, "max_tokens", "QwQ-32B-Preview 8.0bpw", "16K")

    assert (change.before, change.told_apart) == ("2K", "no")
    assert rounded(change.before_mean, change.after_mean, change.difference) == [76.3, 79.1, 2.9]
    assert rounded(change.low, change.high) == [-3.2, 8.9]
    assert rounded(change.again_low, change.again_high) == [-1.4, 7.1]


def test_going_from_8_to_3_bpw_is_told_apart(changes: list[Change]) -> None:
    change = one(changes, "quantization", "QwQ-32B-Preview", "3.0bpw")

    assert (change.before, change.told_apart) == ("8.0bpw", "yes")
    assert (change.high or 0) < 0


def test_what_is_shown_about_these_questions_alone_is_said_so(changes: list[Change]) -> None:
    assert [change.told_apart for change in changes].count("here") == 1
    assert {change.told_apart for change in changes} == {"yes", "here", "no"}


def test_two_configurations_can_be_named(study: Study) -> None:
    change = change_between(study, "QwQ-32B-Preview 8.0bpw", "qwq 8.0bpw 16k")

    assert (change.before, change.after) == ("QwQ-32B-Preview 8.0bpw", "QwQ-32B-Preview 8.0bpw 16K")
    assert rounded(change.difference) == [2.9]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("QwQ-32B-Preview (8.0bpw EXL2, max_tokens=16384)", "QwQ-32B-Preview 8.0bpw 16K"),
        ("qwq-32b-preview 8.0bpw", "QwQ-32B-Preview 8.0bpw"),
        ("*abliterated*", "QwQ-32B-Preview-abliterated 4.5bpw 16K"),
        ("claude", "claude-3-5-sonnet-20241022"),
        ("qwq 8.0bpw no draft", "QwQ-32B-Preview 8.0bpw, no draft"),
        ("coder 3B", "Qwen2.5-Coder-32B-Instruct 8.0bpw, draft Qwen2.5-Coder-3B-Instruct"),
    ],
)
def test_a_configuration_is_found_by_name_pattern_or_words(study: Study, wanted: str, found: str) -> None:
    assert find(study, wanted).name == found


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("gemini", "claude", "'gemini' fits several configurations of mmlu-pro-cs-2024:\n  gemini-1.5-pro-002\n"),
        ("nobody", "claude", "'nobody' fits no configuration of mmlu-pro-cs-2024; there are:\n  claude"),
        ("claude", "claude-3-5*", "both name claude-3-5-sonnet-20241022; name two configurations"),
    ],
)
def test_a_name_that_is_no_single_configuration_is_refused(study: Study, first: str, second: str, said: str) -> None:
    with pytest.raises(NotMeasured) as raised:
        change_between(study, first, second)

    assert said in str(raised.value)


def test_runs_that_happen_to_agree_are_no_certainty(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(TOP + "a,,1,5,10\na,,2,5,10\nb,,1,6,10\nb,,2,6,10\n", encoding="utf-8")
    change = change_between(read_study("own", tmp_path), "a", "b")

    assert (change.again_low, change.again_p_value, change.told_apart) == (None, None, "no")


@settings(deadline=None, max_examples=100, database=None)
@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=4),
    st.lists(st.integers(0, 50), min_size=1, max_size=4),
)
def test_any_two_configurations_have_intervals_around_their_difference(first: list[int], second: list[int]) -> None:
    lines = [
        f"{name},,{run},{correct},50\n"
        for name, runs in (("a", first), ("b", second))
        for run, correct in enumerate(runs, 1)
    ]
    change = change_between(study_of(lines), "a", "b")

    assert change.low is not None
    assert change.high is not None
    assert change.low <= change.difference <= change.high
    assert change.again_low is None or change.again_low <= change.difference <= (change.again_high or 0) + 1e-12
    assert 0 <= (change.p_value or 0) <= 1


def study_of(lines: list[str]) -> Study:
    with TemporaryDirectory() as folder:
        (Path(folder) / "own.csv").write_text(TOP + "".join(lines), encoding="utf-8")
        return read_study("own", Path(folder))


def test_the_interval_of_another_run_covers_an_unchanged_configuration_as_often_as_it_says() -> None:
    draw = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        counts = draw.binomial(400, 0.75, 6)
        lines = [f"{'ab'[n > 3]},,{n},{count},400\n" for n, count in enumerate(counts.tolist(), 1)]
        change = change_between(study_of(lines), "a", "b")
        held += (change.again_low or 0) <= 0 <= (change.again_high or 0)

    assert 0.92 <= held / 400 <= 0.98


def test_the_command_states_two_configurations_with_their_interval(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--published", NAME, "qwq-32b-preview 8.0bpw", "qwq 8.0bpw 16k"]) == 0

    said = capsys.readouterr().out
    assert "Two configurations of mmlu-pro-cs-2024" in said
    assert "-3.2 to +8.9" in said


def test_json_of_two_configurations_rounds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", "--published", NAME, "claude", "gemini-1.5-pro-002", "--format", "json"])

    told = json.loads(capsys.readouterr().out)
    assert told["change"]["difference"] == pytest.approx(-8 / 410)


def test_the_table_of_changes_says_what_its_words_mean(study: Study, changes: list[Change]) -> None:
    table = changes_table(study, changes)

    assert cell(table, "setting") == "draft"
    assert (cell(table, "scores"), cell(table, "runs"), cell(table, "told apart")) == ("74.8, 77.8", "2, 2", "no")
    assert any("at 5 % over all rows together; Holm" in note for note in table.notes)
