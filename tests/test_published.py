"""Published results: they are read strictly, and rank as their study ranks them."""

import csv
import json
import math
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reports_summary import Told, item_of, labels_of
from test_reports_tables import cell

from reports.__main__ import main
from reports.ledger import Ledger
from reports.published.standings import Standing, entries_of, entries_of_session, standings, total
from reports.published.studies import Study, known_studies, read_study
from reports.published.tables import standings_table
from reports.summarising import summarise
from reports.wording.columns import in_parts
from reports.wording.layout import as_text
from thresholds.measurement import Run
from thresholds.strict_yaml import InvalidFile

NAME = "mmlu-pro-cs-2024"
TASK = "mmlu_pro_computer_science"
TOP = "# title: T\n# by: B\n# published: 2024\n# source: S\n# task: t\n"
COLUMNS = "model,run,correct,questions\n"


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study(NAME)


@pytest.fixture(scope="module")
def ranking(study: Study) -> list[Standing]:
    return standings(entries_of(study), study.tasks)


def written(folder: Path, text: str) -> Study:
    (folder / "own.csv").write_text(text, encoding="utf-8")
    return read_study("own", folder)


def test_the_59_runs_of_the_study_are_all_there(study: Study) -> None:
    assert len(study.runs) == 59
    assert {(run.questions, study.task_of(run)) for run in study.runs} == {(410, TASK)}
    assert sum(run.correct or 0 for run in study.runs) == 17_538
    assert (study.about.by, study.about.published) == ("Wolfram Ravenwolf", "2024-12-04")


def test_each_published_file_can_be_read_and_says_who_published_it() -> None:
    assert known_studies() == [NAME, "three-model-study"]
    assert all(read_study(name).about.source for name in known_studies())


def test_the_ranking_of_the_study_comes_out(study: Study, ranking: list[Standing]) -> None:
    in_its_order = list(dict.fromkeys(run.label for run in study.runs))

    assert [row.label for row in ranking] == in_its_order
    assert ranking[0].mean == fmean([340 / 410, 338 / 410])


def test_equal_means_share_a_rank_in_the_order_of_the_study(ranking: list[Standing]) -> None:
    equal = [(row.rank, row.label) for row in ranking if row.rank == 10]

    assert equal == [(10, "mistral-large-2407 (123B)"), (10, "Llama-3.1-405B-Instruct-FP8")]


def test_no_neighbours_of_the_study_can_be_told_apart_but_the_ends_can(ranking: list[Standing]) -> None:
    assert [row.tied_with_next for row in ranking[:-1]] == [True] * 24
    assert ranking[-1].tied_with_next is None
    assert ranking[-1].name not in ranking[0].ties
    assert (ranking[0].rank_best, ranking[0].rank_worst, ranking[-1].rank_worst) == (1, 15, 25)


def test_an_unpaired_error_adds_the_spread_over_runs_to_that_of_the_questions() -> None:
    known = total([0.8, 0.7], 400)

    assert known.error == pytest.approx(math.sqrt(0.75 * 0.25 / 400 + 0.005 / 2))
    assert total([0.75], 400).error == pytest.approx(math.sqrt(0.75 * 0.25 / 400))


def test_a_perfect_score_is_no_certainty_and_unknown_questions_have_no_error() -> None:
    assert (total([1.0], 10).error or 0) > 0.05
    assert total([0.5], None).error is None


@settings(deadline=None, max_examples=100, database=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 20_000))
def test_an_error_is_never_below_that_of_the_questions_alone(runs: list[float], questions: int) -> None:
    known = total(runs, questions)

    assert known.error is not None
    assert known.error > 0
    assert known.error >= math.sqrt(max(0.0, known.mean * (1 - known.mean)) / questions) * (1 - 1e-9)


