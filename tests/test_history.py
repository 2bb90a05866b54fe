import json
from pathlib import Path

import pytest
from test_reports_ledger import LABELS, load_of
from test_reports_summary import item_of

from reports.__main__ import main
from reports.history.points import Point, points
from reports.ledger import Ledger
from thresholds.measurement import NotMeasured, Run
from thresholds.verdict import Outcome, Verdict

PRIMARY = "exact_match,flexible-extract"
SPEED = "output_tokens_per_second"


class Sessions:
    """A ledger of several sessions of one combination."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path)

    def answers(self, session: str, *right: int, asked: int = 40, task: str = "gsm8k", version: str = "1") -> None:
        self._open(session, version)
        labels = LABELS | {"task": task, "task_version": "1.0"}
        for number, share in enumerate(right, 1):
            items = tuple(item_of(i, float(i < share)) for i in range(asked))
            self.ledger.record_run(session, Run("m-vllm-int8", task, number, PRIMARY, items, asked, 1.0), labels)

    def floor(self, session: str, outcome: Outcome, required: float) -> None:
        verdict = Verdict(
            outcome, "a_reason", "accuracy", LABELS | {"task": "gsm8k"}, ("said",), 0.5, required=required
        )
        self.ledger.record_verdict(session, verdict)

    def loads(self, session: str, *rates: float, hardware: str = "cpu") -> None:
        self._open(session, "1")
        for number, rate in enumerate(rates, 1):
            run = load_of(number, rate=rate)
            labels = LABELS | {"workload": "chat", "hardware": hardware, "against": None}
            valid = type(run)(
                **{name: getattr(run, name) for name in run.__slots__} | {"invalid": None, "failures": {}}
            )
            self.ledger.record_load(session, valid, labels)

    def _open(self, session: str, version: str) -> None:
        if session not in [one.id for one in self.ledger.sessions()]:
            self.ledger.record_session({"session": session, "started": f"start of {session}"})
            self.ledger.record_engine(session, LABELS, {"engine_version": f"vllm {version}"})

    def course(self, **patterns: str) -> list[Point]:
        return points(self.ledger, **patterns)


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path / "ledger.sqlite")


def test_a_score_has_a_point_for_each_session_with_engine_version_and_interval(sessions: Sessions) -> None:
    sessions.answers("s1", 20, 22, version="1")
    sessions.answers("s2", 30, version="2")

    first, second = sessions.course()

    assert (first.session, first.engine_version, first.started) == ("s1", "vllm 1", "start of s1")
    assert (first.mean, first.runs, first.questions, first.interval_of) == (0.525, 2, 40, "rerun")
    assert first.low is not None
    assert first.low < 0.525
    assert (second.engine_version, second.mean, second.interval_of) == ("vllm 2", 0.75, "questions")


def test_the_threshold_that_held_and_its_verdict_stand_at_their_session(sessions: Sessions) -> None:
    sessions.answers("s1", 20)
    sessions.floor("s1", Outcome.FAIL, 0.6)
    sessions.answers("s2", 20)

    assert [(one.required, one.outcome) for one in sessions.course()] == [(0.6, "FAIL"), (None, None)]


def test_a_change_is_told_question_by_question_with_its_interval(sessions: Sessions) -> None:
    sessions.answers("s1", 10)
    sessions.answers("s2", 30)
    sessions.answers("s3", 31)

    first, second, third = sessions.course()

    assert (first.comparable, first.change) == (None, None)
    assert second.change == 0.5
    assert second.change_low is not None
    assert second.change_low > 0
    assert third.change_low is not None
    assert third.change_low < 0


def test_sessions_that_asked_other_questions_are_not_compared(sessions: Sessions) -> None:
    sessions.answers("s1", 10, asked=40)
    sessions.answers("s2", 10, asked=12)

    assert [(one.comparable, one.change) for one in sessions.course()] == [(None, None), (False, None)]


def test_a_session_without_the_task_interrupts_no_course(sessions: Sessions) -> None:
    sessions.answers("s1", 10)
    sessions.answers("s2", 10, task="arc")
    sessions.answers("s3", 10)

    assert [(one.session, one.task) for one in sessions.course()] == [("s2", "arc"), ("s1", "gsm8k"), ("s3", "gsm8k")]


def test_a_speed_has_the_interval_of_its_runs_and_is_compared_on_the_same_hardware(sessions: Sessions) -> None:
    sessions.loads("s1", 100.0, 110.0, 90.0)
    sessions.loads("s2", 120.0)
    sessions.loads("s3", 400.0, hardware="gpu")

    first, second, third = sessions.course()

    assert (first.metric, first.mean, first.interval_of) == (SPEED, 100.0, "runs")
    assert first.low == pytest.approx(100 - 4.3027 * 10 / 3**0.5, rel=1e-4)
    assert (second.change, second.low) == (20.0, None)
    assert (third.comparable, third.change) == (False, None)


def test_a_named_task_leaves_out_other_tasks_and_loads(sessions: Sessions) -> None:
    sessions.answers("s1", 10)
    sessions.answers("s1", 10, task="arc")
    sessions.loads("s1", 100.0)

    assert {one.task for one in sessions.course(task="gs*")} == {"gsm8k"}
    assert {one.workload for one in sessions.course(workload="chat")} == {"chat"}
    assert len(sessions.course(task="gs*", workload="ch*")) == 2


def test_what_fits_nothing_is_told_with_what_there_is(sessions: Sessions) -> None:
    sessions.answers("s1", 10)

    with pytest.raises(NotMeasured, match=r"nothing in the ledger fits; it holds:\ngsm8k of m-vllm-int8"):
        sessions.course(combination="other")


def shown(sessions: Sessions, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    folder = sessions.ledger.path
    assert folder is not None
    assert main(["history", "--results", str(folder.parent), *words]) == 0
    return capsys.readouterr().out


def test_the_text_has_a_table_for_each_subject_and_explains_itself_once(
    sessions: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions.answers("s1", 20, 21)
    sessions.answers("s2", 20, 20)
    sessions.answers("s3", 20, asked=60)
    sessions.answers("s1", 20, task="arc")

    told = shown(sessions, capsys)

    lines = [line.split() for line in told.splitlines()]
    assert ["arc", "of", "m-vllm-int8"] in lines
    assert ["gsm8k", "of", "m-vllm-int8"] in lines
    assert "-1.2 ~" in told
    assert "≠" in told
    assert told.count("run-to-run standard deviation") == 1


def test_a_speed_is_told_in_its_unit_and_its_change_in_percent(
    sessions: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions.loads("s1", 100.0)
    sessions.loads("s2", 120.0)

    told = shown(sessions, capsys)

    assert told.startswith("output tokens/s, tokens/s: chat of m-vllm-int8\n")
    assert "+20.0%" in told


def test_a_name_with_pipes_line_breaks_and_emoji_stays_one_row(
    sessions: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a|b\nc 🙂 <i> \x1b[31m" + "x" * 300
    sessions.answers("s1", 10, task=name)

    assert shown(sessions, capsys).splitlines()[0].startswith("a|b c 🙂 <i>  [31mxxx")
    assert shown(sessions, capsys, "--format", "markdown").splitlines()[0].startswith(r"### a\|b c 🙂 &lt;i>  \[31mx")


def test_markdown_and_json_tell_the_same(sessions: Sessions, capsys: pytest.CaptureFixture[str]) -> None:
    sessions.answers("s1", 20)

    assert shown(sessions, capsys, "--format", "markdown").startswith("### gsm8k of m-vllm-int8\n")
    plain = json.loads(shown(sessions, capsys, "--format", "json"))
    assert (plain["schema_version"], plain["points"][0]["mean"]) == (1, 0.5)
