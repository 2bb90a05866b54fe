"""The key of an endpoint is in nothing that a session leaves behind, whatever the endpoint does with it."""

import contextlib
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from fake_engine import FakeEngine, Fault, Script

from conftest import Weighbridge
from fixtures import matrix
from fixtures.engines import vllm_options
from fixtures.engines.vllm import VllmEngine
from reports.__main__ import main

KEY = "sk-very-secret-4711-abcdef"
VARIABLE = "WEIGHBRIDGE_LEAK_KEY"
TALKATIVE = [
    "-vv",
    "--showlocals",
    "--tb=long",
    "--log-level=DEBUG",
    "--override-ini=log_cli=true",
    "--junitxml=results/junit.xml",
]
FORMS = ["text", "csv", "html"]


@dataclass
class Left:
    """What sessions left: their folder, all that they printed, and the command lines that were seen meanwhile."""

    folder: Path
    printed: list[str] = field(default_factory=list)
    commands: set[str] = field(default_factory=set)


class Watch:
    """Reads the command lines of all processes, again and again."""

    def __init__(self, seen: set[str]) -> None:
        self._seen = seen
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.2):
            for process in psutil.process_iter():
                try:
                    self._seen.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue


@pytest.fixture(scope="module")
def left(checkout: Callable[[], Weighbridge]) -> Left:
    """A session whose endpoint repeats the key in answers and in errors, and one whose endpoint refuses it."""
    weighbridge = checkout()
    weighbridge.environment = {**weighbridge.environment, VARIABLE: KEY, "PYTHONASYNCIODEBUG": "1"}
    weighbridge.workloads(chat={"requests": 6, "latencies": {}})
    left = Left(weighbridge.path)
    script = Script(
        answer=lambda prompt, _: f" {KEY} #### {len(prompt)}",
        key=KEY,
        faults=[Fault(kind, every, times=2) for kind, every in (("500", 11), ("400", 13), ("html", 17), ("429", 19))],
    )
    with FakeEngine(script) as fake, Watch(left.commands):
        block = {"url": fake.url, "key_variable": VARIABLE}
        weighbridge.matrix(["embedded_gsm8k", "embedded_arc_challenge"], block, workloads=["chat"])
        words = ["-m", "accuracy or throughput", "--samples-first", "8", *TALKATIVE]
        left.printed.append(weighbridge.run(*words).output)
        script.key = f"{KEY} no more"
        left.printed.append(weighbridge.run(*words).output)
    for form in FORMS:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            main(["show", "--session", "all", "--format", form, "--results", str(left.folder / "results")])
        left.printed.append(said.getvalue())
    return left


def test_it_is_in_no_file(left: Left) -> None:
    files = [path for path in left.folder.rglob("*") if path.is_file()]

    assert {"journal.sqlite", "ledger.sqlite", "report.html", "report.json", "report.md", "junit.xml"} <= {
        path.name for path in files
    }
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_what_an_endpoint_wrote_in_its_place_is_kept(left: Left) -> None:
    journal = b"".join(path.read_bytes() for path in (left.folder / "results").glob("journal.sqlite*"))

    assert b'" *** #### ' in journal


def test_it_is_in_nothing_that_is_printed(left: Left) -> None:
    measured, refused, *shown = left.printed

    assert "HTTP 400: it went wrong; you sent Bearer ***" in measured
    assert "answered 401: wrong key: Bearer ***" in refused
    assert len(shown) == len(FORMS)
    assert [said for said in left.printed if KEY in said] == []


def test_it_is_in_the_command_line_of_no_process(left: Left) -> None:
    assert any("-m pytest" in command for command in left.commands)
    assert [command for command in left.commands if KEY in command] == []


def test_a_server_of_ours_is_told_its_key_by_no_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    file = tmp_path / "matrix.yaml"
    block = f"{{model: a, engine: vllm, key_variable: {VARIABLE}}}"
    file.write_text(
        f"models: {{a: {{weights: {{none: ./a}}}}}}\ncombinations: [{block}]\ntasks: [gsm8k]\n", encoding="utf-8"
    )
    (combination,) = matrix.load(file).combinations

    assert vllm_options.environment(combination)["VLLM_API_KEY"] == KEY
    assert KEY not in " ".join(VllmEngine(combination, tmp_path).command("./a", 1))
