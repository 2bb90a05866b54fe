import sqlite3
from pathlib import Path

import pytest

from reports import migrations
from reports.ledger import Ledger
from reports.migrations import LedgerUnreadable, migrate, version
from reports.records import as_json, verdict_record
from thresholds.measurement import Item, Run
from thresholds.speed import LoadRun
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


def load_of(number: int = 1, *, rate: float = 100.0, workload: str = "chat") -> LoadRun:
    return LoadRun(
        combination="m-vllm-int8",
        workload=workload,
        number=number,
        digest="d1",
        seconds=30.0,
        requests=64,
        failures={"HTTP 503": 1},
        values={"output_tokens_per_second": rate},
        unsupported={"time_to_first_token.p99": "p99 needs 299 requests, 64 were measured"},
        invalid=("client_late", "the client was late"),
        details={"streams": 4, "lateness": {"mean": 0.001}, "telemetry": None},
    )


def speed_verdict(reason: str, metric: str = "time_to_first_token", **labels: str | None) -> Verdict:
    known = {**LABELS, "workload": "chat", "hardware": "cpu", "statistic": "p95", "against": None}
    return not_measured(metric, {**known, **labels}, reason, "why")


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


def test_a_load_comes_back_as_it_was_told(ledger: Ledger) -> None:
    ledger.record_load("s1", load_of(), {**LABELS, "workload": "chat", "against": "m-vllm-none"})

    (recorded,) = ledger.loads("s1")
    assert recorded.run == load_of()
    assert recorded.labels["against"] == "m-vllm-none"


def test_a_load_that_a_resumed_session_makes_again_takes_the_place_of_the_earlier_one(ledger: Ledger) -> None:
    ledger.record_load("s1", load_of(rate=1.0), LABELS)
    ledger.record_load("s1", load_of(workload="batch"), LABELS)
    ledger.record_load("s1", load_of(rate=3.0), {**LABELS, "against": "other"})
    ledger.record_session({"session": "s1"})
    ledger.record_load("s1", load_of(rate=2.0), LABELS)

    assert [one.run.values["output_tokens_per_second"] for one in ledger.loads("s1")] == [100.0, 3.0, 2.0]
    assert ledger.subjects("s1") == (1, 3)


def test_two_loads_of_one_attempt_are_both_kept(ledger: Ledger) -> None:
    ledger.record_load("s1", load_of(rate=1.0), LABELS)
    ledger.record_load("s1", load_of(rate=2.0), LABELS)

    assert [one.run.values["output_tokens_per_second"] for one in ledger.loads("s1")] == [1.0, 2.0]


def test_the_loads_of_another_session_are_read_only_when_all_are_asked_for(ledger: Ledger) -> None:
    ledger.record_load("s1", load_of(1), LABELS)
    ledger.record_load("s1", load_of(2), {**LABELS, "against": "other"})
    ledger.record_session({"session": "s2"})
    ledger.record_load("s2", load_of(3), LABELS)

    assert [one.run.number for one in ledger.loads("s2")] == [3]
    assert [one.run.number for one in ledger.loads()] == [1, 2, 3]
    assert ledger.loads_before("s2") == {("m-vllm-int8", "chat", None): 1, ("m-vllm-int8", "chat", "other"): 1}
    assert ledger.loads_before("s1") == {}


@pytest.mark.parametrize("other", [{"workload": "batch"}, {"statistic": "p50"}, {"against": "m-vllm-none"}])
def test_a_resumed_session_replaces_no_verdict_on_another_load(ledger: Ledger, other: dict[str, str]) -> None:
    ledger.record_verdict("s1", speed_verdict("first"))
    ledger.record_session({"session": "s1"})
    ledger.record_verdict("s1", speed_verdict("second", **other))

    assert [verdict.reason for verdict in ledger.verdicts("s1")] == ["first", "second"]


@pytest.mark.parametrize(("first", "second"), [("p95", "p95"), (None, "p95"), ("p95", None)])
def test_a_load_that_could_not_be_measured_speaks_of_every_statistic(
    ledger: Ledger, first: str | None, second: str | None
) -> None:
    ledger.record_verdict("s1", speed_verdict("first", statistic=first))
    ledger.record_session({"session": "s1"})
    ledger.record_verdict("s1", speed_verdict("second", statistic=second))

    assert [verdict.reason for verdict in ledger.verdicts("s1")] == ["second"]


@pytest.mark.parametrize(("first", "second"), [("speed", "goodput"), ("goodput", "speed"), ("speed", "speed")])
def test_a_load_that_could_not_be_measured_speaks_of_every_metric(ledger: Ledger, first: str, second: str) -> None:
    ledger.record_verdict("s1", speed_verdict("first", first, statistic=None))
    ledger.record_session({"session": "s1"})
    ledger.record_verdict("s1", speed_verdict("second", second, statistic=None))

    assert [verdict.reason for verdict in ledger.verdicts("s1")] == ["second"]


