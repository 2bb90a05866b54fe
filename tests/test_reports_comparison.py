"""Two sessions, or two combinations, question by question."""

import json
from pathlib import Path

import pytest
from test_reports_summary import Told, item_of, labels_of
from test_reports_tables import cell

from reports.__main__ import main
from reports.comparison.paired import compare
from reports.comparison.tables import comparison_table
from reports.ledger import Ledger
from thresholds.measurement import NotMeasured, Run


@pytest.fixture
def told() -> Told:
    return Told()


def test_two_combinations_are_paired_question_by_question(told: Told) -> None:
    told.scores("none", 1, 1.0, 1.0, 1.0, 0.0)
    told.scores("int8", 1, 0.0, 0.0, 1.0, 1.0)

    (row,) = compare(told.ledger, "m-vllm-none", "m-vllm-int8").rows
    assert (row.before, row.after, row.difference) == (0.75, 0.5, -0.25)
    assert (row.worse, row.better, row.questions, row.p_value) == (2, 1, 4, 1.0)
    assert row.low < row.difference < row.high


def test_an_uneven_split_of_the_flips_has_the_p_value_of_mcnemar(told: Told) -> None:
    told.scores("none", 1, *[1.0] * 10, *[0.0] * 2)
    told.scores("int8", 1, *[0.0] * 10, *[0.0] * 2)

    (row,) = compare(told.ledger, "*none", "*int8").rows
    assert row.p_value == pytest.approx(2 / 2**10)


def test_the_mean_over_tasks_counts_each_task_the_same(told: Told) -> None:
    for quantization, scores in {"none": (1.0, 1.0), "int8": (0.0, 1.0)}.items():
        told.scores(quantization, 1, *scores)
        told.scores(quantization, 1, *[1.0] * 8, task="arc")

    rows = compare(told.ledger, "*none", "*int8").rows
    assert [(row.task, row.difference) for row in rows] == [("gsm8k", -0.5), ("arc", 0.0), (None, -0.25)]
    assert (rows[-1].questions, rows[-1].worse, rows[-1].p_value) == (10, 1, 1.0)


def test_two_sessions_are_compared_combination_by_combination(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)
    told.scores("int8", 1, 1.0, 0.0)
    told.session("s2")
    told.scores("none", 2, 1.0, 1.0)

    found = compare(told.ledger, "s1", "last")
    assert [(row.combination, row.difference) for row in found.rows] == [("m-vllm-none", 0.5)]
    assert found.left_out == ("m-vllm-int8: only in s1",)


def test_only_questions_that_both_answered_are_compared_in_whatever_order_they_were_asked(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0, 1.0, 0.0)
    told.run("int8", 1, [item_of(2, 0.0), item_of(1, 0.0), item_of(9, 1.0)])

    found = compare(told.ledger, "*none", "*int8")
    (row,) = found.rows
    assert (row.questions, row.before_questions, row.after_questions, row.worse) == (2, 4, 3, 1)
    assert any("asked on one side only" in note for note in comparison_table(found).notes)


def test_the_change_on_the_same_questions_is_known_from_two_runs_on_either_side(told: Told) -> None:
    for number in (1, 2):
        told.scores("none", number, 1.0, float(number == 1), 0.0)
        told.scores("int8", number, 1.0, 0.0, 0.0)

    (row,) = compare(told.ledger, "*none", "*int8").rows
    assert row.again_low is not None
    assert row.again_high is not None
    assert row.again_low < row.difference < row.again_high
    assert row.again_high - row.again_low < row.high - row.low


def test_one_run_leaves_the_change_on_the_same_questions_unknown_and_its_column_out(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)
    told.scores("int8", 1, 1.0, 1.0)
    found = compare(told.ledger, "*none", "*int8")

    assert found.rows[0].again_low is None
    assert "same again" not in [column.heading for column in comparison_table(found).columns]