def test_the_mean_over_tasks_ranks_the_study_of_three_models_and_claims_no_interval() -> None:
    three = read_study("three-model-study")
    rows = standings(entries_of(three), three.tasks)

    assert [(row.name, round(row.mean, 3)) for row in rows] == [
        ("qwen3-235b", 0.722),
        ("llama4-scout-17b-16e", 0.691),
        ("gpt-oss-120b", 0.545),
    ]
    assert {(row.low, row.rank_best, row.lead_low) for row in rows} == {(None, None, None)}
    table = standings_table(three, rows, "")
    assert "95% interval" not in [column.heading for column in table.columns]
    assert cell(table, "tokens/s", 1) == "760"


def test_the_marks_of_the_study_stand_beside_the_number_they_compare_with(
    study: Study, ranking: list[Standing]
) -> None:
    table = standings_table(study, ranking, "")

    assert [cell(table, "TIGER-Lab", row) for row in (0, 1, 2, 6, 13)] == [
        "~= == 82.4",
        "> 71.2",
        "—",
        "~= ~< 78.3",
        "< 78.3",
    ]


def test_the_table_shows_the_places_the_ties_and_why_they_are_wide(study: Study, ranking: list[Standing]) -> None:
    table = standings_table(study, ranking, "beside")

    assert (cell(table, "rank"), cell(table, "score ± sd"), cell(table, "95% interval")) == (
        "1 (1-15)",
        "82.7 ± 0.3",
        "78.7 to 86.1",
    )
    assert cell(table, "lead over the next") == "+2.0 (-3.7 to +7.6) ="
    said = " ".join(table.notes)
    assert "nothing can be paired" in said
    assert "wider than the truth" in said
    assert "Runs: 2 each; 4 of QwQ-32B-Preview 8.0bpw, QwQ-32B-Preview 4.25bpw; 7 of" in said


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_ranking_stands_upright_in_every_usual_terminal(study: Study, ranking: list[Standing], width: int) -> None:
    table = standings_table(study, ranking, "")
    parts = in_parts(table, width, named=2)

    for part in parts:
        lines = as_text(part, width).splitlines()
        rows = [line for line in lines if "Athene-V2-Chat" in line]
        assert len(rows) == 1
        assert max(map(len, lines[2:29])) <= width
    shown = {column.heading for part in parts for column in part.columns}
    assert shown == {column.heading for column in table.columns}
    assert [len(part.notes) > 0 for part in parts] == [False] * (len(parts) - 1) + [True]


def test_rows_of_a_session_on_the_same_task_are_ranked_beside_and_marked_as_ours(study: Study) -> None:
    told = Told()
    told.scores("none", 1, *[1.0] * 30, *[0.0] * 10, task=TASK)
    ours = entries_of_session(summarise(told.ledger).rows, study.tasks)
    rows = standings([*entries_of(study), *ours], study.tasks)

    found = next(row for row in rows if row.ours)
    assert (found.name, found.mean, found.rank) == ("m none (ours)", 0.75, 12)
    assert found.rank_best == 1


def test_a_row_of_ours_that_lacks_tasks_of_the_study_ranks_behind() -> None:
    three, told = read_study("three-model-study"), Told()
    told.scores("none", 1, *[1.0] * 40, task="gsm8k")
    ours = entries_of_session(summarise(told.ledger).rows, three.tasks)
    rows = standings([*entries_of(three), *ours], three.tasks)

    assert (rows[-1].name, rows[-1].rank, len(rows[-1].missing)) == ("m none (ours)", 4, 4)
    assert cell(standings_table(three, rows, ""), "mean ± sd", 3) == "100.0 ± — (1 of 5 tasks)"


