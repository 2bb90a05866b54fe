"""The gates of throughput and latency, red and green, on fake engines whose schedules are known."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from fake_engine import FakeEngine, Schedule, Script
from slow_proxy import SlowProxy

from conftest import Heard, Weighbridge

SOUND, SLOW, UNKNOWN, LATE, STAYING = range(8001, 8006)
"""Context lengths: they tell the combinations apart, for the matrix as for the threshold rows."""

FIRST, INTERVAL, TOKENS = 0.080, 0.004, 5
REQUESTS = 5
CHAT = {
    "arrivals": {"concurrency": 1},
    "warm_up": 0,
    "requests": REQUESTS,
    "output": {"tokens": TOKENS},
    "latencies": {"time_to_first_token": ["p50"]},
}
"""One stream, so that an engine knows from the number of requests which run it is in."""

RATE = TOKENS / (FIRST + (TOKENS - 1) * INTERVAL)
CEILINGS = {SOUND: 1.5 * FIRST, SLOW: 1.1 * FIRST, LATE: 0.9 * FIRST, STAYING: 0.9 * FIRST}
FLOORS = {SOUND: RATE / 2, SLOW: 0.92 * RATE, LATE: RATE / 9, STAYING: RATE / 9}
LATENCY, THROUGHPUT = "time_to_first_token", "output_tokens_per_second"
OPERATORS = """
def test_wrong_operators(engine, workload, load, floor, ceiling):
    loads = load(engine, workload)
    for compare in (
        lambda: loads["output_tokens_per_second"] <= floor("output_tokens_per_second", workload),
        lambda: loads["time_to_first_token.p50"] >= ceiling("time_to_first_token.p50", workload),
    ):
        try:
            compare()
        except TypeError as error:
            print("TypeError:", error)
