"""Interruptions: what was answered is kept, nothing of ours stays behind, and the session says what happened."""

import hashlib
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from fake_engine import Asked, FakeEngine, Script

from conftest import Heard, Weighbridge
from fixtures.engines.supervisor import MARK
from fixtures.journal import Journal, JournalFailed

TASKS = ["embedded_gsm8k", "embedded_winogrande"]
PROBES = {"One, two, three,"}
SIZE = ("-m", "accuracy", "-k", "floor", "--samples-first", "30")
SAMPLED = {"temperature": 0.2}

FULL_DISK = """
from fixtures.journal import Journal

open_session = Journal._open_session

def on_a_small_disk(self, *arguments, **options):
    session = open_session(self, *arguments, **options)
    (pages,) = self._database.execute("PRAGMA page_count").fetchone()
    self._database.execute(f"PRAGMA max_page_count = {pages + 2}")
    return session

Journal._open_session = on_a_small_disk
"""


def moody(solve: Callable[[str], str]) -> Script:
    """Answers and likings that look random and are the same every time, so that every response matters to the score."""

    def mood(text: str) -> bool:
        return hashlib.sha256(text.encode()).digest()[0] % 2 == 0

    def answer(prompt: str, payload: dict[str, Any]) -> str:
        return solve(prompt) if mood(f"{payload.get('seed')} {prompt}") else "#### 987654"

    return Script(answer=answer, likes=mood, delay=0.04)


def identity(asked: Asked) -> tuple[str, int]:
    """What makes a request this one of this run; log-likelihoods are asked alike in every run."""
    return asked.prompt, asked.seed


def questions(fake: FakeEngine) -> list[Asked]:
    return [asked for asked in fake.requests if asked.prompt not in PROBES]