def test_the_command_prints_the_ranking_without_any_session(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--published", NAME, "--results", str(tmp_path)]) == 0

    said = capsys.readouterr().out
    assert "No session beside it" in said
    assert "What one setting changed" in said


def test_the_command_puts_the_last_session_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    session = ledger.record_session({"session": "s1"})
    items = tuple(item_of(i, float(i % 2)) for i in range(40))
    run = Run("m-vllm-none", TASK, 1, "exact_match,flexible-extract", items, 410, 4.0)
    ledger.record_run(session, run, labels_of("none", TASK))
    ledger.close()

    assert main(["compare", "--published", NAME, "--results", str(tmp_path)]) == 0

    said = capsys.readouterr().out
    assert "m none (ours)" in said
    assert "(ours): session s1, 40 questions, asked and read by another program than the study's." in said


def test_a_session_that_did_not_ask_the_task_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record_session({"session": "s1"})
    run = Run("m-vllm-none", "gsm8k", 1, "exact_match,flexible-extract", (item_of(0, 1.0),), 1, 4.0)
    ledger.record_run("s1", run, labels_of("none"))
    ledger.close()

    main(["compare", "--published", NAME, "--results", str(tmp_path)])

    assert f"No row of ours beside it: session s1 did not ask {TASK}." in capsys.readouterr().out


def test_json_holds_the_whole_ranking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", "--published", NAME, "--results", str(tmp_path), "--format", "json"])

    told = json.loads(capsys.readouterr().out)
    assert (told["schema_version"], told["study"]["by"], len(told["standings"])) == (1, "Wolfram Ravenwolf", 25)
    assert told["standings"][0]["ties"][0] == "gemini-1.5-pro-002"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--published", "mmlu-pro-cs-2042"], "did you mean 'mmlu-pro-cs-2024'?"),
        (["--published", NAME, "--session", "nope"], "holds no ledger.sqlite"),
        (["--published", NAME, "one"], "compare needs two names, not 1"),
        ([], "compare needs two names, not 0"),
    ],
)
def test_what_cannot_be_compared_is_said_and_ends_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["compare", *arguments, "--results", str(tmp_path)]) == 4
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TOP + COLUMNS + "m,1,5\n", "own.csv:7: has 3 cells; the line of column names has 4"),
        (TOP + COLUMNS + "m,1,x,10\n", "own.csv:7: correct: input should be a valid integer"),
        (TOP + COLUMNS + "m,1,11,10\n", "own.csv:7: has 11 correct answers to 10 questions"),
        (TOP + COLUMNS + "m,1,,10\n", "own.csv:7: needs either correct and questions, or score"),
        (TOP + COLUMNS + "m,1,1,10\nm,1,2,10\n", "own.csv:8: is the same run of the same configuration as line 7"),
        (TOP + COLUMNS + ",1,1,10\n", "own.csv:7: 'model' is missing"),
        (TOP + "modle,run,correct,questions\nm,1,1,2\n", "own.csv:6: unknown column 'modle'; did you mean 'model'?"),
        (TOP + "model,score,mark\nm,0.5,~=\n", "own.csv:7: needs both mark and reference_percent, or neither"),
        (TOP + "model,score,guesses,lucky_guesses\nm,0.5,1,2\n", "own.csv:7: has 2 lucky ones among 1 guesses"),
        (TOP + 'model,score\n"m,0.5\n', "own.csv:7: is not valid CSV"),
        (TOP + COLUMNS, "own.csv:6: holds no run"),
        (TOP.replace("# by: B\n", "") + COLUMNS + "m,1,1,2\n", "own.csv:1: 'by' is missing"),
        (TOP + "# by: C\n" + COLUMNS, "own.csv:6: says 'by' a second time; line 2 does already"),
        (TOP + "# sauce: C\n" + COLUMNS, "own.csv:6: unknown key 'sauce'; did you mean 'source'?"),
        (TOP + "# nothing\n" + COLUMNS, "own.csv:6: is no `# key: value`"),
        (TOP.replace("# task: t\n", "") + COLUMNS + "m,1,1,2\n", "own.csv:6: names no task"),
    ],
)
def test_a_mistake_in_a_published_file_is_one_line_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidFile) as raised:
        written(tmp_path, text)

    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_text_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(b"\xff\xfe")

    with pytest.raises(InvalidFile, match="cannot be read"):
        read_study("own", tmp_path)


def test_the_columns_of_a_published_file_are_those_that_are_read() -> None:
    for name in known_studies():
        lines = [
            line for line in (Path("reports/published") / f"{name}.csv").read_text().splitlines() if line[0] != "#"
        ]
        assert len(list(csv.DictReader(lines))) == len(read_study(name).runs)
