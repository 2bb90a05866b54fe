"""The books of one pytest session: the ledger while it runs, the report files when it ends."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reports.baselines import earlier
from reports.drawing import draw
from reports.ledger import FILE, Ledger
from reports.migrations import LedgerUnreadable
from reports.pull_request import comment
from reports.schema.document import report_json
from reports.summarising import summarise
from reports.summary import Summary
from reports.tables import markdown
from thresholds.measurement import Run
from thresholds.questions import Question
from thresholds.recorded import Recorded
from thresholds.speed import LoadRun
from thresholds.upgrade import ACCURACY_DIFFERENCE
from thresholds.verdict import Outcome, Verdict

INTERRUPTED = 2
"""pytest's exit status after Ctrl-C: whoever pressed it waits for no drawing."""


class Book:
    """Writes what it is told to the ledger of a results folder, and the reports about it.

    A ledger that cannot be opened does not stop the measuring: the numbers are kept in memory, so that they can still
    be shown. Whatever could not be written is one line of `problems`; what could not be drawn, one of `undrawn`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session: str | None = None
        self.summary: Summary | None = None
        self.written: list[Path] = []
        self.problems: list[str] = []
        self.undrawn: list[str] = []
        self._ledger: Ledger | None = None

    def session_started(self, provenance: Mapping[str, Any]) -> None:
        """Open the ledger. The workers of one pytest session share the session that was announced first."""
        if self.session is None:
            self.session = str(provenance["session"])
            self._ledger = self._opened()
            self._record(lambda ledger, _: ledger.record_session(provenance))

    def engine_started(self, labels: Mapping[str, Any], description: Mapping[str, Any]) -> None:
        """Record an engine."""
        self._record(lambda ledger, session: ledger.record_engine(session, labels, description))

    def questions_asked(self, questions: Sequence[Question], labels: Mapping[str, Any]) -> None:
        """Record what a task asks."""
        self._record(lambda ledger, session: ledger.record_questions(session, questions, labels))

    def run_finished(self, run: Run, labels: Mapping[str, Any]) -> None:
        """Record a run."""
        self._record(lambda ledger, session: ledger.record_run(session, run, labels))

    def load_finished(self, run: LoadRun, labels: Mapping[str, Any]) -> None:
        """Record a run of a load."""
        self._record(lambda ledger, session: ledger.record_load(session, run, labels))

    def judged(self, verdict: Verdict) -> None:
        """Record a verdict."""
        self._record(lambda ledger, session: ledger.record_verdict(session, verdict))

    def earlier(self, labels: Mapping[str, Any]) -> list[Recorded]:
        """Sessions of this ledger that judged the same upgrade before."""
        if self._ledger is None or self.session is None:
            return []
        return earlier(self._ledger, self.session, labels, ACCURACY_DIFFERENCE.name)

    def told(self) -> dict[str, Any]:
        """What a JUnit file says of the session: id, hardware, how many verdicts of each outcome, where reports are."""
        if self._ledger is None or self.session is None:
            return {}
        ledger, session = self._ledger, self.session
        known: dict[str, Any] = {"session": session, "ledger": ledger.path}
        try:
            if any(ledger.subjects(session)):
                known |= {"report": self.folder / "report.md", "report.json": self.folder / "report.json"}
            (provenance,) = [one.provenance for one in ledger.sessions() if one.id == session] or [{}]
            known["hardware"] = provenance.get("hardware")
            outcomes = [str(verdict.outcome) for verdict in ledger.verdicts(session)]
        except LedgerUnreadable:  # finish() will say so
            return known
        counts = {f"verdicts.{outcome}": outcomes.count(outcome) for outcome in Outcome}
        return {name: value for name, value in (known | counts).items() if value is not None}

    def finish(self, exit_status: int, step_summary: str | None = None, *, drawings: bool = True) -> int:
        """Close the session and write the reports, the Markdown also to the end of the file `step_summary`.

        Args:
            drawings: Also the page and the figures, which takes seconds.

        Returns:
            The exit status: 1 instead of 0 when something could not be written.
        """
        if self._ledger is None:
            return exit_status
        self._record(lambda ledger, session: ledger.finish_session(session, exit_status))
        self._attempt(self._sum_up)
        if self.summary is not None and self.summary.measured:
            self._attempt(lambda: self._write_reports(self.summary, step_summary))
            if drawings and exit_status != INTERRUPTED:
                self._draw(self.summary, self._ledger)
        status = 1 if self.problems and exit_status == 0 else exit_status
        if status != exit_status:
            self._record(lambda ledger, session: ledger.finish_session(session, status))
        self._ledger.close()
        self._ledger = None
        return status

    def _opened(self) -> Ledger:
        try:
            return Ledger(self.folder / FILE)
        except LedgerUnreadable as error:
            self.problems.append(str(error))
            return Ledger(None)

    def _record(self, write: Callable[[Ledger, str], object]) -> None:
        ledger, session = self._ledger, self.session
        if ledger is None or session is None:
            raise RuntimeError("pytest_weighbridge_session_started must come before the other hooks of weighbridge")
        self._attempt(lambda: write(ledger, session))

    def _sum_up(self) -> None:
        if self._ledger is not None:
            self.summary = summarise(self._ledger, self.session)

    def _write_reports(self, summary: Summary | None, step_summary: str | None) -> None:
        if summary is None:
            return
        told = comment(
            markdown(summary, None), "report.json and report.html of the session, or `python -m reports show`"
        )
        self._write("report.md", told)
        self._write("report.json", report_json(summary))
        if step_summary:
            with Path(step_summary).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(told)

    def _draw(self, summary: Summary, ledger: Ledger) -> None:
        drawn = draw(summary, ledger, self.folder)
        self.written += drawn.written
        self.undrawn += drawn.problems

    def _write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", errors="backslashreplace")
        self.written.append(path)

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))
