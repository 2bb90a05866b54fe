"""The leaderboard: a line for each run, one for each combination, as text, Markdown and CSV."""

import csv
import io

import pytest
from test_observations import Campaign
from test_reports_tables import cell

from reports.answers.leaderboard import as_csv, leaderboard
from reports.answers.ranking import ranking
from reports.answers.task_table import by_model
from reports.summary import Summary
from reports.tables import markdown, text
from reports.wording.columns import in_parts, in_terminal
from reports.wording.layout import TEXT, Column, Table, as_markdown
from thresholds.verdict import not_measured

HOSTILE = ["a|b", "two\nlines", "rocket \N{ROCKET}", "x" * 300, "<script>alert(1)</script>", "=1+1"]
GIB = 2**30


@pytest.fixture
def campaign() -> Campaign:
    return Campaign()


@pytest.fixture
def two(campaign: Campaign) -> Summary:
    """One combination with two runs of two tasks, and a quant with one run."""
    for task in ("gsm8k", "arc"):
        campaign.asked("m", 30, 20, of=40, task=task, speed=10.0, memory=16 * GIB)
        campaign.asked("m", 25, of=40, task=task, memory=5 * GIB, labels={"quantization": "int4"})
    return campaign.summary()


def records(summary: Summary) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(summary))))


def test_every_run_has_a_line_below_that_of_its_combination(two: Summary) -> None:
    assert [row[1] for row in leaderboard(two).rows] == [
        "m int4",
        "· gsm8k 1/1",
        "· arc 1/1",
        "m none",
        "· gsm8k 1/2",
        "· gsm8k 2/2",
        "· arc 1/2",
        "· arc 2/2",
    ]


def test_the_line_of_a_combination_sums_its_runs_up(two: Summary) -> None:
    table = leaderboard(two)

    assert (cell(table, "correct", 3), cell(table, "score %", 3)) == ("100/160", "62.5 ± 17.7")
    assert (cell(table, "prompt tokens", 3), cell(table, "completion tokens", 3)) == ("16,000", "1,600")
    assert (cell(table, "score %", 4), cell(table, "correct", 4)) == ("75.00", "30/40")


def test_a_single_run_shows_a_dash_for_its_spread(two: Summary) -> None:
    assert cell(leaderboard(two), "score %") == "62.5 ± —"


def test_what_all_runs_share_stands_once(two: Summary) -> None:
    table = leaderboard(two)

    assert (cell(table, "memory GiB", 3), cell(table, "memory GiB", 4)) == ("16.0", "")
    assert (cell(table, "engine, API", 3), cell(table, "engine, API", 4)) == ("vllm", "")


def test_columns_about_which_nothing_is_known_are_left_out(two: Summary) -> None:
    headings = {column.heading for column in leaderboard(two).columns}

    assert "published %" not in headings
    assert "GPU" not in headings
    assert "Guesses right" not in " ".join(leaderboard(two).notes)


def test_random_guesses_stand_beside_the_unread_answers(campaign: Campaign) -> None:
    campaign.asked("m", 0, of=4, unparsed=True, guess=0.25)

    assert cell(leaderboard(campaign.summary()), "guesses right", 1) == "1/4"


