"""Fixtures of the project's own tests: a fake engine on a real socket, and a small checkout that weighs it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_engine import END, FakeEngine, Script
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from fixtures.pool import Running

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[1]
REAL_KEY_VARIABLE = "WEIGHBRIDGE_REAL_KEY"

INNER_CONFTEST = """
import importlib.util
import json
from pathlib import Path

from fixtures.engines.names import ENGINES

ENGINES["spawned"] = "spawned_engine:SpawnedEngine"
pytest_plugins = [name for name in ("fixtures.plugin", "reports.plugin") if importlib.util.find_spec(name)]


def hear(kind, **what):
    with Path("heard.jsonl").open("a") as heard:
        heard.write(json.dumps({"kind": kind, **what}) + "\\n")


def pytest_weighbridge_session_started(provenance):
    hear("session", session=provenance["session"])


def pytest_weighbridge_engine_started(labels, description):
    hear("engine", combination=labels["combination"], seconds=description["seconds"])


def pytest_weighbridge_run_finished(run, labels):
    hear("run", **run.to_dict())


def pytest_weighbridge_load_finished(run, labels):
    hear("load", **run.to_dict(), labels=dict(labels))


def pytest_weighbridge_judged(verdict):
    hear("verdict", **{name: getattr(verdict, name) for name in verdict.__slots__} | {"labels": dict(verdict.labels)})
"""


THRESHOLD = {"measured": 0.9, "runs": 4, "measured_on": "a test", "run": "earlier", "because": "a test wants it"}
SPEED = {"engine": "remote", "measured": 1.0, "runs": 3, "run": "earlier", "because": "a test wants it"}
"""What a test's speed row has unless it says otherwise."""


@dataclass
class Heard:
    """What one inner pytest did: its exit code, its output, what its hooks were told, and how long it took."""

    code: int
    output: str
    told: list[dict[str, Any]]
    seconds: float = 0.0

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [row for row in self.told if row["kind"] == "run"]

    @property
    def loads(self) -> list[dict[str, Any]]:
        return [row for row in self.told if row["kind"] == "load"]

    @property
    def engines(self) -> list[str]:
        """The combinations whose engines became ready, in order."""
        return [row["combination"] for row in self.told if row["kind"] == "engine"]

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        return [row for row in self.told if row["kind"] == "verdict"]

    def verdict(self, **labels: Any) -> dict[str, Any]:
        """The one verdict on what has these labels, whatever is said of answers that were cut off."""
        told = [v for v in self.verdicts if v["metric"] != "cut_off"]
        (found,) = [v for v in told if all(v["labels"][name] == value for name, value in labels.items())]
        return found

    def scores(self) -> dict[tuple[str, int], list[dict[str, float]]]:
        """Item scores by task and run number."""
        return {(run["task"], run["number"]): [item["scores"] for item in run["items"]] for run in self.runs}


