import sqlite3
from pathlib import Path

import pytest

from reports import migrations
from reports.ledger import Ledger, LedgerUnreadable
from reports.migrations import NewerSchema, migrate, version
from thresholds.measurement import Item, Run
from thresholds.verdict import Verdict, not_measured

LABELS = {"combination": "m-vllm-int8", "model": "m", "engine": "vllm", "quantization": "int8"}


def run_of(number: int = 1, *, score: float = 1.0, answer: str = "42") -> Run:
    item = Item(
        item=0,
        scores={"acc,none": score},
        answer=answer,
        extracted=answer,
        unparsed=False,
        finish_reasons=("stop",),
        prompt_tokens=10,
        completion_tokens=5,
        seconds=0.5,
    )
    return Run("m-vllm-int8", "gsm8k", number, "acc,none", (item,), 1, 2.0)


def verdict_of(outcome_reason: str = "engine_failed") -> Verdict:
    return not_measured("accuracy", {**LABELS, "task": "gsm8k"}, outcome_reason, "the engine died\nlast line")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Ledger:
    opened = Ledger(path)
    opened.record_session({"session": "s1", "started": "2026-01-01", "settings": {"runs": 2}})
    return opened


def test_a_session_comes_back_with_its_provenance_and_is_unfinished(ledger: Ledger) -> None:
    (session,) = ledger.sessions()

    assert (session.id, session.started, session.finished, session.exit_status) == ("s1", "2026-01-01", None, None)
    assert session.provenance["settings"] == {"runs": 2}


def test_a_finished_session_says_when_and_how(ledger: Ledger) -> None:
    ledger.finish_session("s1", 1)

    (session,) = ledger.sessions()
    assert session.exit_status == 1
    assert session.finished is not None


def test_a_run_comes_back_as_it_was_told(ledger: Ledger) -> None:
    ledger.record_run("s1", run_of(), {**LABELS, "task": "gsm8k"})

    (recorded,) = ledger.runs("s1")
    assert recorded.run == run_of()
    assert recorded.labels["task"] == "gsm8k"


def test_half_a_surrogate_pair_in_an_answer_survives(ledger: Ledger) -> None:
    ledger.record_run("s1", run_of(answer="\ud83d"), LABELS)

    assert ledger.runs()[0].run.items[0].answer == "\ud83d"


def test_a_run_that_is_told_again_replaces_the_first_telling(ledger: Ledger) -> None:
    ledger.record_run("s1", run_of(score=0.0), LABELS)
    ledger.record_run("s1", run_of(score=1.0), LABELS)

    (recorded,) = ledger.runs("s1")
    assert recorded.run.items[0].scores == {"acc,none": 1.0}


def test_the_runs_of_another_session_are_read_only_when_all_are_asked_for(ledger: Ledger) -> None:
    ledger.record_run("s1", run_of(1), LABELS)
    ledger.record_session({"session": "s2"})
    ledger.record_run("s2", run_of(2), LABELS)

    assert [one.run.number for one in ledger.runs("s2")] == [2]
    assert [one.run.number for one in ledger.runs()] == [1, 2]
    assert ledger.runs_before("s2") == {("m-vllm-int8", "gsm8k"): 1}
    assert ledger.runs_before("s1") == {}


def test_a_verdict_comes_back_as_it_was_told(ledger: Ledger) -> None:
    ledger.record_verdict("s1", verdict_of())

    assert ledger.verdicts("s1") == [verdict_of()]


def test_two_verdicts_of_one_attempt_are_both_kept(ledger: Ledger) -> None:
    ledger.record_verdict("s1", verdict_of("one"))
    ledger.record_verdict("s1", verdict_of("two"))

    assert [verdict.reason for verdict in ledger.verdicts("s1")] == ["one", "two"]


def test_the_verdict_of_a_resumed_session_takes_the_place_of_the_earlier_one(ledger: Ledger) -> None:
    ledger.record_verdict("s1", verdict_of("engine_failed"))
    ledger.record_session({"session": "s1"})
    ledger.record_verdict("s1", verdict_of("failed_requests"))

    assert [verdict.reason for verdict in ledger.verdicts("s1")] == ["failed_requests"]


