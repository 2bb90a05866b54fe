"""Upgrade gates of speed: a candidate beside a baseline of the same session, or beside a recorded one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fake_engine import FakeEngine, Schedule, Script
from slow_proxy import SlowProxy

from conftest import Heard, Weighbridge

BASE, SAME, SLOW = 8001, 8002, 8003
"""Context lengths, which tell the combinations apart."""

LATENCY, THROUGHPUT = "time_to_first_token", "output_tokens_per_second"
CHAT = {
    "arrivals": {"concurrency": 1},
    "warm_up": 0,
    "requests": 5,
    "output": {"tokens": 4},
    "latencies": {LATENCY: ["p50"]},
}
ONLY_SPEED = ("-m", "upgrade", "-k", "throughput or latency", "--slower", "15")
Blocks = dict[int, dict[str, Any]]


@pytest.fixture(scope="module")
def blocks() -> Iterator[Blocks]:
    """An engine, its equal, and one that is a third slower."""
    with ExitStack() as stack:
        script = Script(schedule=Schedule(0.08, 0.004))
        urls = {limit: stack.enter_context(FakeEngine(script)).url for limit in (BASE, SAME, SLOW)}
        urls[SLOW] = stack.enter_context(SlowProxy(urls[SLOW], 1.3)).url
        yield {limit: {"url": url, "max_model_len": limit} for limit, url in urls.items()}


def name(limit: int) -> str:
    return f"tiny-remote-unquantized-context_{limit}"


def weigh(inner: Weighbridge, blocks: Blocks, *limits: int) -> None:
    inner.workloads(chat=CHAT)
    inner.matrix([], *(blocks[limit] for limit in limits), workloads=["chat"])
    inner.floors()


def outcomes(heard: Heard, limit: int) -> dict[str, str]:
    upgrades = [v for v in heard.verdicts if v["labels"].get("against")]
    return {v["metric"]: v["outcome"] for v in upgrades if v["labels"]["max_model_len"] == limit}


@pytest.fixture(scope="module")
def in_turns(checkout: Callable[[], Weighbridge], blocks: Blocks) -> tuple[Heard, Weighbridge]:
    inner = checkout()
    weigh(inner, blocks, BASE, SAME, SLOW)
    return inner.run(*ONLY_SPEED, "--against", name(BASE), "-rA"), inner


@pytest.fixture(scope="module")
def recorded(checkout: Callable[[], Weighbridge], blocks: Blocks) -> tuple[Heard, Weighbridge]:
    inner = checkout()
    weigh(inner, blocks, BASE)
    inner.run("-m", "throughput or latency")
    weigh(inner, blocks, SAME, SLOW)
    return inner.run(*ONLY_SPEED, "--baseline", "results", "-rA"), inner


@pytest.mark.parametrize("how", ["in_turns", "recorded"])
def test_an_equal_engine_passes_and_a_slower_one_fails(how: str, request: pytest.FixtureRequest) -> None:
    heard, _ = request.getfixturevalue(how)

    assert outcomes(heard, SAME) == {LATENCY: "PASS", THROUGHPUT: "PASS"}
    assert outcomes(heard, SLOW) == {LATENCY: "FAIL", THROUGHPUT: "FAIL"}


def test_a_recorded_baseline_is_not_put_under_load_again(recorded: tuple[Heard, Weighbridge]) -> None:
    assert {run["combination"] for run in recorded[0].loads} == {name(SAME), name(SLOW)}


def test_the_bound_is_the_share_that_was_given(in_turns: tuple[Heard, Weighbridge]) -> None:
    required = {v["metric"]: v["required"] for v in in_turns[0].verdicts}

    assert required == {LATENCY: 1.15, THROUGHPUT: 0.85}
    assert "required  >= 0.85 x   --slower 15" in in_turns[0].output


@pytest.mark.parametrize("how", ["in_turns", "recorded"])
def test_the_report_has_a_line_for_each(how: str, request: pytest.FixtureRequest) -> None:
    _, inner = request.getfixturevalue(how)

    report = (inner.path / "results" / "report.md").read_text(encoding="utf-8")

    assert "Upgrade" in report
    assert report.count("output tokens/s, chat") == 2


def test_a_baseline_that_was_never_put_under_this_load_is_not_measured(
    checkout: Callable[[], Weighbridge], blocks: Blocks
) -> None:
    inner = checkout()
    weigh(inner, blocks, BASE)
    inner.run("-m", "throughput")
    weigh(inner, blocks, SAME)
    inner.workloads(chat={**CHAT, "requests": 6})

    heard = inner.run(*ONLY_SPEED, "--baseline", "results")

    assert {v["reason"] for v in heard.verdicts} == {"baseline_without_load"}
    assert "measure both with --against instead" in heard.output
