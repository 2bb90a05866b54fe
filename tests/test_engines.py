"""Engines as processes: started, watched, explained when they fail, and gone on every way out."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from fixtures.engines.openai_api import call
from fixtures.engines.process import ServerProcess, answers, end_orphans, free_port
from fixtures.engines.supervisor import MARK, marked
from fixtures.protocols import Endpoint, EngineFailed

FAKE = str(Path(__file__).with_name("fake_engine.py"))

OWNER = """
    import sys, time
    from pathlib import Path
    from fixtures.engines.process import ServerProcess
    server = ServerProcess(sys.argv[2:], {}, Path(sys.argv[1]))
    server.start()
    server.wait_until(lambda: "serving" in server.text(), 20)
    print(server.mark, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start a command as an engine process, which ends with the test."""
    started: list[ServerProcess] = []

    def start(*command: str) -> ServerProcess:
        server = ServerProcess(command, {}, tmp_path / "engine.log")
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def port() -> int:
    return free_port()


def fake_command(port: int, *flags: str) -> list[str]:
    return [sys.executable, FAKE, "--port", str(port), *flags]


def ready_at(server: ServerProcess, port: int) -> None:
    server.wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), 20)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_a_server_becomes_ready_and_leaves_no_process_when_it_is_stopped(
    launch: Callable[..., ServerProcess], port: int
) -> None:
    server = launch(*fake_command(port))
    ready_at(server, port)
    assert len(marked(server.mark)) == 1
    assert (server.memory() or 0) > 1_000_000

    server.stop()

    assert marked(server.mark) == []
    assert not server.alive()
    assert server.memory() is None
    server.stop()  # twice is safe


def test_a_grandchild_that_left_the_process_group_is_ended_too(launch: Callable[..., ServerProcess], port: int) -> None:
    server = launch(*fake_command(port, "--daughter"))
    ready_at(server, port)
    assert len({os.getpgid(process.pid) for process in marked(server.mark)}) == 2

    server.stop()

    assert marked(server.mark) == []


def test_a_server_that_ignores_the_request_to_end_is_killed(
    launch: Callable[..., ServerProcess], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixtures.engines.process.GRACE_SECONDS", 0.2)
    monkeypatch.setattr("fixtures.engines.supervisor.end.__defaults__", (0.2,))
    server = launch(*fake_command(port, "--stubborn"))
    ready_at(server, port)

    server.stop()

    assert marked(server.mark) == []


@pytest.mark.parametrize(
    ("command", "reason", "said"),
    [
        (["--port", "1", "--no-such-flag"], "unknown_flag", "unrecognized arguments: --no-such-flag"),
        (["--port", "TAKEN"], "port_taken", "Address already in use"),
        (["-m", "nothing_of_this_name"], "missing_package", "No module named nothing_of_this_name"),
        (["-c", "raise MemoryError('no room for weights')"], "out_of_memory", "MemoryError: no room for weights"),
        (["-c", "import os; print('loading'); os.kill(os.getpid(), 9)"], "killed", "exit code 137: by SIGKILL"),
        (["-c", "raise KeyError('weights')"], "crashed", "KeyError: 'weights'"),
    ],
    ids=["unknown flag", "port taken", "missing module", "out of memory", "killed", "any error"],
)
def test_a_server_that_ends_at_once_is_explained_within_seconds(
    launch: Callable[..., ServerProcess], port: int, command: list[str], reason: str, said: str
) -> None:
    if "TAKEN" in command:
        ready_at(launch(*fake_command(port)), port)
        command = ["--port", str(port)]
    words = [sys.executable, *([FAKE] if command[0] == "--port" else []), *command]
    started = time.monotonic()
    server = launch(*words)

    with pytest.raises(EngineFailed) as caught:
        server.wait_until(lambda: False, 60)

    first, where, *tail = str(caught.value).splitlines()
    assert time.monotonic() - started < 15
    assert caught.value.reason == reason
    assert first.startswith("it ended while starting, exit code ")
    assert said in first
    assert where == f"log       {server.log}"
    assert tail
    assert all(line.startswith("  | ") for line in tail)


def test_a_command_that_does_not_exist_is_explained(launch: Callable[..., ServerProcess]) -> None:
    with pytest.raises(EngineFailed, match="/no/such/program"):
        launch("/no/such/program").wait_until(lambda: False, 10)


def test_a_server_that_is_not_ready_in_time_fails_with_the_end_of_its_log(
    launch: Callable[..., ServerProcess],
) -> None:
    server = launch(sys.executable, "-uc", "import time; print('still loading weights'); time.sleep(60)")
    wait_for(lambda: "still loading" in server.text())

    with pytest.raises(EngineFailed, match=r"not ready after 1 s \(startup_seconds in the matrix\)") as caught:
        server.wait_until(lambda: False, 1)

    assert caught.value.reason == "start_deadline"
    assert "  | still loading weights" in str(caught.value)


def test_a_server_that_dies_later_tells_why(launch: Callable[..., ServerProcess], port: int) -> None:
    server = launch(*fake_command(port, "--die-after", "1"))
    ready_at(server, port)
    with pytest.raises(EngineFailed, match="did not answer"):
        call(Endpoint(f"http://127.0.0.1:{port}/v1", "tiny"), "completions", {"prompt": "x"})
    assert wait_for(lambda: not server.alive())

    failure = server.failure("it ended while it was measured")

    assert failure.reason == "out_of_memory"
    assert str(failure).splitlines()[0] == (
        "it ended while it was measured, exit code 1: "
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    )


@pytest.fixture
def owner(tmp_path: Path, port: int) -> Iterator[tuple[psutil.Process, str]]:
    """Another process that owns an engine with a daughter; its pid and the engine's mark."""
    words = [sys.executable, "-c", textwrap.dedent(OWNER), str(tmp_path / "log"), *fake_command(port, "--daughter")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}) as own:
        assert own.stdout is not None
        mark = own.stdout.readline().strip()
        assert len(marked(mark)) == 2
        yield psutil.Process(own.pid), mark
        own.kill()
    for process in marked(mark):
        process.kill()


