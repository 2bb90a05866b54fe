"""pytest-benchmark beside the gates: it saves what the loads measured, compares it, and keeps quiet unless asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fake_engine import FakeEngine, Fault, Schedule, Script
from slow_proxy import SlowProxy

from conftest import Heard, Weighbridge

CHAT = {
    "arrivals": {"concurrency": 2},
    "requests": 6,
    "output": {"tokens": 4},
    "latencies": {"time_to_first_token": ["p50"], "inter_token_latency": ["p50"]},
}
GENEROUS = [
    {"metric": "time_to_first_token", "statistic": "p50", "ceiling": 9},
    {"metric": "inter_token_latency", "statistic": "p50", "ceiling": 9},
    {"metric": "output_tokens_per_second", "floor": 0.1},
]
STORE = "--benchmark-storage=history"
TITLE = "tiny-remote-unquantized-chat"
THROUGHPUT = f"test_throughput_reaches_its_floor[{TITLE}]"
FIRST_TOKEN = f"test_latency_stays_below_its_ceiling[{TITLE}-time_to_first_token.p50]"
BETWEEN_TOKENS = f"test_latency_stays_below_its_ceiling[{TITLE}-inter_token_latency.p50]"


@dataclass
class History:
    """Sessions of one combination, and what pytest-benchmark saved of the first two."""

    inner: Weighbridge
    heard: dict[str, Heard]

    def saved(self, number: int) -> dict[str, Any]:
        (path,) = (self.inner.path / "history").glob(f"*/{number:04d}_*.json")
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def benchmarks(self) -> dict[str, dict[str, Any]]:
        """Of the first session, by the name of the test."""
        return {one["name"]: one for one in self.saved(1)["benchmarks"]}


@pytest.fixture(scope="module")
def history(checkout: Callable[[], Weighbridge]) -> Iterator[History]:
    """Saved, held against itself, and held against a slowdown."""
    inner = checkout()
    inner.workloads(chat=CHAT)
    inner.floors(speed=GENEROUS)
    compared = ("--benchmark-compare=0001", "--benchmark-compare-fail=median:10%")
    heard = {}
    with FakeEngine(Script(schedule=Schedule(0.08, 0.004))) as fake, SlowProxy(fake.url, 1.3) as slow:
        inner.matrix([], {"url": fake.url}, workloads=["chat"])
        heard["saved"] = inner.run("-p", "benchmark", "--benchmark-autosave", STORE)
        fake.script.schedule = Schedule(0.076, 0.0038)  # so that a busy machine makes no difference
        heard["same"] = inner.run("-p", "benchmark", "--benchmark-autosave", STORE, *compared)
        inner.matrix([], {"url": slow.url}, workloads=["chat"])
        fake.script.schedule = Schedule(0.08, 0.004)
        heard["slowed"] = inner.run("-p", "benchmark", STORE, *compared)
        yield History(inner, heard)


def test_every_test_of_speed_is_saved(history: History) -> None:
    assert history.heard["saved"].code == 0
    assert set(history.benchmarks()) == {THROUGHPUT, FIRST_TOKEN, BETWEEN_TOKENS}


def test_the_machine_is_told_with_its_engines(history: History) -> None:
    machine = history.saved(1)["machine_info"]

    assert machine["hardware"].split(" x ")[0].isdigit()
    assert machine["engines"] == {"tiny-remote-unquantized": "remote"}


def test_benchmarks_are_grouped_by_workload_and_latency(history: History) -> None:
    assert {name: one["group"] for name, one in history.benchmarks().items()} == {
        THROUGHPUT: "chat",
        FIRST_TOKEN: "chat time_to_first_token.p50",
        BETWEEN_TOKENS: "chat inter_token_latency.p50",
    }


def test_a_benchmark_carries_the_labels_of_what_was_measured(history: History) -> None:
    labels = history.benchmarks()[FIRST_TOKEN]["extra_info"]

    assert {name: labels[name] for name in ("combination", "workload", "hardware", "against", "metric")} == {
        "combination": "tiny-remote-unquantized",
        "workload": "chat",
        "hardware": "remote",
        "against": None,
        "metric": "time_to_first_token",
    }


@pytest.mark.parametrize(
    ("test", "rounds"),
    [(THROUGHPUT, 6 * 3), (FIRST_TOKEN, 6 * 3), (BETWEEN_TOKENS, 3 * 6 * 3)],
    ids=["requests", "first tokens", "gaps between tokens"],
)
def test_a_round_is_one_latency_of_one_run(history: History, test: str, rounds: int) -> None:
    assert history.benchmarks()[test]["stats"]["rounds"] == rounds


def test_its_mean_is_that_of_the_load(history: History) -> None:
    runs = history.heard["saved"].loads
    measured = [run["values"]["time_to_first_token.mean"] for run in runs]

    stats = history.benchmarks()[FIRST_TOKEN]["stats"]

    assert stats["mean"] == pytest.approx(sum(measured) / len(measured))
    assert 0.08 <= stats["min"] <= stats["median"] <= stats["max"]


def test_a_test_of_throughput_saves_whole_requests(history: History) -> None:
    runs = history.heard["saved"].loads

    stats = history.benchmarks()[THROUGHPUT]["stats"]

    assert stats["mean"] == pytest.approx(sum(run["values"]["request_latency.mean"] for run in runs) / len(runs))


def test_an_engine_that_is_no_slower_passes_the_comparison(history: History) -> None:
    assert history.heard["same"].code == 0
    assert "Performance has regressed" not in history.heard["same"].output


def test_a_slowed_engine_fails_the_comparison_though_its_gates_pass(history: History) -> None:
    heard = history.heard["slowed"]

    assert {verdict["outcome"] for verdict in heard.verdicts} == {"PASS"}
    assert heard.code == 1
    assert "Performance has regressed" in heard.output


def test_the_history_of_a_combination_is_printed_by_its_own_command(history: History) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "--storage", "history", "compare", "0001", "0002"],
        cwd=history.inner.path,
        env={**os.environ, **history.inner.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "benchmark 'chat': 2 tests" in done.stdout
    assert done.stdout.count(f"{THROUGHPUT} (0001") == 1
    assert done.stdout.count(f"{THROUGHPUT} (0002") == 1


@pytest.fixture(scope="module")
def quiet(checkout: Callable[[], Weighbridge]) -> Iterator[dict[str, Heard]]:
    """A sound engine and a failing one, with pytest-benchmark but none of its options, and with it disabled."""
    inner = checkout()
    inner.workloads(chat=CHAT)
    inner.floors(speed=GENEROUS)
    (inner.path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    script = Script(schedule=Schedule(0.06, 0.002))
    failing = Script(schedule=Schedule(0.06, 0.002), faults=[Fault("500", where=lambda a: "stream" in a.payload)])
    with FakeEngine(script) as fake, FakeEngine(failing) as broken:
        inner.matrix([], {"url": fake.url}, {"url": broken.url, "max_model_len": 8001}, workloads=["chat"])
        heard = {"not asked": inner.run("-p", "benchmark")}
        sound = ("-p", "benchmark", "--combination", "tiny-remote-unquantized")
        heard["disabled"] = inner.run(*sound, "--benchmark-disable")
        heard["left out"] = inner.run(*sound, "--benchmark-skip")
        heard["nothing else"] = inner.run(*sound, "--benchmark-only")
        yield heard


def test_without_its_options_its_table_is_not_printed(quiet: dict[str, Heard]) -> None:
    heard = quiet["not asked"]

    assert {v["outcome"] for v in heard.verdicts if v["labels"]["max_model_len"] is None} == {"PASS"}
    assert "Rounds" not in heard.output
    assert "benchmark 'chat" not in heard.output


def test_a_load_that_fails_says_nothing_of_benchmarks(quiet: dict[str, Heard]) -> None:
    output = quiet["not asked"].output

    assert "NOT_MEASURED (no_answers)" in output
    assert "3 failed, 3 passed" in output
    assert "Benchmark fixture was not used" not in output
    assert "Warning" not in output


def test_disabled_benchmarks_leave_the_gates_alone(quiet: dict[str, Heard]) -> None:
    heard = quiet["disabled"]

    assert (heard.code, {verdict["outcome"] for verdict in heard.verdicts}) == (0, {"PASS"})


def test_leaving_benchmarks_out_leaves_no_gate_out(quiet: dict[str, Heard]) -> None:
    heard = quiet["left out"]

    assert (heard.code, {verdict["outcome"] for verdict in heard.verdicts}) == (0, {"PASS"})
    assert "skipped" not in heard.output


def test_asking_for_benchmarks_alone_is_refused_because_it_would_skip_gates(quiet: dict[str, Heard]) -> None:
    heard = quiet["nothing else"]

    assert heard.code == 4
    assert "--benchmark-only would skip gates; choose them with -m 'throughput or latency'" in heard.output