@dataclass
class Weighbridge:
    """A folder like a checkout, in which pytest weighs a fake engine."""

    path: Path
    environment: Mapping[str, str]
    _heard: int = field(default=0)
    _started: float = field(default=0.0)

    def matrix(
        self, tasks: list[str], *blocks: Mapping[str, Any], model: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        """Write matrix.yaml; a block's `url` makes it remote, and `more` are other sections."""
        tokenizer = str(self.path / "tokenizer")
        defaults = {"model": "tiny", "engine": "remote", "concurrency": 4}
        _write(
            self.path / "matrix.yaml",
            {
                "models": {"tiny": {"tokenizer": tokenizer, **(model or {})}},
                **({"tasks": tasks} if tasks else {}),
                **more,
                "combinations": [{**defaults, **block} for block in blocks],
            },
        )

    def workloads(self, **forms: Mapping[str, Any]) -> None:
        """Write workloads.yaml; what a workload does not name is filled in."""
        usual = {"prompts": {"tokens": 16}, "output": {"tokens": 8}, "arrivals": {"concurrency": 4}, "requests": 12}
        _write(self.path / "workloads.yaml", {"workloads": {name: {**usual, **form} for name, form in forms.items()}})

    def floors(self, *rows: Mapping[str, Any], speed: Sequence[Mapping[str, Any]] = ()) -> None:
        """Write thresholds/tiny.yaml; what a row does not name is filled in."""
        content: dict[str, Any] = {"model": "tiny", "accuracy": [{**r, **THRESHOLD} for r in rows]}
        if speed:
            origins = [{"measured_on": "a test"} if "against" in row else {"hardware": "remote"} for row in speed]
            content["speed"] = [
                {"workload": "chat", **SPEED, **o, **row} for o, row in zip(origins, speed, strict=True)
            ]
        _write(self.path / "thresholds" / "tiny.yaml", content)

    def conftest(self, more: str) -> None:
        """Add to the inner conftest.py."""
        (self.path / "conftest.py").write_text(INNER_CONFTEST + more, encoding="utf-8")

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start the inner pytest."""
        # Its tests come from suites/ unless the words name some; every plugin that is not ours only costs time.
        suites = [] if any(word.startswith("suites") for word in words) else ["suites"]
        self._started = time.monotonic()
        folders = ["--matrix", "matrix.yaml", "--thresholds", "thresholds", "--results", "results"]
        folders += [] if "no:reports.plugin" in words else ["--no-drawings"]  # they take seconds
        # What an outer pytest or a CI system tells its children is not for ours: with CI set, pytest says all twice.
        outer = {
            n: v for n, v in os.environ.items() if not n.startswith("PYTEST_XDIST") and n not in {"CI", "BUILD_NUMBER"}
        }
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *suites, *folders, *words],
            cwd=self.path,
            env={**outer, **self.environment},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a job in the background ignores it
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, process: "subprocess.Popen[str]", seconds: float = 120) -> Heard:
        """Wait for it, and gather what it did."""
        with process:
            try:
                output, _ = process.communicate(timeout=seconds)
            except BaseException as error:
                process.kill()
                output, _ = process.communicate()
                if isinstance(error, subprocess.TimeoutExpired):
                    pytest.fail(f"the inner pytest did not end within {seconds:.0f} s:\n{output}")
                raise
        path = self.path / "heard.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        before, self._heard = self._heard, len(lines)
        told = [json.loads(line) for line in lines[before:]]
        return Heard(process.returncode, output, told, time.monotonic() - self._started)

    def run(self, *words: str) -> Heard:
        """Run the inner pytest."""
        return self.end(self.start(*words))


@pytest.fixture(scope="session")
def tiny_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer whose ids are the bytes of the text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = _letters()
    tokenizer = Tokenizer(models.BPE(vocab={**letters, "<|end|>": END}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|end|>"}', encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def inner_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For inner runs: our modules, caches of their own that all of them share, no network, no terminal."""
    cache = tmp_path_factory.mktemp("cache")
    return {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
        "WEIGHBRIDGE_CACHE": str(cache / "weighbridge"),
        "TMPDIR": str(cache),  # its leases are not those of this machine
        "HF_HOME": str(cache / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "GITHUB_STEP_SUMMARY": "",
        "COLUMNS": "160",
    }


@pytest.fixture(scope="session")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Path, inner_environment: dict[str, str]
) -> Callable[[], Weighbridge]:
    """Makes a fresh inner checkout; a module may share one run among its tests."""

    def make() -> Weighbridge:
        folder = tmp_path_factory.mktemp("checkout")
        (folder / "suites").mkdir()
        (folder / "thresholds").mkdir()
        for suite in (ROOT / "suites").glob("test_*.py"):
            shutil.copy(suite, folder / "suites")
        shutil.copytree(tiny_tokenizer, folder / "tokenizer")
        (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", encoding="utf-8")
        made = Weighbridge(folder, inner_environment)
        made.conftest("")
        return made

    return make


@pytest.fixture(scope="session")
def solve() -> Callable[[str], str]:
    """The right answer to a prompt of embedded_gsm8k, as a model that can reckon would write it."""
    rows = (ROOT / "fixtures" / "evaluate" / "questions" / "gsm8k.jsonl").read_text(encoding="utf-8").splitlines()
    answers = {row["question"]: row["answer"].rpartition("#### ")[2] for row in map(json.loads, rows)}

    def answer(prompt: str) -> str:
        question = prompt.rpartition("Question: ")[2].removesuffix("\nAnswer:")
        return f" It is easy.\n#### {answers.get(question)}"

    return answer


@pytest.fixture
def weighbridge(checkout: Callable[[], Weighbridge]) -> Weighbridge:
    """An inner checkout for one test."""
    return checkout()


@pytest.fixture(scope="session")
def real_engine(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Running]":
    """A real vLLM that takes one request at a time, from whoever has its key: started once for all tests."""
    from tests.parity import running_engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(REAL_KEY_VARIABLE, f"sk-real-{uuid.uuid4().hex}")
        folder = tmp_path_factory.mktemp("engine")
        with running_engine(folder, 2048, batches=False, key_variable=REAL_KEY_VARIABLE) as running:
            yield running


@pytest.fixture
def fake_engine() -> Iterator[FakeEngine]:
    """A fake engine in a thread; set its `script` before asking it."""
    with FakeEngine(Script()) as fake:
        yield fake


def _letters() -> dict[str, int]:
    """The visible letter that byte-level tokenizers write for each byte (as GPT-2's bytes_to_unicode)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(content, file)