def test_a_combination_without_a_finished_run_has_dashes_and_no_run(campaign: Campaign) -> None:
    campaign.asked("m", 30)
    labels = {"combination": "lost", "model": "lost", "engine": "vllm", "task": "gsm8k"}
    campaign.ledger.record_verdict("s1", not_measured("accuracy", labels, "engine_failed", "out of memory"))
    table = leaderboard(campaign.summary())

    assert [row[1] for row in table.rows] == ["m none", "· 1/1", "lost"]
    assert {cell(table, heading, 2) for heading in ("rank", "score %", "correct", "duration")} == {"—"}


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("name", HOSTILE)
def test_the_table_folds_to_any_width_and_cuts_nothing(campaign: Campaign, name: str, width: int) -> None:
    campaign.asked(name, 300, memory=GIB)
    campaign.asked("other", 200, memory=GIB)
    table = leaderboard(campaign.summary())
    drawn = in_terminal(table, width)

    assert max(map(len, drawn.splitlines())) <= width
    shown = "".join(drawn.split())
    for row in table.rows:
        assert all("".join(each.split()) in shown for each in row if len(each) <= width // 2)
    assert shown.count("x") >= (300 if name == "x" * 300 else 0)


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_any_name_as_the_text_it_is(campaign: Campaign, name: str) -> None:
    campaign.asked(name, 300)
    campaign.asked("other", 200)
    drawn = as_markdown(leaderboard(campaign.summary()))

    lines = [line for line in drawn.splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in lines} == {lines[0].count("|")}
    assert "<script" not in drawn


def test_csv_has_whole_names_and_unrounded_numbers(two: Summary) -> None:
    told = records(two)

    assert [one["line"] for one in told[:3]] == ["combination", "run", "run"]
    assert (told[3]["combination"], told[3]["score"], told[3]["correct"]) == ("m-vllm-none-none", "0.625", "100.0")
    assert (told[4]["run"], told[4]["runs"], told[4]["task"], told[4]["session"]) == ("1", "2", "gsm8k", "s1")
    assert told[4]["memory_bytes"] == str(16 * GIB)
    assert told[4]["mark"] == ""


def test_a_spreadsheet_takes_no_name_for_a_formula(campaign: Campaign) -> None:
    campaign.asked("=1+1", 300)

    assert records(campaign.summary())[0]["model"] == "'=1+1"


@pytest.mark.parametrize("name", HOSTILE[:4])
def test_csv_reads_any_name_back(campaign: Campaign, name: str) -> None:
    campaign.asked(name, 300)

    assert records(campaign.summary())[0]["model"] == name


def test_a_part_that_says_nothing_of_a_row_leaves_it_out() -> None:
    columns = [Column("rank"), Column("name", TEXT), Column("long one", TEXT), Column("long two", TEXT)]
    table = Table("T", columns, [["1", "a", "x" * 20, "y" * 20], ["", "b", "x" * 20, ""]])

    assert [part.rows for part in in_parts(table, 40, 2)] == [
        [["1", "a", "x" * 20], ["", "b", "x" * 20]],
        [["a", "y" * 20]],
    ]


def test_the_parts_of_a_table_are_numbered() -> None:
    table = Table("T", [Column("rank"), Column("name", TEXT), Column("c" * 30)], [["1", "a" * 30, "z"]], named=2)

    assert in_terminal(table, 200).startswith("T\n")
    wide = Table("T", [*table.columns, Column("d" * 30)], [["1", "a" * 30, "z", "z"]], named=2)
    assert in_terminal(wide, 80).startswith("T (1 of 2)\n")


def test_tasks_by_model_show_intervals_the_best_and_who_may_be_as_good(campaign: Campaign) -> None:
    for task, rights in {"gsm8k": (300, 299), "arc": (100, 300)}.items():
        for model, right in zip(("one", "two"), rights, strict=True):
            campaign.asked(model, right, task=task)
    table = by_model(campaign.summary())

    assert cell(table, "one none", 0) == "75.0 (70.5-79.0) *"
    assert cell(table, "two none", 0) == "74.8 (70.3-78.8) ~"
    assert cell(table, "one none", 1) == "25.0 (21.0-29.5)"


def test_a_single_task_has_no_table_of_tasks(campaign: Campaign) -> None:
    campaign.asked("one", 300)
    campaign.asked("two", 200)

    assert by_model(campaign.summary()).rows == []


def test_the_ranking_marks_what_is_noise_what_is_not_comparable_and_what_was_not_measured_now(
    campaign: Campaign,
) -> None:
    campaign.asked("gone", 300)
    campaign.ledger.record_session({"session": "s2", "started": "later"})
    for model, right in (("best", 301), ("near", 300)):
        campaign.asked(model, right)
        campaign.asked(model, right, task="arc")
    campaign.asked("half", 399)
    records_of = campaign.ledger.runs("s1")
    for one in records_of:
        if one.run.combination != "gone-vllm-none-none":
            campaign.ledger.record_run("s2", one.run, one.labels)
    table = ranking(campaign.summary())

    assert cell(table, "behind the best", 1).endswith(" ~")
    assert cell(table, "behind the best", 2) == "≠"
    assert "!: measured before and not now: gone-vllm-none-none (gsm8k)." in " ".join(table.notes)


def test_a_long_ranking_begins_with_whole_names_and_folds_by_columns(campaign: Campaign) -> None:
    for number in range(12):
        campaign.asked(f"model{number}", 300 - number)
    table = ranking(campaign.summary())

    assert [column.heading for column in table.columns[:3]] == ["rank", "combination", "mean ± sd"]
    assert max(map(len, text(campaign.summary(), 80, tables=["ranking"]).splitlines())) <= 80


def test_markdown_that_is_too_long_says_what_it_leaves_out(two: Summary) -> None:
    whole, short = markdown(two, None), markdown(two, 3500)

    assert len(short) <= 3500 < len(whole)
    assert "Leaderboard: too long for this page; `python -m reports show` has it." in short
    assert "### Ranking" in short
