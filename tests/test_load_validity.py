"""When the numbers of a load may be used at all."""

from dataclasses import replace
from typing import Any

import pytest
from fake_engine import FakeEngine, Fault, Schedule, Script
from load_servers import event, load, workload

from fixtures.load.connection import Trace
from fixtures.load.outcome import Outcome, outcome
from fixtures.load.run import Driven, Plan
from fixtures.load.workload import Prompts, Workload

pytestmark = pytest.mark.timeout(30)

STEADY = Schedule(first=0.1, interval=0.005)
"""Slow enough that a busy machine keeps up."""


def told(fake: FakeEngine, form: Workload | None = None, **more: Any) -> Outcome:
    return load(fake.url, form or workload(streams=8, requests=8), counting=True, **more).outcome


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize(
    "form", [{}, {"per_chunk": 3}, {"pings": True}, {"crlf": True}, {"continuous": False}], ids=str
)
def test_a_load_is_valid_and_counts_as_the_server_does(
    fake_engine: FakeEngine, form: dict[str, Any], *, chat: bool
) -> None:
    fake_engine.script.schedule = replace(STEADY, **form)

    came = told(fake_engine, workload(streams=8, requests=8, tokens=6), chat=chat, continuous=True)

    assert (came.invalid, came.failures) == (None, {})
    assert came.details["client_tokens"] == came.details["server_tokens"] == 6 * len(fake_engine.requests)
    assert (came.details["output_tokens"], came.details["prompt_tokens"]) == (6 * 8, 8 * 8)
    assert came.numbers.values["time_to_first_token.mean"] >= 0.1


def test_a_load_of_an_open_loop_is_valid_too(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = STEADY

    assert told(fake_engine, workload(rate=40, requests=20)).invalid is None


def test_acceptance_length_comes_from_the_counters_of_the_server(fake_engine: FakeEngine) -> None:
    """Every request of the fake engine counts as one draft, of which three tokens were accepted."""
    fake_engine.script.schedule = STEADY

    assert told(fake_engine).numbers.values["acceptance_length"] == 4


def test_prefix_cache_and_preemptions_are_told_as_the_server_counts_them(fake_engine: FakeEngine) -> None:
    fake_engine.script = Script(schedule=STEADY, cached=0.5, preemptions=0)

    details = told(fake_engine).details

    assert (details["prefix_cache_hits"], details["preemptions"]) == (0.5, 0)


def test_answers_shorter_than_asked_make_a_load_invalid(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = replace(STEADY, early_stop=2)

    invalid = told(fake_engine).invalid

    assert invalid is not None
    assert invalid[0] == "wrong_length"
    assert invalid[1] == (
        "8 of 8 answers are not 4 tokens long but 2.0 on average; the endpoint does not honour ignore_eos "
        "(use `output: {at_most: 4}`)"
    )


def test_answers_of_natural_length_may_be_short(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = replace(STEADY, early_stop=2)

    assert told(fake_engine, workload(streams=8, requests=8, at_most=True)).invalid is None


@pytest.mark.parametrize(
    ("factor", "reason"), [(1.005, None), (0.995, None), (1.05, "tokens_differ"), (0.9, "tokens_differ")]
)
def test_a_server_that_counts_other_tokens_makes_a_load_invalid(
    fake_engine: FakeEngine, factor: float, reason: str | None
) -> None:
    fake_engine.script = Script(schedule=STEADY, counter_error=factor)

    invalid = told(fake_engine, workload(streams=8, requests=8)).invalid

    assert (invalid and invalid[0]) == reason
    assert invalid is None or "the answers hold" in invalid[1]


def test_without_counters_or_usage_there_is_nothing_to_compare(fake_engine: FakeEngine) -> None:
    fake_engine.script.schedule = replace(STEADY, usage=False)

    came = told(fake_engine, workload(streams=8, requests=8))

    assert came.invalid is None
    assert (came.details["client_tokens"], came.details["tokens_per_chunk"]) == (None, None)
    assert "output_tokens_per_second" not in came.numbers.values


def test_failures_are_told_before_anything_else_that_may_be_wrong(fake_engine: FakeEngine) -> None:
    fake_engine.script = Script(schedule=STEADY, counter_error=2, faults=[Fault("500", every=3)])

    came = told(fake_engine)

    assert came.invalid is None
    assert came.failures["http_500"] >= 2


FIRST = event(usage={"completion_tokens": 1})
SECOND = event(finish="length", usage={"completion_tokens": 2})


def by_hand(
    streams: int = 2, late: float = 0.0, pulse: float = 0.0, gap: float = 0.0, rate: float | None = None
) -> tuple[str, str] | None:
    """Why a load is invalid: two requests after two others, each with a token after 0.5 s and another after 1 s.

    Args:
        late: Seconds from when a request was due to its sending.
        gap: Seconds without any request.
    """
    form = workload(tokens=2, streams=None if rate else streams, rate=rate, requests=4)
    traces = []
    for position in range(4):
        due = 10 + (position // 2) * (1 + late + gap)
        sent = due + late
        trace = Trace(position, due, sent, sent + 1, [(sent + 0.5, FIRST), (sent + 1, SECOND)], 200)
        trace.content_type, trace.scheduled = b"text/event-stream", rate is not None
        traces.append(trace)
    plan = Plan("completions", lambda _: b"", form.arrivals, 0, 4, 5.0)
    return outcome(Driven(traces, [pulse], 0.0, 0, gave_up=False), plan, form, {}).invalid


def test_a_client_that_keeps_up_makes_a_valid_load() -> None:
    assert by_hand() is None
    assert by_hand(late=0.0009) is None
    assert by_hand(rate=2.0) is None


@pytest.mark.parametrize("how", [{"late": 0.06, "rate": 2.0}, {"late": 0.06}, {"pulse": 0.06}], ids=str)
def test_a_client_that_is_late_makes_a_load_invalid(how: dict[str, float]) -> None:
    invalid = by_hand(**how)

    assert invalid is not None
    assert invalid[0] == "client_too_slow"
    assert invalid[1].startswith("the client was 60.0 ms late on average")
    assert invalid[1].endswith("lower the load, or give the client a processor of its own")


@pytest.mark.parametrize(("streams", "gap"), [(3, 0.0), (2, 0.3)], ids=["too few", "with gaps"])
def test_streams_that_were_not_under_way_make_a_load_invalid(streams: int, gap: float) -> None:
    invalid = by_hand(streams=streams, gap=gap)

    assert invalid is not None
    assert invalid[0] == "streams_not_reached"
    assert f"{streams} requests at once were asked for" in invalid[1]


def test_an_open_loop_promises_no_number_of_streams() -> None:
    assert by_hand(rate=2.0, gap=0.5) is None


def test_prompts_that_should_be_new_but_come_from_a_cache_make_a_load_invalid(fake_engine: FakeEngine) -> None:
    fake_engine.script = Script(schedule=STEADY, cached=0.5)

    invalid = told(fake_engine).invalid

    assert invalid is not None
    assert invalid == (
        "prefix_cache_helped",
        (
            "50% of the prompt tokens came from the server's prefix cache, though every prompt should be new; "
            "give --seed another value, or restart the server"
        ),
    )


def test_a_shared_prefix_may_come_from_a_cache(fake_engine: FakeEngine) -> None:
    fake_engine.script = Script(schedule=STEADY, cached=0.5)
    form = workload(streams=8, requests=8, prompts=Prompts(tokens=8, shared_prefix=4))

    assert told(fake_engine, form).invalid is None
