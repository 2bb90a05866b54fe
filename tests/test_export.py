import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_reports_ledger import LABELS, load_of, verdict_of
from test_reports_summary import item_of

from reports.__main__ import main
from reports.ledger import Ledger
from thresholds.measurement import Item, Run

PRIMARY = "exact_match,flexible-extract"
KNOWN = {**LABELS, "task": "gsm8k", "task_version": "1.0", "temperature": 0.2, "chat": False, "max_model_len": 2048}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for session in ("s1", "s2"):
        ledger.record_session({"session": session, "started": "today", "hardware": "cpu"})
        ledger.record_engine(session, LABELS, {"engine_version": "vllm 1"})
        ledger.record_run(session, run_of("four\nlines, and a comma", "=1+1"), KNOWN)
    ledger.record_load("s2", load_of(), LABELS | {"workload": "chat", "hardware": "gpu", "against": None})
    ledger.record_verdict("s2", verdict_of())
    ledger.close()
    return tmp_path


def run_of(*answers: str) -> Run:
    items = [item_of(i, float(i % 2), answer=answer, extracted=answer) for i, answer in enumerate(answers)]
    failed = item_of(9, 0.0, scores={}, failed="HTTP 503", prompt_tokens=None, completion_tokens=None)
    return Run("m-vllm-int8", "gsm8k", 3, PRIMARY, (*items, failed), 8, 2.5)


def exported(results: Path, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, str]]:
    assert main(["export", "--results", str(results), *words]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def parquet(path: Path) -> list[dict[str, Any]]:
    from pyarrow.parquet import read_table

    rows: list[dict[str, Any]] = read_table(path).to_pylist()
    return rows


def test_runs_have_a_row_each_with_their_labels_and_numbers(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = exported(results, capsys)

    assert (first["session"], second["session"]) == ("s1", "s2")
    assert (first["hardware"], first["engine_version"], first["model"]) == ("cpu", "vllm 1", "m")
    assert (first["task"], first["number"], first["temperature"], first["chat"]) == ("gsm8k", "3", "0.2", "false")
    assert (first["score"], first["points"], first["scored"], first["questions"]) == ("0.5", "1.0", "2", "3")
    assert (first["failed_requests"], first["prompt_tokens"], first["seconds"]) == ("1", "200", "2.5")
    assert first["engine_memory"] == ""
    assert first["other_scores"] == '{"exact_match,strict-match": 0.0}'


def test_items_have_a_row_each_with_their_answers(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = exported(results, capsys, "--what", "items", "--session", "s1")

    assert [row["item"] for row in rows] == ["0", "1", "9"]
    assert rows[0]["answer"] == "four\nlines, and a comma"
    assert (rows[2]["score"], rows[2]["failed"], rows[2]["prompt_tokens"]) == ("", "HTTP 503", "")


def test_an_answer_becomes_no_formula_of_a_spreadsheet(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exported(results, capsys, "--what", "items")[1]["answer"] == "'=1+1"


def test_loads_have_a_column_for_every_value(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = exported(results, capsys, "--what", "loads")

    assert (row["session"], row["workload"], row["hardware"]) == ("s2", "chat", "gpu")
    assert (row["output_tokens_per_second"], row["failed_requests"]) == ("100.0", "1")
    assert row["invalid"] == "client_late: the client was late"


def test_verdicts_have_a_row_each_with_their_words(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = exported(results, capsys, "--what", "verdicts")

    assert (row["outcome"], row["reason"], row["metric"], row["measured"]) == (
        "NOT_MEASURED",
        "engine_failed",
        "accuracy",
        "",
    )
    assert row["lines"].endswith("\nlast line")


@pytest.mark.parametrize("what", ["runs", "items", "loads", "verdicts"])
def test_parquet_holds_the_same_rows_with_their_types(
    results: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", "--format", "parquet", "--what", what, "--results", str(results)])
    assert capsys.readouterr().out.startswith(f"{results / what}.parquet: ")

    rows = parquet(results / f"{what}.parquet")

    assert len(rows) == len(exported(results, capsys, "--what", what))
    known = {"runs": ("number", 3), "items": ("answer", "=1+1"), "loads": ("requests", 64), "verdicts": ("low", None)}
    name, value = known[what]
    assert value in [row[name] for row in rows]


def test_labels_have_the_type_that_all_their_values_have(results: Path) -> None:
    main(["export", "--format", "parquet", "--results", str(results)])

    row = parquet(results / "runs.parquet")[0]
    assert (row["temperature"], row["chat"], row["max_model_len"], row["task_version"]) == (0.2, False, 2048, "1.0")


def test_half_a_surrogate_pair_is_written_as_its_escape(results: Path) -> None:
    ledger = Ledger(results / "ledger.sqlite")
    ledger.record_run("s2", run_of("\ud83d"), KNOWN)
    ledger.close()

    for form in ("csv", "parquet"):
        assert main(["export", "--what", "items", "--format", form, "--out", str(results / f"x.{form}"),
                     "--results", str(results)]) == 0  # fmt: skip

    assert "\\ud83d" in (results / "x.csv").read_text("utf-8")
    assert "\\ud83d" in [row["answer"] for row in parquet(results / "x.parquet")]


def test_a_file_is_whole_or_not_there(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(item: Item) -> Any:
        raise OSError(28, f"No space left for {item.item}")

    monkeypatch.setattr("reports.exporting.sheets._item", lambda item, _: fail(item))

    assert main(["export", "--what", "items", "--out", str(results / "x.csv"), "--results", str(results)]) == 4

    assert [path.name for path in results.glob("x.csv*")] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--session", "s9"], "there is no session 's9'; the last are: s1, s2"),
        (["--out", "ledger.sqlite/x.csv"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_line(
    results: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results)

    assert main(["export", *words, "--results", str(results)]) == 4

    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert said in told


def test_a_reader_that_has_seen_enough_is_no_error(results: Path) -> None:
    words = [sys.executable, "-m", "reports", "export", "--what", "items", "--results", str(results)]
    here = Path(__file__).parents[1]
    with subprocess.Popen(words, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