def test_an_engine_that_starts_again_is_described_as_it_last_was(ledger: Ledger) -> None:
    ledger.record_engine("s1", LABELS, {"seconds": 3.0})
    ledger.record_engine("s1", LABELS, {"seconds": 4.0, "log": Path("a.log")})

    (engine,) = ledger.engines("s1")
    assert engine.description == {"seconds": 4.0, "log": "a.log"}


def test_the_subjects_of_a_session_are_counted_without_reading_them(ledger: Ledger) -> None:
    ledger.record_run("s1", run_of(1), LABELS)
    ledger.record_run("s1", run_of(2), LABELS)
    ledger.record_engine("s1", {"combination": "other"}, {})

    assert ledger.subjects("s1") == (2, 2)
    assert ledger.subjects("s2") == (0, 0)


def test_what_was_recorded_is_there_for_another_process_before_the_ledger_is_closed(ledger: Ledger, path: Path) -> None:
    ledger.record_run("s1", run_of(), LABELS)

    assert len(Ledger(path, create=False).runs("s1")) == 1


def test_an_empty_file_is_taken_to_the_newest_version(path: Path) -> None:
    path.parent.mkdir()
    path.touch()

    Ledger(path)

    assert version(sqlite3.connect(path)) == len(migrations.MIGRATIONS)


def test_a_ledger_of_version_1_keeps_its_rows_through_a_further_migration(ledger: Ledger, path: Path) -> None:
    ledger.close()
    database = sqlite3.connect(path, isolation_level=None)

    def m002_note(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE sessions ADD COLUMN note TEXT")

    migrate(database, [migrations.m001_initial, m002_note])

    assert version(database) == 2
    assert database.execute("SELECT id, note FROM sessions").fetchall() == [("s1", None)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(ledger: Ledger, path: Path) -> None:
    ledger.close()
    database = sqlite3.connect(path, isolation_level=None)

    def m002_broken(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (id INTEGER)")
        connection.execute("no statement")

    with pytest.raises(sqlite3.OperationalError):
        migrate(database, [migrations.m001_initial, m002_broken])

    assert version(database) == 1
    assert database.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall() == []


def test_a_newer_schema_is_refused_with_both_versions() -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("PRAGMA user_version = 9")

    with pytest.raises(NewerSchema, match="has schema version 9, this Weighbridge knows up to 1"):
        migrate(database)


def test_a_ledger_of_a_later_weighbridge_is_refused_by_name(ledger: Ledger, path: Path) -> None:
    ledger.close()
    sqlite3.connect(path, isolation_level=None).execute("PRAGMA user_version = 9")

    with pytest.raises(LedgerUnreadable, match=r"ledger\.sqlite: has schema version 9"):
        Ledger(path)


def test_a_truncated_ledger_is_refused_by_name(ledger: Ledger, path: Path) -> None:
    ledger.close()
    path.write_bytes(path.read_bytes()[:5000])

    with pytest.raises(LedgerUnreadable, match=r"ledger\.sqlite: cannot be"):
        Ledger(path).runs()


def test_a_file_that_is_no_database_is_refused_by_name(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("this is a text of no database at all\n" * 100)

    with pytest.raises(LedgerUnreadable, match=r"ledger\.sqlite: cannot be opened as a ledger: file is not a database"):
        Ledger(path)


def test_a_ledger_that_is_only_read_is_not_created(path: Path) -> None:
    with pytest.raises(LedgerUnreadable, match="cannot be opened"):
        Ledger(path, create=False)

    assert not path.exists()


def test_a_record_that_cannot_be_understood_is_named(ledger: Ledger, path: Path) -> None:
    ledger.record_run("s1", run_of(), LABELS)
    sqlite3.connect(path, isolation_level=None).execute("UPDATE runs SET record = '{}'")

    with pytest.raises(LedgerUnreadable, match=r"ledger\.sqlite: holds a record that cannot be understood"):
        ledger.runs()