def test_the_supervisor_ends_everything_when_its_owner_was_killed(owner: tuple[psutil.Process, str]) -> None:
    process, mark = owner

    process.send_signal(signal.SIGKILL)

    assert wait_for(lambda: not marked(mark))


def test_what_is_left_when_owner_and_supervisor_were_killed_ends_at_the_next_start(
    owner: tuple[psutil.Process, str],
) -> None:
    process, mark = owner
    (supervisor,) = [child for child in process.children() if "fixtures.engines.supervisor" in child.cmdline()]
    left = {leftover.pid for leftover in marked(mark)}
    supervisor.kill()
    process.kill()
    process.wait(5)
    assert {leftover.pid for leftover in marked(mark)} == left

    ended = end_orphans()

    assert left <= set(ended)
    assert marked(mark) == []


def test_a_process_that_lost_its_mark_is_known_by_the_session_of_one_that_kept_it(tmp_path: Path) -> None:
    """As vLLM's, which rename themselves and write over their environment."""
    words = [
        sys.executable,
        "-c",
        textwrap.dedent(OWNER),
        str(tmp_path / "log"),
        *fake_command(free_port(), "--renamed"),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}) as own:
        assert own.stdout is not None
        mark = own.stdout.readline().strip()
        (server,) = marked(mark)
        assert wait_for(server.children)
        (renamed,) = server.children()
        (supervisor,) = psutil.Process(own.pid).children()
        supervisor.kill()
        own.kill()

    ended = end_orphans()

    assert {server.pid, renamed.pid} <= set(ended)
    assert not renamed.is_running()


def test_engines_of_a_living_session_are_no_orphans(owner: tuple[psutil.Process, str]) -> None:
    _, mark = owner
    before = {process.pid for process in marked(mark)}

    assert not before & set(end_orphans())

    assert {process.pid for process in marked(mark)} == before


def test_a_mark_of_another_make_is_left_alone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env={**os.environ, MARK: "not ours"}
    ) as process:
        assert process.pid not in end_orphans()
        assert process.poll() is None
        process.kill()
