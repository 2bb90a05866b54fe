"""What tasks asked, kept in the ledger once for all runs."""

import sqlite3
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_merge import TASK, Machines, machines  # noqa: F401 - a fixture
from test_reports_ledger import run_of, tell_old

from reports import migrations
from reports.book import Book
from reports.handover import KEY, Messenger, tell_again
from reports.ledger import Ledger
from reports.migrations import LedgerUnreadable, migrate
from thresholds.questions import LONGEST, Question, shortened

QUESTIONS = [
    Question(0, "Ile ma\nżółw nóg? \ud800", ("dwie", "cztery"), ("cztery",)),
    Question(7, None),
    Question(8, "How many?", (), ("6 + 7 = 13\n#### 13",)),
]
LABELS = TASK


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Ledger:
    told = Ledger(path)
    told.record_session({"session": "s1"})
    return told


def test_a_ledger_of_version_3_keeps_its_rows_knows_no_questions_and_takes_some(path: Path) -> None:
    path.parent.mkdir()
    database = sqlite3.connect(path, isolation_level=None)
    migrate(database, migrations.MIGRATIONS[:3])
    tell_old(database)
    database.close()

    ledger = Ledger(path)
    (recorded,) = ledger.runs("old")

    assert recorded.run == run_of()
    assert ledger.questions(recorded) == {}
    ledger.record_questions("old", QUESTIONS, {"task": "gsm8k"})
    assert list(ledger.questions(recorded).values()) == QUESTIONS


def test_questions_come_back_as_they_were_told_in_any_script(ledger: Ledger) -> None:
    ledger.record_run("s1", run_of(), LABELS)
    ledger.record_questions("s1", QUESTIONS, LABELS)

    assert ledger.questions(ledger.runs()[0]) == {one.item: one for one in QUESTIONS}


def test_questions_that_two_sessions_asked_are_kept_once(ledger: Ledger, path: Path) -> None:
    for session in ("s1", "s2"):
        ledger.record_session({"session": session})
        ledger.record_questions(session, QUESTIONS, LABELS)
        ledger.record_questions(session, QUESTIONS, {**LABELS, "task": "another"})

    database = sqlite3.connect(path)
    assert database.execute("SELECT COUNT(*) FROM texts").fetchone() == (1,)
    assert database.execute("SELECT COUNT(*) FROM asked").fetchone() == (4,)


def test_each_session_has_the_questions_that_it_asked(ledger: Ledger) -> None:
    ledger.record_session({"session": "s2"})
    for session, text in (("s1", "Old?"), ("s2", "New?")):
        ledger.record_run(session, run_of(), LABELS)
        ledger.record_questions(session, [Question(0, text)], LABELS)

    assert [ledger.questions(one)[0].text for one in ledger.runs()] == ["Old?", "New?"]


def test_another_version_of_a_task_has_questions_of_its_own(ledger: Ledger) -> None:
    ledger.record_run("s1", run_of(), {**LABELS, "task_version": "2.0"})
    ledger.record_questions("s1", QUESTIONS, {**LABELS, "task_version": "1.0"})

    assert ledger.questions(ledger.runs()[0]) == {}


def test_questions_that_cannot_be_understood_are_named(ledger: Ledger, path: Path) -> None:
    ledger.record_run("s1", run_of(), LABELS)
    ledger.record_questions("s1", QUESTIONS, LABELS)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("UPDATE texts SET content = 'x'")

    with pytest.raises(LedgerUnreadable, match="holds a record that cannot be understood"):
        Ledger(path).questions(ledger.runs()[0])


def test_merged_ledgers_share_what_both_asked_and_keep_what_one_did(machines: Machines) -> None:  # noqa: F811
    for name, texts in {"a": ["Both?"], "b": ["Both?", "Only b?"]}.items():
        for number, text in enumerate(texts):
            session = f"2026-01-0{1 + number}-{name}"
            machines.session(name, session, 1)
            asks = partial(Ledger.record_questions, session=session, questions=[Question(0, text)], labels=TASK)
            machines.tell(name, session, asks)

    assert machines.merge("a", "b") == 0

    joined = machines.joined
    told = {one.session[11:]: joined.questions(one)[0].text for one in joined.runs() if one.session[8:10] == "01"}
    assert told == {"a": "Both?", "b": "Both?"}
    assert joined.questions(joined.runs("2026-01-02-b")[0])[0].text == "Only b?"
    assert machines.merge("a", "b") == 0


def test_a_worker_of_xdist_hands_over_what_its_tasks_asked(tmp_path: Path) -> None:
    config = SimpleNamespace(workeroutput={})
    messenger = Messenger(config)  # type: ignore[arg-type]
    messenger.session_started({"session": "s1"})
    messenger.questions_asked(QUESTIONS, LABELS)
    messenger.run_finished(run_of(), LABELS)
    messenger.pytest_sessionfinish()

    book = Book(tmp_path)
    tell_again(str(config.workeroutput[KEY]), book)

    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert list(ledger.questions(ledger.runs()[0]).values()) == QUESTIONS


def test_a_long_text_keeps_both_ends_and_says_how_much_is_missing() -> None:
    text = shortened("a" * 1500 + "b" * 5000 + "c" * 1500)

    assert text == f"{'a' * 1000} [… 6,000 letters are not kept …] {'c' * 1000}"
    assert shortened("a" * LONGEST) == "a" * LONGEST