def test_an_engine_that_starts_again_is_described_as_it_last_was(ledger: Ledger) -> None:
    ledger.record_engine("s1", LABELS, {"seconds": 3.0})
    ledger.record_engine("s1", LABELS, {"seconds": 4.0, "log": Path("a.log")})

    (engine,) = ledger.engines("s1")
    assert engine.description == {"seconds": 4.0, "log": "a.log"}


def test_the_subjects_of_a_session_are_counted_without_reading_them(ledger: Ledger) -> None:
    ledger.record_run("s1", run_of(1), LABELS)
    ledger.record_run("s1", run_of(2), LABELS)
    ledger.record_load("s1", load_of(1), LABELS)
    ledger.record_engine("s1", {"combination": "other"}, {})

    assert ledger.subjects("s1") == (2, 3)
    assert ledger.subjects("s2") == (0, 0)


def test_what_was_recorded_is_there_for_another_process_before_the_ledger_is_closed(ledger: Ledger, path: Path) -> None:
    ledger.record_run("s1", run_of(), LABELS)

    assert len(Ledger(path, create=False).runs("s1")) == 1


def test_an_empty_file_is_taken_to_the_newest_version(path: Path) -> None:
    path.parent.mkdir()
    path.touch()

    Ledger(path)

    assert version(sqlite3.connect(path)) == len(migrations.MIGRATIONS)


def test_a_ledger_of_version_1_keeps_its_rows_and_takes_loads(path: Path) -> None:
    path.parent.mkdir()
    database = sqlite3.connect(path, isolation_level=None)
    migrate(database, migrations.MIGRATIONS[:1])
    tell_old(database)
    database.close()

    ledger = Ledger(path)
    ledger.record_load("old", load_of(), LABELS)

    assert [one.run for one in ledger.runs("old")] == [run_of()]
    assert [one.tally.scored.tolist() for one in ledger.runs("old")] == [[1.0]]
    assert ledger.verdicts("old") == [verdict_of()]
    assert [one.run for one in ledger.loads("old")] == [load_of()]
    assert ledger.subjects("old") == (1, 2)


def test_a_ledger_of_version_2_keeps_its_rows_and_gets_tallies(path: Path) -> None:
    path.parent.mkdir()
    database = sqlite3.connect(path, isolation_level=None)
    migrate(database, migrations.MIGRATIONS[:2])
    tell_old(database)
    values = ["old", 1, "m-vllm-int8", "chat", None, 1, as_json(LABELS), as_json(load_of().to_dict())]
    database.execute("INSERT INTO loads VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    database.close()

    ledger = Ledger(path)

    assert [one.run for one in ledger.runs("old")] == [run_of()]
    assert [one.tally.scored.tolist() for one in ledger.runs("old")] == [[1.0]]
    assert [one.run for one in ledger.loads("old")] == [load_of()]


def tell_old(database: sqlite3.Connection) -> None:
    """What versions 1 and 2 wrote for a session with an engine, a run and a verdict."""
    labels, run, verdict = as_json(LABELS), as_json(run_of().to_dict()), as_json(verdict_record(verdict_of()))
    database.execute("INSERT INTO sessions (id, provenance) VALUES ('old', '{}')")
    database.execute("INSERT INTO engines VALUES ('old', 'm-vllm-int8', ?, '{}')", [labels])
    database.execute("INSERT INTO runs VALUES (1, 'old', 'm-vllm-int8', 'gsm8k', 1, ?, ?)", [labels, run])
    values = ["old", 1, "m-vllm-int8", "gsm8k", "accuracy", "NOT_MEASURED", "engine_failed", verdict]
    database.execute("INSERT INTO verdicts VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def test_a_ledger_keeps_its_rows_through_a_further_migration(ledger: Ledger, path: Path) -> None:
    ledger.close()
    database = sqlite3.connect(path, isolation_level=None)

    def m_note(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE sessions ADD COLUMN note TEXT")

    migrate(database, [*migrations.MIGRATIONS, m_note])

    assert version(database) == len(migrations.MIGRATIONS) + 1
    assert database.execute("SELECT id, note FROM sessions").fetchall() == [("s1", None)]


def test_a_migration_that_fails_leaves_the_file_as_it_was(ledger: Ledger, path: Path) -> None:
    ledger.close()
    database = sqlite3.connect(path, isolation_level=None)

    def m_broken(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (id INTEGER)")
        connection.execute("no statement")

    with pytest.raises(sqlite3.OperationalError):
        migrate(database, [*migrations.MIGRATIONS, m_broken])

    assert version(database) == len(migrations.MIGRATIONS)
    assert database.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall() == []


def test_a_newer_schema_is_refused_with_both_versions() -> None:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("PRAGMA user_version = 9")

    with pytest.raises(LedgerUnreadable, match="has schema version 9, this Weighbridge knows up to 4"):
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

    (recorded,) = ledger.runs()
    with pytest.raises(LedgerUnreadable, match=r"ledger\.sqlite: holds a record that cannot be understood"):
        len(recorded.run.items)
