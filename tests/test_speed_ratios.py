"""Gates of ratios: two combinations measured in turns, on whatever machine there is."""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fake_engine import FakeEngine, Schedule, Script
from slow_proxy import SlowProxy

from conftest import Heard, Weighbridge

BASE, SAME, SLOW = 8001, 8002, 8003
"""Context lengths, which tell the combinations apart."""

CHAT = {
    "arrivals": {"concurrency": 1},
    "warm_up": 0,
    "requests": 5,
    "output": {"tokens": 4},
    "latencies": {"time_to_first_token": ["p50"]},
}
REQUESTS = 5
LATENCY, THROUGHPUT = "time_to_first_token", "output_tokens_per_second"


def name(limit: int) -> str:
    return f"tiny-remote-unquantized-context_{limit}"


def rows(*limits: int) -> list[dict[str, object]]:
    about = [{"max_model_len": limit, "against": name(BASE)} for limit in limits]
    floors = [{"metric": THROUGHPUT, "floor": 0.75, **one} for one in about]
    return floors + [{"metric": LATENCY, "statistic": "p50", "ceiling": 1.3, **one} for one in about]


Compared = tuple[Heard, dict[int, FakeEngine]]


@pytest.fixture(scope="module")
def inner(checkout: Callable[[], Weighbridge]) -> Weighbridge:
    return checkout()


@pytest.fixture(scope="module")
def compared(inner: Weighbridge) -> Iterator[Compared]:
    """An engine beside its equal and beside one that is slower by more than a busy machine makes of it."""
    inner.workloads(chat=CHAT)
    with ExitStack() as stack:
        script = Script(schedule=Schedule(0.08, 0.004))
        fakes = {limit: stack.enter_context(FakeEngine(script)) for limit in (BASE, SAME, SLOW)}
        urls = {limit: fake.url for limit, fake in fakes.items()}
        urls[SLOW] = stack.enter_context(SlowProxy(urls[SLOW], 1.8)).url
        inner.matrix(
            [],
            *({"url": urls[limit], "max_model_len": limit} for limit in urls),
            compare=[{"combination": "*", "against": name(BASE), "workloads": ["chat"]}],
        )
        inner.floors(speed=rows(SAME, SLOW))
        yield inner.run("-rA"), fakes


def verdicts(heard: Heard, limit: int) -> dict[str, str]:
    return {v["metric"]: v["outcome"] for v in heard.verdicts if v["labels"]["max_model_len"] == limit}


def test_an_equal_engine_passes_its_ratios(compared: Compared) -> None:
    assert verdicts(compared[0], SAME) == {LATENCY: "PASS", THROUGHPUT: "PASS"}


def test_a_slower_engine_fails_its_ratios(compared: Compared) -> None:
    heard, _ = compared

    assert verdicts(heard, SLOW) == {LATENCY: "FAIL", THROUGHPUT: "FAIL"}
    assert heard.code == 1


def test_a_ratio_is_told_as_a_plain_number_with_both_names(compared: Compared) -> None:
    heard, _ = compared

    title, measured, required, *_, rerun = heard.verdict(max_model_len=SLOW, statistic="p50")["lines"]

    assert title.startswith(f"time_to_first_token.p50/chat of {name(SLOW)}")
    assert name(BASE) in title
    assert re.match(r"measured  1\.[6-9]\d* x \(95% interval 1\.\d+ x to [12]\.\d+ x: ", measured)
    assert required.startswith("required  <= 1.3 x   thresholds/tiny.yaml:")
    assert f"test_latency_holds_against_its_reference[{name(SLOW)}-against-{name(BASE)}-chat-" in rerun


def test_ratios_speak_of_no_hardware(compared: Compared) -> None:
    against = {run["labels"]["against"] for run in compared[0].loads}

    assert against == {name(BASE)}
    assert "(accepted at 1 x, run earlier)" in compared[0].output


def test_two_engines_take_turns_and_change_who_begins(compared: Compared) -> None:
    _, fakes = compared

    asked = sorted((stream.received, limit) for limit in (BASE, SAME) for stream in fakes[limit].streams)
    turns = [(limit, len(list(some))) for limit, some in itertools.groupby(who for _, who in asked)]

    assert turns[:4] == [(SAME, REQUESTS), (BASE, 2 * REQUESTS), (SAME, 2 * REQUESTS), (BASE, 2 * REQUESTS)]


def test_both_runs_of_a_turn_are_heard_with_the_name_of_the_reference(compared: Compared) -> None:
    heard, _ = compared
    runs = [(run["labels"]["max_model_len"], run["number"]) for run in heard.loads[:6]]

    assert runs == [(SAME, 1), (BASE, 1), (BASE, 2), (SAME, 2), (SAME, 3), (BASE, 3)]


def test_a_combination_is_not_compared_with_itself(compared: Compared) -> None:
    assert f"{name(BASE)}-against" not in compared[0].output


def test_the_engines_of_a_pair_start_once_for_all_their_turns_and_tests(compared: Compared) -> None:
    assert compared[0].engines == [name(limit) for limit in (SAME, BASE, SLOW)]


def test_the_tests_of_a_combination_are_together_alone_or_in_turns(inner: Weighbridge, compared: Compared) -> None:
    del compared  # which wrote the matrix
    path = inner.path / "matrix.yaml"
    path.write_text(path.read_text("utf-8") + "workloads: [chat]\n", encoding="utf-8")

    heard = inner.run("--collect-only", "-q")

    ids = [line for line in heard.output.splitlines() if line.startswith("suites/")]
    contexts = [int(line.partition("context_")[2][:4]) for line in ids]
    assert [limit for limit, _ in itertools.groupby(contexts)] == [BASE, SAME, SLOW]
