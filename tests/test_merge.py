import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from test_reports_ledger import LABELS, load_of, run_of, verdict_of
from test_reports_summary import item_of

from reports.__main__ import main
from reports.ledger import Ledger
from reports.migrations import MIGRATIONS, migrate
from reports.records import as_json
from reports.summarising import summarise_all
from thresholds.measurement import Run

TASK = LABELS | {"task": "gsm8k", "task_version": "1.0"}


class Machines:
    """Results folders of several machines, and the folder that they are merged into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.into = folder / "joined"

    def tell(self, name: str, session: str, act: Callable[[Ledger], object], **provenance: Any) -> Path:
        known = {"session": session, "started": f"{session[:10]}T10:00:00+0000", "hardware": name}
        with closing(Ledger(self.folder / name / "ledger.sqlite")) as ledger:
            if session not in [one.id for one in ledger.sessions()]:
                ledger.record_session({**known, **provenance})
            act(ledger)
        return self.folder / name

    def session(self, name: str, session: str, *numbers: int, score: float = 1.0, **provenance: Any) -> Path:
        """A whole session: engine, runs, a load, a verdict."""

        def act(ledger: Ledger) -> None:
            ledger.record_engine(session, LABELS, {"seconds": 3.0, "engine_version": f"vllm of {name}"})
            for number in numbers:
                ledger.record_run(session, run_of(number, score=score), TASK)
            ledger.record_load(session, load_of(), LABELS | {"workload": "chat"})
            ledger.record_verdict(session, verdict_of())
            ledger.finish_session(session, 0)

        return self.tell(name, session, act, **provenance)

    def merge(self, *names: str) -> int:
        return main(["merge", *(str(self.folder / name) for name in names), "--into", str(self.into)])

    @property
    def joined(self) -> Ledger:
        return Ledger(self.into / "ledger.sqlite", create=False)


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path)


def dumped(folder: Path) -> Sequence[str]:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as database:
        return list(database.iterdump())


def test_everything_that_two_machines_measured_stands_in_one_ledger(machines: Machines) -> None:
    machines.session("a", "2026-01-01-a", 1, 2)
    machines.session("b", "2026-01-02-b", 1)

    assert machines.merge("a", "b") == 0

    joined = machines.joined
    assert [one.id for one in joined.sessions()] == ["2026-01-01-a", "2026-01-02-b"]
    assert [one.exit_status for one in joined.sessions()] == [0, 0]
    assert len(joined.loads()) == 2
    assert [joined.verdicts(one.id) for one in joined.sessions()] == [[verdict_of()], [verdict_of()]]


def test_run_numbers_that_collide_stay_apart_by_session(machines: Machines) -> None:
    machines.session("a", "2026-01-01-a", 1)
    machines.session("b", "2026-01-02-b", 1)

    machines.merge("a", "b")

    assert [(one.session, one.run.number) for one in machines.joined.runs()] == [
        ("2026-01-01-a", 1),
        ("2026-01-02-b", 1),
    ]
    assert summarise_all(machines.joined).rows[0].runs == 2


def test_sessions_keep_their_provenance_and_engines(machines: Machines) -> None:
    machines.session("a", "2026-01-01-a", 1)
    machines.session("b", "2026-01-02-b", 1)

    machines.merge("a", "b")

    assert [one.provenance["hardware"] for one in machines.joined.sessions()] == ["a", "b"]
    (engine,) = machines.joined.engines("2026-01-02-b")
    assert engine.description["engine_version"] == "vllm of b"


def test_numbers_and_answers_of_merged_runs_are_there(machines: Machines) -> None:
    machines.session("a", "2026-01-01-a", 1)

    machines.merge("a")

    (recorded,) = machines.joined.runs()
    assert recorded.tally.scored.tolist() == [1.0]
    assert recorded.run == run_of(1)


def test_merging_again_changes_nothing_and_says_so(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    machines.session("a", "2026-01-01-a", 1, 2)
    machines.merge("a")
    before = dumped(machines.into)
    capsys.readouterr()

    assert machines.merge("a") == 0

    assert dumped(machines.into) == before
    assert "a: nothing new; all of it is there already" in capsys.readouterr().out


def test_the_order_of_merging_makes_no_difference(machines: Machines) -> None:
    machines.session("late", "2026-03-01-l", 1)
    machines.session("early", "2026-01-01-e", 1)

    machines.merge("late", "early")

    assert [one.id for one in machines.joined.sessions()] == ["2026-01-01-e", "2026-03-01-l"]


def test_starts_are_compared_as_instants_whatever_their_time_zone(machines: Machines) -> None:
    machines.session("a", "2026-01-01-a", 1, started="2026-01-01T10:00:00+0000")
    machines.session("b", "2026-01-01-b", 1, started="2026-01-01T11:30:00+0200")
    machines.session("c", "2026-01-01-c", 1, started="whenever")

    machines.merge("a", "b", "c")

    assert [one.id for one in machines.joined.sessions()] == ["2026-01-01-b", "2026-01-01-a", "2026-01-01-c"]


def test_a_session_that_went_on_after_it_was_copied_gets_what_it_lacks(machines: Machines) -> None:
    name = "2026-01-01-a"
    machines.tell("a", name, lambda ledger: ledger.record_run(name, run_of(1), TASK))
    machines.merge("a")

    def go_on(ledger: Ledger) -> None:
        ledger.record_session({"session": name})
        ledger.record_run(name, run_of(2), TASK)
        ledger.record_verdict(name, verdict_of())
        ledger.finish_session(name, 1)

    machines.tell("a", name, go_on)

    assert machines.merge("a") == 0
    assert [one.run.number for one in machines.joined.runs()] == [1, 2]
    assert machines.joined.sessions()[0].exit_status == 1


def test_an_earlier_copy_takes_nothing_back(machines: Machines) -> None:
    name = "2026-01-01-a"
    machines.session("later", name, 1, 2, hardware="same")
    machines.tell("earlier", name, lambda ledger: ledger.record_run(name, run_of(1), TASK), hardware="same")

    assert machines.merge("later", "earlier") == 0

    assert [one.run.number for one in machines.joined.runs()] == [1, 2]
    assert machines.joined.sessions()[0].exit_status == 0


def test_the_same_run_with_other_content_is_named_and_the_first_is_kept(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    machines.session("a", "2026-01-01-a", 1, score=1.0, hardware="same")
    machines.session("b", "2026-01-01-a", 1, 2, score=0.0, hardware="same")

    assert machines.merge("a", "b") == 1

    told = capsys.readouterr().out
    conflict = "run 1 of gsm8k on m-vllm-int8 differs from the ledger's, which stays as it is"
    assert f"b: session 2026-01-01-a: {conflict}" in told
    assert [one.tally.scored.tolist() for one in machines.joined.runs()] == [[1.0], [0.0]]


def test_loads_and_verdicts_and_engines_that_contradict_are_named(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "2026-01-01-a"
    machines.session("a", name, hardware="same")

    def other(ledger: Ledger) -> None:
        ledger.record_engine(name, LABELS, {"seconds": 4.0})
        ledger.record_load(name, load_of(rate=7.0), LABELS | {"workload": "chat"})
        ledger.record_verdict(name, verdict_of("another_reason"))

    machines.tell("b", name, other, hardware="same")

    assert machines.merge("a", "b") == 1
    told = capsys.readouterr().out
    for what in ("the engine of m-vllm-int8", "load 1 of chat on m-vllm-int8", "the verdict on accuracy/gsm8k of"):
        assert f"b: session {name}: {what}" in told


def test_two_sessions_of_one_id_are_named_and_the_second_is_left_out(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    machines.session("a", "2026-01-01-x", 1)
    machines.session("b", "2026-01-01-x", 2)

    assert machines.merge("a", "b") == 1

    assert "session 2026-01-01-x: the ledger holds another one of this id; left out" in capsys.readouterr().out
    assert [one.run.number for one in machines.joined.runs()] == [1]


@pytest.mark.parametrize("order", [("broken", "whole"), ("whole", "broken")])
def test_a_run_with_failed_requests_gives_way_to_the_one_that_was_made_whole(
    machines: Machines, order: Sequence[str]
) -> None:
    name = "2026-01-01-a"
    failed = item_of(0, 0.0, scores={}, failed="HTTP 503")
    for folder, item in {"broken": failed, "whole": item_of(0, 1.0)}.items():
        run = Run("m-vllm-int8", "gsm8k", 1, "exact_match,flexible-extract", (item,), 1, 2.0)
        machines.tell(folder, name, lambda ledger, run=run: ledger.record_run(name, run, TASK), hardware="same")

    assert machines.merge(*order) == 0

    (recorded,) = machines.joined.runs()
    assert (recorded.tally.failed_requests, recorded.run.failed_requests) == (0, 0)
    assert recorded.run.items[0].failed is None


def test_a_ledger_of_an_older_version_is_merged_too(machines: Machines) -> None:
    path = machines.folder / "old" / "ledger.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        migrate(database, MIGRATIONS[:1])
        database.execute("INSERT INTO sessions (id, provenance) VALUES ('old', '{}')")
        values = [as_json(TASK), as_json(run_of().to_dict())]
        database.execute("INSERT INTO runs VALUES (1, 'old', 'm-vllm-int8', 'gsm8k', 1, ?, ?)", values)

    assert machines.merge("old") == 0

    assert [one.tally.scored.tolist() for one in machines.joined.runs()] == [[1.0]]


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_merged(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    machines.session("a", "2026-01-01-a", 1)
    (machines.folder / "empty").mkdir()
    (machines.folder / "foreign").mkdir()
    sqlite3.connect(machines.folder / "foreign" / "ledger.sqlite").execute("CREATE TABLE invoices (id INTEGER)")

    assert machines.merge("nowhere", "empty", "foreign", "a") == 1

    told = capsys.readouterr().out
    assert "nowhere: there is no such folder" in told
    assert "empty: holds no ledger.sqlite" in told
    assert "foreign: is a database of another program" in told
    assert len(machines.joined.runs()) == 1


def test_of_a_folder_whose_ledger_was_cut_off_what_can_be_read_is_merged(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    path = machines.session("a", "2026-01-01-a", *range(1, 30)) / "ledger.sqlite"
    path.write_bytes(path.read_bytes()[:-9000])

    assert machines.merge("a") == 1

    assert "a: ledger.sqlite is cut off" in capsys.readouterr().out
    assert len(machines.joined.runs()) > 10


def test_nothing_is_written_when_no_folder_can_be_read(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    assert machines.merge("nowhere", "neither") == 4

    assert capsys.readouterr().err.count("\n") == 2
    assert not machines.into.exists()


def test_a_folder_can_be_merged_into_one_of_the_others(machines: Machines) -> None:
    a = machines.session("a", "2026-01-01-a", 1)
    b = machines.session("b", "2026-01-02-b", 1)

    assert main(["merge", str(a), str(b), "--into", str(a)]) == 0

    assert len(Ledger(a / "ledger.sqlite").runs()) == 2


def test_logs_of_engines_come_along_but_no_links_and_nothing_from_elsewhere(machines: Machines) -> None:
    folder = machines.session("a", "2026-01-01-a", 1)
    machines.session("a", "../outside", 1)
    logs = folder / "logs" / "2026-01-01-a"
    logs.mkdir(parents=True)
    (logs / "m.log").write_text("started")
    (folder / "secret").write_text("secret")
    (logs / "link.log").symlink_to(folder / "secret")
    (folder / "outside").mkdir()
    (folder / "outside" / "x.log").write_text("outside")

    machines.merge("a")

    copied = [path.relative_to(machines.into).as_posix() for path in machines.into.rglob("*.log")]
    assert copied == ["logs/2026-01-01-a/m.log"]
