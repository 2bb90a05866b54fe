"""Two sessions, or two combinations, question by question."""

import json
from pathlib import Path

import pytest
from test_reports_summary import Told, item_of, labels_of
from test_reports_tables import cell

from reports.__main__ import main
from reports.comparison.flip_words import flip_markdown, flip_text
from reports.comparison.paired import compare
from reports.comparison.tables import comparison_table
from reports.ledger import Ledger
from thresholds.measurement import NotMeasured, Run
from thresholds.questions import Question


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


def flipped(told: Told) -> None:
    """Of two tasks: one question that falls, one that rises, and one that falls by half, of which nothing is kept."""
    asked = [
        Question(0, "How many\nlegs?", (), ("2 + 2 = 4\n#### 4",)),
        Question(1, "Which of them?", ("cat", "dog"), ("cat",)),
    ]
    told.ledger.record_questions(told.now, asked, {"task": "gsm8k"})
    for number in (1, 2):
        right = item_of(0, float(number == 2), answer="Four legs: 4", extracted="4")
        told.run("none", number, [right, item_of(1, 0.0, answer="dog", extracted="1", finish_reasons=())])
        wrong = item_of(0, 0.0, answer="On and on", extracted="[invalid]", finish_reasons=("length",))
        told.run("int8", number, [wrong, item_of(1, 1.0, answer="cat", extracted="0", finish_reasons=())])
        told.scores("none", number, 1.0, 1.0, task="arc")
        told.scores("int8", number, 0.5, 1.0, task="arc")


def test_what_flipped_is_told_with_its_question_and_an_answer_of_each_side_that_shows_it(told: Told) -> None:
    flipped(told)

    fell, rose, halved = compare(told.ledger, "*none", "*int8", most_flips=9).flips
    assert (fell.task, fell.item, fell.before, fell.after) == ("gsm8k", 0, 0.5, 0.0)
    assert (fell.asked[0].text, fell.before_answer.run, fell.before_answer.answer) == (
        "How many\nlegs?",
        2,
        "Four legs: 4",
    )
    assert (rose.item, rose.before_answer.answer, rose.after_answer.answer) == (1, "dog", "cat")
    assert (halved.task, halved.asked) == ("arc", ())


def test_the_first_flips_are_those_that_fell_from_each_task_in_turns(told: Told) -> None:
    for task in ("gsm8k", "arc"):
        told.scores("none", 1, 0.0, *[1.0] * 4, task=task)
        told.scores("int8", 1, 1.0, 0.5, *[0.0] * 3, task=task)

    shown = compare(told.ledger, "*none", "*int8", most_flips=3).flips
    assert [(flip.task, flip.item) for flip in shown] == [("gsm8k", 2), ("gsm8k", 3), ("arc", 2)]


def test_no_flips_are_told_unless_they_are_asked_for(told: Told) -> None:
    flipped(told)

    assert compare(told.ledger, "*none", "*int8").flips == ()


def test_two_questions_under_one_number_are_both_told(told: Told) -> None:
    for session, text, score in (("s1", "Old?", 1.0), ("s2", "New?", 0.0)):
        told.session(session)
        told.ledger.record_questions(session, [Question(0, text)], {"task": "gsm8k"})
        told.scores("none", 1, score)

    (flip,) = found = compare(told.ledger, "s1", "s2", most_flips=1).flips
    assert [question.text for question in flip.asked] == ["Old?", "New?"]
    assert "asks    the sides were asked different questions under this number" in flip_text(found, 1, {}, None)


def test_a_flip_is_a_few_lines_for_a_terminal(told: Told) -> None:
    flipped(told)
    shown = compare(told.ledger, "*none", "*int8", most_flips=9).flips

    assert (
        flip_text(shown, 3, {}, None)
        == """\
Questions that flipped

gsm8k, question 0: fell from 50.0 to 0.0
    asks    How many legs?
    right   2 + 2 = 4 #### 4
    before  4   from: Four legs: 4 (stop)
    after   [invalid]   from: On and on (length)

gsm8k, question 1: rose from 0.0 to 100.0
    asks    Which of them?
    right   cat
    before  dog
    after   cat

arc, question 0: fell from 100.0 to 50.0
    asks    its text was not kept
    before     from:  (stop)
    after      from:  (stop)"""
    )


def test_a_narrow_terminal_folds_what_flipped(told: Told) -> None:
    told.ledger.record_questions("s1", [Question(0, "Why? " * 30)], {"task": "gsm8k"})
    told.scores("none", 1, 1.0)
    told.scores("int8", 1, 0.0)

    text = flip_text(compare(told.ledger, "*none", "*int8", most_flips=1).flips, 1, {}, 50)
    assert max(map(len, text.splitlines())) <= 50
    assert text.count("Why?") == 30


def test_hostile_texts_stay_texts_in_markdown_and_cannot_steer_a_terminal(told: Told) -> None:
    bad = "\x1b[31m\u202e\u2028</details> | `x` <script>\n# heading"
    told.ledger.record_questions("s1", [Question(0, bad, (), (bad,))], {"task": "gsm8k"})
    told.run("none", 1, [item_of(0, 1.0, answer=bad, extracted=bad)])
    told.run("int8", 1, [item_of(0, 0.0, answer=bad, extracted=bad)])
    shown = compare(told.ledger, "*none", "*int8", most_flips=1).flips

    assert not {"\x1b", "\u202e", "\u2028"} & {*flip_text(shown, 1, {}, 80)}
    markdown = flip_markdown(shown, 1, {})
    assert "<script>" not in markdown
    assert "\n# heading" not in markdown
    assert "- asks:  \\[31m  &lt;/details> \\| \\`x\\` &lt;script> # heading" in markdown


def test_the_command_tells_as_many_flips_as_it_is_asked_for(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "*none", "*int8", "--session", "s1", "--results", str(results)]
    assert main(words) == 0
    assert "gsm8k, question 1: rose from 0.0 to 100.0" in capsys.readouterr().out
    assert main([*words, "--flips", "0", "--format", "markdown"]) == 0
    assert "flipped" not in capsys.readouterr().out
    assert main([*words, "--format", "json"]) == 0
    (flip,) = json.loads(capsys.readouterr().out)["flips"]
    assert (flip["item"], flip["asked"], flip["after_answer"]["score"]) == (1, [], 1.0)


def test_the_number_of_flips_is_a_number(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", "s1", "s2", "--flips", "-1", "--results", str(results)])
    assert "'-1' is no number of questions, such as 5, or 0 for none" in capsys.readouterr().err


def test_more_flips_than_a_machine_counts_are_all_of_them(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "*none", "*int8", "--session", "s1", "--results", str(results)]
    assert main([*words, "--flips", "9" * 30]) == 0
    assert "gsm8k, question 1: rose" in capsys.readouterr().out


def test_names_that_fit_nothing_end_the_command_with_4(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "x", "y", "--results", str(results)]) == 4
    assert "the last sessions: s1, s2" in capsys.readouterr().err