def test_scores_that_are_fractions_are_compared_by_permuting_signs(told: Told) -> None:
    told.scores("none", 1, *[0.5] * 6)
    told.scores("int8", 1, *[0.75] * 6)

    (row,) = compare(told.ledger, "*none", "*int8").rows
    assert row.p_value == pytest.approx(2 / 2**6, abs=0.01)


def test_tasks_that_cannot_be_paired_are_said(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.scores("int8", 1, 1.0)
    told.scores("int8", 1, 1.0, task="arc")
    for quantization, version in (("none", "1"), ("int8", "2")):
        run = Run(f"m-vllm-{quantization}", "mmlu", 1, "exact_match,flexible-extract", (item_of(0, 1.0),), 1, 1.0)
        told.ledger.record_run(told.now, run, {**labels_of(quantization, "mmlu"), "task_version": version})
        told.run(quantization, 1, [item_of(int(version), 1.0)], task="boolq")

    assert compare(told.ledger, "*none", "*int8").left_out == (
        "mmlu of m-vllm-int8: another version of the task",
        "boolq of m-vllm-int8: no question in common; give both the same --samples and --seed",
        "arc of m-vllm-int8: answered on one side only",
    )


@pytest.mark.parametrize(
    ("before", "after", "session", "said"),
    [
        ("x", "m-vllm-int8", "last", "'x' is no session and fits no combination of session 'last': m-vllm-none, m-vl"),
        ("*", "m-vllm-int8", "last", "'*' fits several combinations of session 'last': m-vllm-none, m-vllm-int8"),
        ("*int8", "m-vllm-int8", "last", "both name m-vllm-int8; name two combinations"),
        ("s1", "m-vllm-int8", "last", "of 's1' and 'm-vllm-int8' only one is a session"),
        ("*none", "*int8", "s9", "session 's9' asked no questions; the last that did: s1"),
    ],
)
def test_names_that_cannot_be_compared_are_refused(
    told: Told, before: str, after: str, session: str, said: str
) -> None:
    told.scores("none", 1, 1.0)
    told.scores("int8", 1, 1.0)

    with pytest.raises(NotMeasured) as raised:
        compare(told.ledger, before, after, session)
    assert said in str(raised.value)


def test_nothing_in_common_is_an_error_and_no_empty_table(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.scores("int8", 1, 1.0, task="arc")

    with pytest.raises(NotMeasured, match="share no question\ngsm8k of m-vllm-int8: answered on one side only"):
        compare(told.ledger, "*none", "*int8")


def test_the_table_reads_from_before_to_after(told: Told) -> None:
    told.scores("none", 1, 1.0, 1.0, 0.0)
    told.scores("int8", 1, 1.0, 0.0, 0.0)
    table = comparison_table(compare(told.ledger, "*none", "*int8"))

    assert table.title == "From m-vllm-none to m-vllm-int8"
    assert [cell(table, heading) for heading in ("task", "before", "after", "change", "worse", "better", "p")] == [
        "gsm8k",
        "66.7",
        "33.3",
        "-33.3",
        "1",
        "0",
        "1.000",
    ]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    told = Told()
    told.ledger = Ledger(tmp_path / "ledger.sqlite")
    for number in (1, 2):
        told.session(f"s{number}")
        told.scores("none", number, 1.0, 0.0)
        told.scores("int8", number, 1.0, 1.0)
    told.ledger.close()
    return tmp_path


def test_the_command_compares_two_sessions(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "s1", "s2", "--results", str(results)]) == 0
    assert capsys.readouterr().out.startswith("From s1 to s2\n")


def test_the_command_compares_combinations_over_all_sessions(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "*none", "*int8", "--session", "all", "--format", "json", "--results", str(results)]
    assert main(words) == 0

    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["before_runs"], row["after_runs"], row["difference"]) == (2, 2, 0.5)


def test_names_that_fit_nothing_end_the_command_with_4(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "x", "y", "--results", str(results)]) == 4
    assert "the last sessions: s1, s2" in capsys.readouterr().err
