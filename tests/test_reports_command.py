import argparse
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_reports_ledger import load_of
from test_reports_plugin import run_of
from test_reports_speed import load_labels
from test_reports_speed_tables import example_of_speed
from test_reports_summary import labels_of

from reports.__main__ import main
from reports.commands import Said, rendered, show
from reports.ledger import Ledger
from reports.speed.lines import as_csv
from reports.wording.layout import Column, Table
from thresholds.strict_yaml import InvalidFile
from thresholds.verdict import not_measured


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with two sessions, of one run each."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for number in (1, 2):
        session = ledger.record_session({"session": f"s{number}", "started": "today"})
        ledger.record_run(session, run_of(number), labels_of("none"))
    ledger.record_verdict("s2", not_measured("accuracy", labels_of("int8"), "engine_failed", "out of memory"))
    ledger.close()
    return tmp_path


def test_show_prints_the_tables_of_the_last_session(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--results", str(results)]) == 0

    said = capsys.readouterr().out
    assert "1 (+1 earlier)" in said
    assert "out of memory" in said


def test_show_can_merge_all_sessions(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", "--session", "all", "--format", "json", "--results", str(results)])

    shown = json.loads(capsys.readouterr().out)
    assert (shown["sessions"], shown["rows"][0]["runs"]) == (["s1", "s2"], 2)


def test_json_is_exactly_one_document(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", "--session", "s1", "--format", "json", "--results", str(results)])

    assert json.loads(capsys.readouterr().out)["sessions"] == ["s1"]


def test_markdown_is_the_report_that_a_session_writes(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", "--format", "markdown", "--results", str(results)])

    assert capsys.readouterr().out.startswith("## Weighbridge: s2\n")


def test_csv_is_the_leaderboard_of_the_session(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--format", "csv", "--session", "all", "--results", str(results)]) == 0

    told = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(one["line"], one["run"], one["session"]) for one in told[:3]] == [
        ("combination", "", ""),
        ("run", "1", "s1"),
        ("run", "2", "s2"),
    ]


def test_csv_of_a_session_of_loads_has_a_line_for_each_value_and_ratio() -> None:
    told = list(csv.DictReader(io.StringIO(as_csv(example_of_speed()))))

    assert {one["kind"] for one in told} == {"value", "ratio"}
    assert "output_tokens_per_second" in {one["metric"] for one in told}
    assert {one["workload"] for one in told} == {"chat"}


def test_csv_of_a_session_of_loads_has_no_leaderboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record_session({"session": "s1"})
    ledger.record_load("s1", load_of(1), load_labels("int8"))
    ledger.close()

    main(["show", "--format", "csv", "--results", str(tmp_path)])

    assert capsys.readouterr().out.startswith("combination,workload,against,kind,metric,")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", "Accuracy and performance analysis of gpt-oss-120b"),
        ("markdown", "## Accuracy and performance analysis of gpt-oss-120b"),
        ("json", "{"),
        ("csv", "line,rank,"),
    ],
)
def test_published_results_are_shown_like_a_session(
    capsys: pytest.CaptureFixture[str], form: str, expected: str
) -> None:
    assert main(["show", "--published", "three-model-study", "--format", form]) == 0

    said = capsys.readouterr().out
    assert said.startswith(expected)
    assert "llama4-scout-17b-16e" in said


def test_text_tells_the_most_important_before_the_tables_and_the_rest_after_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["show", "--published", "three-model-study"])

    said = capsys.readouterr().out
    places = [
        said.index(words) for words in ("What the numbers say", "Ranking", "Leaderboard", "More that the numbers")
    ]
    assert places == sorted(places)


def test_an_unknown_study_is_one_line_that_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--published", "nope"]) == 4

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "three-model-study" in said


def test_html_is_a_page_of_published_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--published", "three-model-study", "--format", "html", "--out", str(tmp_path / "page")]) == 0

    assert capsys.readouterr().out == f"report   {tmp_path / 'page' / 'report.html'}\n"
    assert "qwen3-235b" in (tmp_path / "page" / "report.html").read_text(encoding="utf-8")


def test_html_of_a_session_lies_in_its_results_folder(results: Path) -> None:
    assert main(["show", "--format", "html", "--results", str(results)]) == 0

    assert (results / "report.html").is_file()


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    assert main(["show", "--published", "three-model-study", "--format", "html", "--out", str(tmp_path / "file")]) == 4

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "choose another --out" in said


def test_sessions_lists_every_session_with_what_it_holds(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sessions", "--results", str(results)]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["s1", "today", "1", "1", "—"] in lines
    assert ["s2", "today", "2", "1", "1", "NOT_MEASURED"] in lines


def test_show_tells_of_a_session_that_only_made_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record_session({"session": "s1"})
    ledger.record_load("s1", load_of(1), load_labels("int8"))
    ledger.close()

    assert main(["show", "--results", str(tmp_path)]) == 0

    said = capsys.readouterr().out
    assert said.startswith("Speed\n")
    assert "Ranking" not in said


@pytest.mark.parametrize(
    ("made", "arguments", "said"),
    [
        (None, ["show"], "there is no such folder"),
        ([], ["show"], "holds no ledger.sqlite"),
        (["ledger"], ["show"], "no session has measured anything yet"),
        (["ledger"], ["sessions"], "holds no session"),
        (["ledger"], ["show", "--session", "all"], "no session has measured anything yet"),
        (["ledger"], ["show", "--session", "nope"], "there is no session 'nope'"),
    ],
)
def test_nothing_to_show_is_one_line_and_exit_code_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: list[str] | None, arguments: list[str], said: str
) -> None:
    folder = tmp_path / "results"
    if made is not None:
        folder.mkdir()
    if made:
        Ledger(folder / "ledger.sqlite").close()

    assert main([*arguments, "--results", str(folder)]) == 4

    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert said in output.err


def test_every_command_is_known_and_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])

    said = capsys.readouterr().out
    commands = ["show", "sessions", "compare", "noise", "doctor", "ratchet"]
    assert [name for name in commands if f"    {name} " not in said] == []


def test_a_command_may_end_with_a_status_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(show, "run", lambda _: Said("told\n\n", 3))

    assert main(["show"]) == 3
    assert capsys.readouterr().out == "told\n"


def test_a_file_that_its_user_has_to_mend_is_told_like_any_other_mistake(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: argparse.Namespace) -> str:
        raise InvalidFile(Path("x.yaml"), 3, "is wrong")

    monkeypatch.setattr(show, "run", run)

    assert main(["show"]) == 4
    assert capsys.readouterr().err == "x.yaml:3: is wrong\n"


def test_tables_are_drawn_in_the_form_that_was_asked_for_and_empty_ones_left_out() -> None:
    tables = [Table("Full", [Column("name")], [["one"]]), Table("Empty", [Column("name")], [])]

    assert rendered("text", tables, {}).startswith("Full\n\n")
    assert rendered("markdown", tables, {}).startswith("### Full\n\n")
    assert json.loads(rendered("json", tables, {"a": 1})) == {"a": 1}
    assert "Empty" not in rendered("text", tables, {})


def test_the_module_runs_as_a_command(results: Path) -> None:
    words = [sys.executable, "-m", "reports", "show", "--results", str(results)]
    done = subprocess.run(
        words,
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[1],
        env={"PYTHONIOENCODING": "ascii"},
    )

    assert done.returncode == 0
    assert b"\\u2014" in done.stdout
