"""The pytest plugin: listens to the hooks of weighbridge, and tells at the end what was measured.

Works beside any plugin that calls these hooks; without one it stays silent. With pytest-xdist the workers hand over
what they heard, and the controller alone writes.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reports.baselines import recorded
from reports.book import Book
from reports.closing import closing
from reports.handover import KEY, Listener, Messenger, tell_again
from reports.junit import Testimony, tell_suite
from reports.migrations import LedgerUnreadable
from reports.spent import spent
from thresholds.measurement import NotMeasured, Run
from thresholds.questions import Question
from thresholds.recorded import Recorded
from thresholds.speed import LoadRun
from thresholds.verdict import Verdict

BOOK = pytest.StashKey[Book]()


class Ears:
    """The hooks of weighbridge, passed on to a listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    @pytest.hookimpl(optionalhook=True)
    def pytest_weighbridge_session_started(self, provenance: Mapping[str, Any]) -> None:
        """See fixtures/hookspecs.py."""
        self._listener.session_started(provenance)

    @pytest.hookimpl(optionalhook=True)
    def pytest_weighbridge_engine_started(self, labels: Mapping[str, Any], description: Mapping[str, Any]) -> None:
        """See fixtures/hookspecs.py."""
        self._listener.engine_started(labels, description)

    @pytest.hookimpl(optionalhook=True)
    def pytest_weighbridge_questions_asked(self, questions: Sequence[Question], labels: Mapping[str, Any]) -> None:
        """See fixtures/hookspecs.py."""
        self._listener.questions_asked(questions, labels)

    @pytest.hookimpl(optionalhook=True)
    def pytest_weighbridge_run_finished(self, run: Run, labels: Mapping[str, Any]) -> None:
        """See fixtures/hookspecs.py."""
        self._listener.run_finished(run, labels)

    @pytest.hookimpl(optionalhook=True)
    def pytest_weighbridge_load_finished(self, run: LoadRun, labels: Mapping[str, Any]) -> None:
        """See fixtures/hookspecs.py."""
        self._listener.load_finished(run, labels)

    @pytest.hookimpl(optionalhook=True)
    def pytest_weighbridge_judged(self, verdict: Verdict) -> None:
        """See fixtures/hookspecs.py."""
        self._listener.judged(verdict)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Our option: https://docs.pytest.org/en/stable/reference/reference.html#std-hook-pytest_addoption."""
    group = parser.getgroup("weighbridge", "weighbridge")
    group.addoption(
        "--no-drawings", action="store_true", help="at the end no report.html and no figures: saves seconds"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Listen: on a worker of pytest-xdist to hand over, everywhere else to keep the books."""
    config.pluginmanager.register(Testimony(), "weighbridge-testimony")
    if hasattr(config, "workerinput"):
        messenger = Messenger(config)
        config.pluginmanager.register(messenger, "weighbridge-messenger")
        config.pluginmanager.register(Ears(messenger), "weighbridge-ears")
        return
    config.stash[BOOK] = Book(Path(config.getoption("results", default="results")))
    config.pluginmanager.register(Ears(config.stash[BOOK]), "weighbridge-ears")
    config.pluginmanager.register(Early(), "weighbridge-early")


@pytest.hookimpl(trylast=True, optionalhook=True)
def pytest_weighbridge_baseline(config: pytest.Config, source: str) -> Recorded:
    """A session of a ledger: see fixtures/hookspecs.py."""
    try:
        return recorded(Path(config.getoption("results")), source)
    except (LedgerUnreadable, NotMeasured) as error:
        raise pytest.UsageError(f"--baseline {source}: {error}") from None


@pytest.hookimpl(optionalhook=True)
def pytest_weighbridge_earlier(config: pytest.Config, labels: Mapping[str, Any]) -> list[Recorded]:
    """The sessions of this ledger that judged the same: see fixtures/hookspecs.py."""
    book = config.stash.get(BOOK, None)
    return [] if book is None else book.earlier(labels)


@pytest.hookimpl(trylast=True, optionalhook=True)
def pytest_weighbridge_spent(config: pytest.Config, combination: str, hardware: str) -> dict[str, list[float]]:
    """What the sessions of this ledger spent: see fixtures/hookspecs.py."""
    return spent(Path(config.getoption("results")), combination, hardware)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Record what a worker of pytest-xdist handed over; one that crashed hands over nothing."""
    del error
    handed_over = getattr(node, "workeroutput", {}).get(KEY)
    if handed_over:
        tell_again(handed_over, node.config.stash[BOOK])


class Early:
    """What has to be told before pytest writes the JUnit file, which it does at the end of the session as well."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """See https://docs.pytest.org/en/stable/reference/reference.html#std-hook-pytest_sessionfinish."""
        tell_suite(session.config, session.config.stash[BOOK].told())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close the books; what could not be written turns a green session red."""
    book = session.config.stash.get(BOOK, None)
    if book is not None:
        step, drawings = os.environ.get("GITHUB_STEP_SUMMARY"), not session.config.getoption("no_drawings")
        session.exitstatus = book.finish(int(session.exitstatus), step, drawings=drawings)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Verdicts, ranking, what stands out, and where the reports are: with -q less of it, with -v every table."""
    book = config.stash.get(BOOK, None)
    if book is None or not (book.problems or (book.summary and book.summary.measured)):
        return
    terminalreporter.section("weighbridge")
    if book.summary is not None and book.summary.measured:
        width = config.get_terminal_writer().fullwidth
        terminalreporter.write_line(closing(book.summary, config.get_verbosity(), width))
        terminalreporter.write_line("")
    for path in book.written:
        terminalreporter.write_line(f"report   {path}")
    terminalreporter.write_line(f"session  {book.session}")
    for problem in book.problems:
        terminalreporter.write_line(f"not written: {problem}", red=True)
    for problem in book.undrawn:
        terminalreporter.write_line(f"not drawn: {problem}", yellow=True)