def journaled(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "results" / "journal.sqlite")) as database:
        return int(database.execute("SELECT COUNT(*) FROM responses").fetchone()[0])


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def engines_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Living processes that carry the mark of an engine of this pytest."""
    found = []
    for other in psutil.process_iter():
        try:
            if other.environ().get(MARK, "").startswith(f"{process.pid}-"):
                found.append(other)
        except (psutil.Error, OSError):
            continue
    return found


@dataclass
class Interrupted:
    """A session that was killed, its resumption, and the same session undisturbed."""

    kept: int
    before: list[Asked]
    after: list[Asked]
    resumed: Heard
    undisturbed: Heard
    once_more: Heard
    requests_once_more: int


@pytest.fixture(scope="module")
def killed(checkout: Callable[[], Weighbridge], solve: Callable[[str], str]) -> Iterator[Interrupted]:
    """`kill -9` of pytest in the middle of the second task, then --resume."""
    with FakeEngine(moody(solve)) as fake:
        inner, other = checkout(), checkout()
        for one in (inner, other):
            one.matrix(TASKS, {"url": fake.url, "sampling": SAMPLED})
        process = inner.start(*SIZE)
        wait_for(lambda: len(fake.requests) > 80)
        process.send_signal(signal.SIGKILL)
        assert inner.end(process).code == -signal.SIGKILL
        time.sleep(2 * fake.script.delay)
        before, kept = questions(fake), journaled(inner.path)
        fake.requests.clear()
        resumed = inner.run(*SIZE, "--resume")
        after = questions(fake)
        fake.requests.clear()
        once_more = inner.run(*SIZE, "--resume")
        requests = len(fake.requests)
        yield Interrupted(kept, before, after, resumed, other.run(*SIZE), once_more, requests)


def test_every_response_was_on_disk_when_pytest_was_killed(killed: Interrupted) -> None:
    under_way = 4

    assert len(killed.before) - under_way <= killed.kept <= len(killed.before)
    assert 60 < killed.kept < 180


def test_no_request_that_was_answered_is_sent_again(killed: Interrupted) -> None:
    everything = 2 * 30 + 2 * 2 * 30

    assert len(killed.after) == everything - killed.kept
    again = {identity(a) for a in killed.before if "Question:" in a.prompt} & {identity(a) for a in killed.after}
    assert again == set()


def test_a_resumed_session_ends_with_the_scores_of_an_undisturbed_one(killed: Interrupted) -> None:
    scores = killed.resumed.scores()

    assert scores == killed.undisturbed.scores()
    assert sorted(scores) == [(task, run) for task in TASKS for run in (1, 2)]
    assert len({str(items) for items in scores.values()}) == 3  # gsm8k varies from run to run, winogrande does not


def test_replayed_responses_are_counted(killed: Interrupted) -> None:
    replayed = {(run["task"], run["number"]): run["replayed"] for run in killed.resumed.runs}

    assert sum(replayed.values()) == killed.kept
    assert (replayed[TASKS[0], 1], replayed[TASKS[0], 2]) == (30, 30)
    assert {run["replayed"] for run in killed.undisturbed.runs} == {0}


def test_a_finished_session_is_not_resumed(killed: Interrupted) -> None:
    assert killed.once_more.code == 4
    assert "results/journal.sqlite: the last session (" in killed.once_more.output
    assert ") finished; leave --resume out" in killed.once_more.output
    assert killed.requests_once_more == 0


def test_with_nothing_to_resume_the_journal_says_so(tmp_path: Path) -> None:
    with pytest.raises(JournalFailed, match=r"journal\.sqlite: there is no session to resume; leave --resume out"):
        Journal(tmp_path, "a command", resume=True)


def test_the_session_of_another_command_is_not_resumed(tmp_path: Path) -> None:
    first = Journal(tmp_path, "a command")
    first.close()

    with pytest.raises(
        JournalFailed, match=rf"the last session \({first.session}\) was another command; repeat that one"
    ):
        Journal(tmp_path, "another command", resume=True)


def test_the_unfinished_session_of_the_same_command_is_resumed(tmp_path: Path) -> None:
    first = Journal(tmp_path, "a command")
    numbers = [first.start_run("c", "t", 0), first.start_run("c", "t", 1)]
    first.close()

    second = Journal(tmp_path, "a command", resume=True)

    assert (second.session, second.resumed) == (first.session, True)
    assert [second.start_run("c", "t", position) for position in (0, 1, 2)] == [*numbers, 3]
    second.close()


def test_ctrl_c_ends_with_its_exit_code_and_no_engine_stays(weighbridge: Weighbridge) -> None:
    weighbridge.matrix(
        TASKS, {"engine": "spawned", "engine_arguments": ["--delay", "0.05"]}, model={"weights": {"none": "./nowhere"}}
    )
    process = weighbridge.start(*SIZE)
    journal = weighbridge.path / "results" / "journal.sqlite"
    wait_for(lambda: journal.exists() and engines_of(process) and journaled(weighbridge.path) > 5)
    engines = engines_of(process)

    process.send_signal(signal.SIGINT)
    heard = weighbridge.end(process)

    assert heard.code == 2
    assert [engine for engine in engines if engine.is_running()] == []
    assert engines_of(process) == []


@pytest.fixture(scope="module")
def broken(checkout: Callable[[], Weighbridge]) -> Heard:
    """Three engines: one dies in mid-run, one does not start, one works."""
    inner = checkout()
    weights = dict.fromkeys(("none", "fp8", "w8a8"), "./nowhere")
    spawned = {"engine": "spawned"}
    inner.matrix(
        TASKS,
        {**spawned, "quantization": "none", "engine_arguments": ["--die-after", "20"]},
        {**spawned, "quantization": "fp8", "engine_arguments": ["--no-such-flag"]},
        {**spawned, "quantization": "w8a8"},
        model={"weights": weights},
    )
    return inner.run(*SIZE)


@pytest.mark.parametrize(
    ("quantization", "reason", "said"),
    [
        ("none", "out_of_memory", "it ended while it was measured, exit code 1: torch.OutOfMemoryError: CUDA out of"),
        ("fp8", "unknown_flag", "it ended while starting, exit code 2: fake_engine.py: error: unrecognized arguments"),
    ],
    ids=["dies in mid-run", "does not start"],
)
def test_every_test_of_a_broken_engine_is_not_measured_with_its_one_reason(
    broken: Heard, quantization: str, reason: str, said: str
) -> None:
    verdicts = [v for v in broken.verdicts if v["labels"]["quantization"] == quantization]

    assert [(v["labels"]["task"], v["outcome"], v["reason"]) for v in verdicts] == [
        (task, "NOT_MEASURED", reason) for task in TASKS
    ]
    assert all(said in v["lines"][0] for v in verdicts)


def test_the_end_of_the_log_is_told_once(broken: Heard) -> None:
    failures = broken.output.partition(" FAILURES ")[2].partition("short test summary")[0]

    assert failures.count("  | torch.OutOfMemoryError") == 1
    assert failures.count("(told in full above)") == 2


def test_the_next_combination_is_measured_although_the_one_before_broke(broken: Heard) -> None:
    measured = [(run["combination"], run["task"], run["number"]) for run in broken.runs]

    assert measured == [("tiny-spawned-w8a8", task, number) for task in TASKS for number in (1, 2)]
    assert broken.code == 1


def test_a_remote_endpoint_that_goes_away_is_not_asked_on_and_on(
    weighbridge: Weighbridge, fake_engine: FakeEngine
) -> None:
    fake_engine.script.die_after = 20
    weighbridge.matrix(TASKS, {"url": fake_engine.url})

    started = time.monotonic()
    heard = weighbridge.run(*SIZE)

    assert [(v["outcome"], v["reason"]) for v in heard.verdicts] == [("NOT_MEASURED", "unreachable")] * 2
    assert "8 requests in a row failed; the last: ClientConnectorError" in heard.verdicts[0]["lines"][0]
    assert heard.code == 1
    assert time.monotonic() - started < 60


def test_a_full_disk_ends_the_session_and_what_it_holds_is_used_afterwards(
    weighbridge: Weighbridge, fake_engine: FakeEngine
) -> None:
    weighbridge.matrix(TASKS[:1], {"url": fake_engine.url})
    weighbridge.conftest(FULL_DISK)

    full = weighbridge.run(*SIZE)
    kept = journaled(weighbridge.path)
    weighbridge.conftest("")
    fake_engine.requests.clear()
    resumed = weighbridge.run(*SIZE, "--resume")

    assert full.code == 4
    assert "results/journal.sqlite: cannot be written: database or disk is full" in full.output
    assert "What it holds is safe: make room, then repeat the command with --resume" in full.output
    assert 0 < kept < 60
    assert len(questions(fake_engine)) == 60 - kept
    assert [(run["number"], len(run["items"])) for run in resumed.runs] == [(1, 30), (2, 30)]