"""


@dataclass
class Wavering(Schedule):
    """Another time to first token in every run."""

    factors: Sequence[float] = ()
    fake: FakeEngine | None = field(default=None)

    def due(self, token: int) -> float:
        assert self.fake is not None
        run = (len(self.fake.streams) - 1) // REQUESTS
        return self.first * self.factors[min(run, len(self.factors) - 1)] + token * self.interval


Weighed = tuple[Heard, Weighbridge]


@pytest.fixture(scope="module")
def steady() -> Iterator[FakeEngine]:
    """An engine that keeps its schedule."""
    with FakeEngine(Script(schedule=Schedule(FIRST, INTERVAL))) as fake:
        yield fake


@pytest.fixture(scope="module")
def weighed(checkout: Callable[[], Weighbridge], steady: FakeEngine) -> Iterator[Weighed]:
    """Five combinations, each with its own fate, weighed in one session."""
    inner = checkout()
    inner.workloads(chat=CHAT)
    with ExitStack() as stack:
        urls = dict.fromkeys((SOUND, UNKNOWN), steady.url)
        urls[SLOW] = stack.enter_context(SlowProxy(steady.url, 1.3)).url
        for limit, factors in {
            LATE: (0.5, 1.5, 1.0, 0.4),  # a mean of 1.0 after three runs and of 0.85 after the fourth
            STAYING: (0.5, 1.5, 0.7, 1.3, 1.0),
        }.items():
            schedule = Wavering(FIRST, INTERVAL, factors=factors)
            schedule.fake = stack.enter_context(FakeEngine(Script(schedule=schedule)))
            urls[limit] = schedule.fake.url
        inner.matrix([], *({"url": urls[limit], "max_model_len": limit} for limit in sorted(urls)), workloads=["chat"])
        ceilings = [
            {"metric": LATENCY, "statistic": "p50", "max_model_len": limit, "ceiling": ceiling}
            for limit, ceiling in CEILINGS.items()
        ]
        floors = [{"metric": THROUGHPUT, "max_model_len": limit, "floor": floor} for limit, floor in FLOORS.items()]
        inner.floors(speed=[*ceilings, *floors])
        (inner.path / "suites" / "test_operators.py").write_text(OPERATORS, encoding="utf-8")
        yield inner.run("--max-runs", "5", "-rA"), inner


def runs_of(heard: Heard, limit: int) -> list[int]:
    return [run["number"] for run in heard.loads if run["labels"]["max_model_len"] == limit]


def said_of(heard: Heard, limit: int, metric: str) -> list[str]:
    (verdict,) = [v for v in heard.verdicts if (v["labels"]["max_model_len"], v["metric"]) == (limit, metric)]
    lines: list[str] = verdict["lines"]
    return lines


def outcome_of(heard: Heard, limit: int, metric: str) -> str:
    return said_of(heard, limit, metric)[0].partition(": ")[2].partition(" - ")[0]


@pytest.mark.parametrize(
    ("metric", "test"),
    [(LATENCY, "test_latency_stays_below_its_ceiling"), (THROUGHPUT, "test_throughput_reaches_its_floor")],
)
def test_an_engine_that_keeps_its_schedule_passes(weighed: Weighed, metric: str, test: str) -> None:
    heard, _ = weighed

    assert outcome_of(heard, SOUND, metric) == "PASS"
    assert re.search(rf"PASSED suites/test_\w+\.py::{test}\[.*context_{SOUND}-chat", heard.output)


def test_a_slowed_engine_is_shown_above_its_ceiling_with_what_was_measured_and_required(
    weighed: Weighed,
) -> None:
    heard, _ = weighed

    title, measured, required, *_ = said_of(heard, SLOW, LATENCY)

    assert re.fullmatch(
        rf"time_to_first_token\.p50/chat of tiny-remote-unquantized-context_{SLOW}: "
        r"FAIL - \d+(\.\d)? % above its ceiling, and shown to be above",
        title,
    )
    assert re.fullmatch(
        r"measured  1\d\d(\.\d+)? ms \(95% interval \S+ ms to \S+ ms: another run of the same load; 3 runs\)", measured
    )
    assert re.fullmatch(r"required  <= 88 ms   thresholds/tiny\.yaml:\d+ \(accepted at 1 s, run earlier\)", required)
    for line in (title, measured, required):
        assert line in heard.output
    assert re.search(rf"FAILED suites/test_latency\.py::test_latency_stays_below_its_ceiling\[.*{SLOW}", heard.output)


def test_a_slowed_engine_is_shown_below_its_floor(weighed: Weighed) -> None:
    heard, _ = weighed

    title, measured, required, *_ = said_of(heard, SLOW, THROUGHPUT)

    assert "FAIL - " in title
    assert title.endswith("% below its floor, and shown to be below")
    assert re.match(r"measured  [34]\d(\.\d+)? tokens/s \(95% interval ", measured)
    assert required.startswith("required  >= 47.92 tokens/s   thresholds/tiny.yaml:")


def test_the_required_line_points_at_the_row_of_the_threshold_file(weighed: Weighed) -> None:
    heard, inner = weighed
    number = int(said_of(heard, SLOW, THROUGHPUT)[2].partition("tiny.yaml:")[2].split()[0])

    lines = (inner.path / "thresholds" / "tiny.yaml").read_text("utf-8").splitlines()[number - 1 :]

    assert lines[0] == "- workload: chat"
    assert f"  max_model_len: {SLOW}" in lines[:14]


def test_a_failure_names_the_command_that_measures_it_again(weighed: Weighed) -> None:
    assert said_of(weighed[0], SLOW, THROUGHPUT)[-1] == (
        "rerun     pytest 'suites/test_throughput.py::test_throughput_reaches_its_floor"
        f"[tiny-remote-unquantized-context_{SLOW}-chat]' --matrix matrix.yaml --thresholds thresholds --runs 3"
    )


def test_a_load_is_measured_three_times_and_once_for_all_its_tests(weighed: Weighed) -> None:
    assert runs_of(weighed[0], SOUND) == [1, 2, 3]


def test_runs_are_added_only_until_the_verdict_stands(weighed: Weighed) -> None:
    heard, _ = weighed

    assert outcome_of(heard, LATE, LATENCY) == "PASS"
    assert runs_of(heard, LATE) == [1, 2, 3, 4]


def test_an_inconclusive_latency_gets_all_runs_that_are_allowed_and_stays_red(
    weighed: Weighed,
) -> None:
    heard, _ = weighed

    title = said_of(heard, STAYING, LATENCY)[0]

    assert runs_of(heard, STAYING) == [1, 2, 3, 4, 5]
    assert re.search(
        r"INCONCLUSIVE - \S+ % above its ceiling is within the noise of 5 runs; "
        r"about \d+ runs would show it \(--max-runs \d+\)$",
        title,
    )
    assert re.search(rf"FAILED suites/test_latency\.py::\S+context_{STAYING}", heard.output)


def test_a_missing_threshold_fails_and_says_where_the_row_belongs(weighed: Weighed) -> None:
    heard, _ = weighed

    title, accept, row = said_of(heard, UNKNOWN, LATENCY)

    assert re.search(r"FAIL - it has no ceiling on remote; measured 8\d(\.\d+)? ms$", title)
    assert accept == (
        "accept it by adding to thresholds/tiny.yaml under `speed:` (or run with --record, at least 3 times):"
    )
    assert row.startswith("  - {metric: time_to_first_token, statistic: p50, workload: chat, engine: remote, ")
    assert re.search(rf'max_model_len: {UNKNOWN}, hardware: "remote", asks: "[0-9a-f]{{8}}", ceiling: 0', row)


def test_the_wrong_operator_is_an_error_that_names_the_right_one(weighed: Weighed) -> None:
    output = weighed[0].output

    assert output.count("TypeError: output_tokens_per_second is better when higher: compare it with `>=`") >= 5
    assert output.count("TypeError: time_to_first_token is better when lower: compare it with `<=`") >= 5


def test_the_ledger_has_every_run_of_a_command(weighed: Weighed) -> None:
    _, inner = weighed
    command = [sys.executable, "-m", "reports", "show", "--results", "results", "--format", "json"]
    done = subprocess.run(
        command,
        cwd=inner.path,
        env={**os.environ, **inner.environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    runs = {row["labels"]["max_model_len"]: row["run_numbers"] for row in json.loads(done.stdout)["speed"]}

    three = [1, 2, 3]
    assert runs == {SOUND: three, SLOW: three, UNKNOWN: three, LATE: [*three, 4], STAYING: [*three, 4, 5]}


def test_a_row_that_was_pasted_is_held_at_the_next_run(weighed: Weighed, steady: FakeEngine) -> None:
    heard, inner = weighed
    steady.script.schedule = Schedule(0.9 * FIRST, 0.9 * INTERVAL)  # so that a busy machine makes no difference
    rows = [said_of(heard, UNKNOWN, metric)[2] for metric in (LATENCY, THROUGHPUT)]
    text = "\n".join(["model: tiny", "speed:", *rows])
    (inner.path / "thresholds" / "tiny.yaml").write_text(f"{text}\n", encoding="utf-8")

    again = inner.run("--combination", f"*context_{UNKNOWN}", "--workloads", "chat", "-m", "latency or throughput")

    assert (again.code, [v["outcome"] for v in again.verdicts]) == (0, ["PASS", "PASS"])
    assert runs_of(again, UNKNOWN) == [4, 5, 6]
