import json
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_reports_ledger import load_of
from test_reports_speed import load_labels
from test_reports_summary import item_of, labels_of

from reports.book import Book
from reports.handover import KEY, Messenger
from reports.ledger import Ledger
from reports.plugin import BOOK, pytest_testnodedown
from thresholds.measurement import Run
from thresholds.verdict import not_measured

pytest_plugins = ["pytester"]

HOOKS = """
import pytest
from test_reports_plugin import run_of
from test_reports_summary import labels_of
from thresholds.verdict import not_measured

class Hooks:
    def pytest_weighbridge_session_started(self, provenance): ...
    def pytest_weighbridge_engine_started(self, labels, description): ...
    def pytest_weighbridge_run_finished(self, run, labels): ...
    def pytest_weighbridge_load_finished(self, run, labels): ...
    def pytest_weighbridge_judged(self, verdict): ...

def pytest_addhooks(pluginmanager):
    pluginmanager.add_hookspecs(Hooks)

def pytest_addoption(parser):
    parser.addoption("--results", default="results")

@pytest.fixture
def hook(pytestconfig):
    return pytestconfig.hook
"""

MEASURES = """
from test_reports_plugin import run_of
from test_reports_summary import labels_of

def test_measures(hook):
    labels = labels_of("none")
    hook.pytest_weighbridge_session_started(provenance={"session": "s1", "started": "today"})
    hook.pytest_weighbridge_engine_started(labels=labels, description={"seconds": 3.0})
    hook.pytest_weighbridge_run_finished(run=run_of(1), labels=labels)
    hook.pytest_weighbridge_run_finished(run=run_of(2), labels=labels)
"""

LOADS = """
from test_reports_ledger import load_of, speed_verdict
from test_reports_speed import load_labels

def test_loads(hook):
    hook.pytest_weighbridge_session_started(provenance={"session": "s1", "started": "today"})
    hook.pytest_weighbridge_engine_started(labels={"combination": "m-vllm-int8"}, description={"seconds": 3.0})
    hook.pytest_weighbridge_load_finished(run=load_of(1), labels=load_labels("int8"))
    hook.pytest_weighbridge_judged(verdict=speed_verdict("engine_failed"))
"""


def run_of(number: int) -> Run:
    items = (item_of(0, 1.0), item_of(1, 0.0))
    return Run("m-vllm-none", "gsm8k", number, "exact_match,flexible-extract", items, 2, 4.0)


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a test that measures, under a plugin that knows the hooks."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(HOOKS)
    pytester.makepyfile(test_suite=MEASURES)
    return pytester


def weigh(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest_inprocess(
        "--no-drawings", "-p", "reports.plugin", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments
    )


def test_the_terminal_shows_the_ranking_and_where_the_report_is(suite: pytest.Pytester) -> None:
    result = weigh(suite)

    result.stdout.fnmatch_lines(
        ["*= weighbridge =*", "Ranking", "*1 *m *vllm *50.0 ± 0.0*", "report *report.md", "session  s1"]
    )
    result.stdout.no_fnmatch_line("What it took")
    result.stdout.no_fnmatch_line("By task")
    assert result.ret == 0


def test_verbose_shows_costs_and_every_task(suite: pytest.Pytester) -> None:
    weigh(suite, "-v").stdout.fnmatch_lines(["What it took", "By task", "*gsm8k *50.0 ± 0.0*"])


def test_a_session_of_loads_shows_only_the_tables_about_speed(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite=LOADS)

    result = weigh(suite)

    result.stdout.fnmatch_lines(["*= weighbridge =*", "Speed", "report *report.md", "session  s1"])
    for absent in ("Ranking", "What it took", "By task", "Side by side", "Speed by metric", "Load"):
        result.stdout.no_fnmatch_line(absent)


def test_verbose_shows_every_metric_of_a_load_and_quiet_only_the_ranks(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite=LOADS)

    weigh(suite, "-v").stdout.fnmatch_lines(["Speed", "Load", "Speed by metric", "*time_to_first_token.p95*"])
    weigh(suite, "-q").stdout.no_fnmatch_line("Load")


def test_a_session_without_loads_shows_no_table_about_speed(suite: pytest.Pytester) -> None:
    result = weigh(suite, "-v")

    for absent in ("Speed", "Load", "Side by side", "Speed by metric"):
        result.stdout.no_fnmatch_line(absent)


def test_both_reports_lie_in_the_results_folder(suite: pytest.Pytester) -> None:
    weigh(suite, "--results", "elsewhere")

    assert (suite.path / "elsewhere" / "report.md").read_text("utf-8").startswith("## Weighbridge: s1")
    plain = json.loads((suite.path / "elsewhere" / "report.json").read_text("utf-8"))
    assert (plain["schema_version"], plain["exit_status"], plain["rows"][0]["mean"]) == (1, 0, 0.5)


def test_the_ledger_holds_the_session_and_how_it_ended(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite=MEASURES + "    assert False\n")

    weigh(suite)

    ledger = Ledger(suite.path / "results" / "ledger.sqlite")
    assert [session.exit_status for session in ledger.sessions()] == [1]
    assert [recorded.run for recorded in ledger.runs("s1")] == [run_of(1), run_of(2)]


def test_the_report_is_appended_to_the_step_summary(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    step = suite.path / "step.md"
    step.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))

    weigh(suite)

    assert step.read_text("utf-8") == "before\n" + (suite.path / "results" / "report.md").read_text("utf-8")


