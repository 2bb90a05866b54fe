import os
import sqlite3
from pathlib import Path

import pytest
from test_reports_ledger import LABELS, load_of, run_of, tell_old, verdict_of

from reports import ledger_file, migrations
from reports.__main__ import main
from reports.ledger import Ledger
from reports.ledger_file import missing_bytes
from reports.migrations import LedgerUnreadable, migrate, version
from reports.spent import spent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger on disk, all of it in the one file, with forty runs of long answers."""
    path = tmp_path / "results" / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.record_session({"session": "s1", "started": "today"})
    for number in range(1, 41):
        ledger.record_run("s1", run_of(number, answer="x" * 9000), LABELS | {"task": "gsm8k"})
    ledger.record_load("s1", load_of(), LABELS | {"workload": "chat"})
    ledger.record_verdict("s1", verdict_of())
    ledger.close()
    return path


def cut_off(path: Path, share: float) -> None:
    whole = path.read_bytes()
    pages = int(len(whole) * share) // 4096
    path.write_bytes(whole[: pages * 4096 + 100])


def test_a_whole_file_misses_nothing_and_a_cut_off_one_what_is_missing(path: Path) -> None:
    size = path.stat().st_size
    assert missing_bytes(path) == 0

    path.write_bytes(path.read_bytes()[:-5000])

    assert (missing_bytes(path), path.stat().st_size) == (5000, size - 5000)


def test_what_is_no_database_misses_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("no database" * 100)
    (tmp_path / "b").write_bytes(b"SQLite format 3\0")

    assert (missing_bytes(tmp_path / "a"), missing_bytes(tmp_path / "b")) == (0, 0)


def test_of_a_ledger_that_was_cut_off_what_can_be_read_is_shown(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(path, 0.5)

    assert main(["show", "--results", str(path.parent)]) == 0

    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert "ledger.sqlite: is cut off" in told.err
    assert "shown is what can be read: sessions: 1, runs: " in told.err
    assert "int8" in told.out


def test_a_ledger_that_was_cut_off_stays_as_it_is(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(path, 0.5)
    before = path.read_bytes()

    main(["sessions", "--results", str(path.parent)])

    assert path.read_bytes() == before
    assert "s1" in capsys.readouterr().out


def test_of_a_ledger_without_its_first_pages_nothing_can_be_read(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(path.read_bytes()[:3000])

    assert main(["show", "--results", str(path.parent)]) == 4

    assert "is cut off, and nothing of it can be read" in capsys.readouterr().err


def test_a_ledger_that_another_process_holds_is_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ledger_file, "READER_WAITS", 0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("UPDATE sessions SET attempt = 2")

    assert main(["show", "--results", str(path.parent)]) == 4

    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "database is locked; another process writes to it: try again when that has ended" in told
    holder.close()


@pytest.mark.parametrize("version", [0, 2, 3])
def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ledger.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE invoices (id INTEGER)")
    other.execute(f"PRAGMA user_version = {version}")

    with pytest.raises(LedgerUnreadable, match=r"is a database of another program \(with a table 'invoices'\)"):
        Ledger(path)

    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]


@pytest.mark.parametrize("known", range(1, len(migrations.MIGRATIONS)))
def test_reading_leaves_a_ledger_of_an_earlier_version_to_its_weighbridge(tmp_path: Path, known: int) -> None:
    path = tmp_path / "ledger.sqlite"
    database = sqlite3.connect(path, isolation_level=None)
    migrate(database, migrations.MIGRATIONS[:known])
    tell_old(database)
    database.close()
    before = path.read_bytes()

    ledger = Ledger(path, create=False)
    (recorded,) = ledger.runs()
    assert ledger.questions(recorded) == {}
    ledger.close()

    assert recorded.run == run_of()
    assert path.read_bytes() == before
    assert version(sqlite3.connect(path)) == known


def test_reading_leaves_no_file_behind(path: Path) -> None:
    assert main(["show", "--results", str(path.parent)]) == 0
    assert spent(path.parent, "m-vllm-int8", "h") == {}
    ledger = Ledger(path, create=False)
    runs = ledger.runs()
    ledger.close()
    assert len(runs[0].run.items) == 1  # the answers stay in the file until then

    assert [file.name for file in path.parent.iterdir()] == ["ledger.sqlite"]


def test_a_ledger_in_a_folder_that_nobody_may_write_to_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)

    ledger = Ledger(path, create=False)
    runs = ledger.runs()
    files = [file.name for file in path.parent.iterdir()]
    ledger.close()

    assert files == ["ledger.sqlite"]
    assert len(runs) == 40
    assert runs[0].run.items[0].answer == "x" * 9000
    assert [file.name for file in path.parent.iterdir()] == ["ledger.sqlite"]