def test_a_session_that_measures_nothing_says_and_writes_nothing(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite="def test_nothing(): pass")

    weigh(suite).stdout.no_fnmatch_line("*weighbridge*")
    assert not (suite.path / "results").exists()


def test_a_plugin_that_does_not_know_the_hooks_is_no_obstacle(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")

    assert pytester.runpytest_inprocess("-p", "reports.plugin", "-p", "no:hypothesispytest").ret == 0


def test_results_that_cannot_be_written_are_told_and_turn_a_green_session_red(suite: pytest.Pytester) -> None:
    (suite.path / "results").write_text("a file where the folder should be")

    result = weigh(suite)

    result.stdout.fnmatch_lines(["*50.0 ± 0.0*", "not written: results/ledger.sqlite: cannot be opened*"])
    result.assert_outcomes(passed=1)
    assert result.ret == 1


def test_a_ledger_of_a_later_weighbridge_is_left_alone_and_told(suite: pytest.Pytester) -> None:
    path = suite.path / "results" / "ledger.sqlite"
    path.parent.mkdir()
    sqlite3.connect(path, isolation_level=None).execute("PRAGMA user_version = 9")

    result = weigh(suite)

    result.stdout.fnmatch_lines(["not written: *ledger.sqlite: has schema version 9*"])
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (9,)
    assert result.ret == 1


def test_a_step_summary_that_cannot_be_written_is_told(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path))

    result = weigh(suite)

    result.stdout.fnmatch_lines(["not written: *Is a directory*"])
    assert result.ret == 1


def test_a_red_session_keeps_its_exit_status_when_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    book = Book(tmp_path / "results")
    book.session_started({"session": "s1"})

    assert book.finish(2) == 2


def test_a_disk_that_fails_midway_costs_no_later_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Book(tmp_path)
    book.session_started({"session": "s1"})
    with monkeypatch.context() as broken:
        broken.setattr(Run, "to_dict", full_disk)
        book.run_finished(run_of(1), labels_of("none"))
    book.run_finished(run_of(2), labels_of("none"))

    assert book.finish(0, drawings=False) == 1
    assert book.problems == ["No space left on device"]
    assert book.summary is not None
    assert book.summary.rows[0].runs == 1


def full_disk(run: Run) -> dict[str, Any]:
    del run
    raise OSError("No space left on device")


def test_a_hook_before_the_session_has_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="pytest_weighbridge_session_started must come before"):
        Book(tmp_path).run_finished(run_of(1), labels_of("none"))


def test_what_a_worker_heard_reaches_the_ledger_of_the_controller(tmp_path: Path) -> None:
    handed_over = heard_by_a_worker("worker-session")
    stash = pytest.Stash()
    stash[BOOK] = Book(tmp_path)

    pytest_testnodedown(SimpleNamespace(workeroutput={KEY: handed_over}, config=SimpleNamespace(stash=stash)), None)

    ledger = Ledger(tmp_path / "ledger.sqlite")
    assert [recorded.run for recorded in ledger.runs("worker-session")] == [run_of(1)]
    assert ledger.engines("worker-session")[0].description == {"seconds": 3.0, "log": "a.log"}
    assert [recorded.run for recorded in ledger.loads("worker-session")] == [load_of(1)]
    assert ledger.verdicts("worker-session") == [not_measured("accuracy", labels_of("none"), "x", "why")]


def test_the_workers_of_one_session_share_the_session_that_came_first(tmp_path: Path) -> None:
    stash = pytest.Stash()
    stash[BOOK] = Book(tmp_path)
    for name in ("one", "two"):
        node = SimpleNamespace(workeroutput={KEY: heard_by_a_worker(name)}, config=SimpleNamespace(stash=stash))
        pytest_testnodedown(node, None)

    assert [session.id for session in Ledger(tmp_path / "ledger.sqlite").sessions()] == ["one"]


def test_a_worker_that_crashed_hands_over_nothing(tmp_path: Path) -> None:
    stash = pytest.Stash()
    stash[BOOK] = Book(tmp_path)

    pytest_testnodedown(SimpleNamespace(config=SimpleNamespace(stash=stash)), "crashed")

    assert stash[BOOK].session is None


def heard_by_a_worker(session: str) -> str:
    output: dict[str, Any] = {}
    messenger = Messenger(SimpleNamespace(workeroutput=output))  # type: ignore[arg-type]
    messenger.session_started({"session": session})
    messenger.engine_started(labels_of("none"), {"seconds": 3.0, "log": Path("a.log")})
    messenger.run_finished(run_of(1), labels_of("none"))
    messenger.load_finished(load_of(1), load_labels("int8"))
    messenger.judged(not_measured("accuracy", labels_of("none"), "x", "why"))
    messenger.pytest_sessionfinish()
    return str(output[KEY])


def test_with_xdist_the_controller_tells_what_its_worker_measured(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Path(__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{here}{os.pathsep}{here.parent}")

    options = ["--no-drawings", "-p", "xdist", "-p", "reports.plugin", "-n", "1", "--max-worker-restart", "0"]
    result = suite.runpytest_subprocess(*options)

    result.stdout.fnmatch_lines(["*50.0 ± 0.0*", "session  s1"])
    assert len(Ledger(suite.path / "results" / "ledger.sqlite").runs("s1")) == 2
