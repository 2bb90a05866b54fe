"""What a load says of its draft: steps counted from streams, beside the server's counters."""

from dataclasses import replace

import pytest
from fake_engine import Drafts, FakeEngine, Schedule, Script
from load_servers import load, workload

from fixtures.load.outcome import Outcome
from thresholds.acceptance import Acceptance, acceptance_from

pytestmark = pytest.mark.timeout(60)

STEADY = Schedule(first=0.2, interval=0.02)
PATTERN = (3, 0, 2, 4)


def told(fake: FakeEngine, tokens: int = 33, requests: int = 8, *, continuous: bool = True) -> Outcome:
    form = workload(streams=4, requests=requests, tokens=tokens)
    return load(fake.url, form, counting=True, continuous=continuous).outcome


def acceptance(came: Outcome) -> Acceptance:
    return acceptance_from(came.details["acceptance"])


@pytest.fixture
def drafting(fake_engine: FakeEngine) -> FakeEngine:
    fake_engine.script = Script(schedule=STEADY, drafts=Drafts(4, PATTERN))
    return fake_engine


def test_each_event_is_a_step_and_its_tokens_say_what_was_accepted(drafting: FakeEngine) -> None:
    """1, then 4 1 3 5 again and again: 33 tokens are ten steps and the last token of an eleventh."""
    found = acceptance(told(drafting, tokens=27))

    assert (found.tokens, found.events) == (27 * len(drafting.requests), 9 * len(drafting.requests))
    assert found.steps.value == 26 / 8
    assert [one.value for one in found.positions] == [0.75, 0.75, 0.5, 0.25]


def test_the_clients_count_is_the_servers_where_answers_end_with_a_step(drafting: FakeEngine) -> None:
    found = acceptance(told(drafting, tokens=27))

    assert found.length == 1 + sum(PATTERN) / 4
    assert found.by_position == (0.75, 0.75, 0.5, 0.25)
    assert found.difference == 0


def test_what_is_cut_off_at_the_end_of_an_answer_only_the_server_counts(drafting: FakeEngine) -> None:
    found = acceptance(told(drafting, tokens=29))

    assert found.difference is not None
    assert found.difference == pytest.approx(-2 / 21)


def test_without_usage_in_each_event_steps_are_known_and_positions_are_not(drafting: FakeEngine) -> None:
    drafting.script.schedule = replace(STEADY, continuous=False)

    found = acceptance(told(drafting, tokens=27))

    assert found.steps.value == 26 / 8
    assert found.positions == ()


def test_output_tokens_per_second_is_that_of_usage_at_several_tokens_a_chunk(drafting: FakeEngine) -> None:
    came = told(drafting, tokens=201, requests=8)
    writes = [write for stream in drafting.streams for write in stream.writes]
    begin = min(stream.received for stream in drafting.streams)
    end = begin + came.seconds
    arrived = sum(tokens for at, tokens in writes if at <= end)

    assert came.details["tokens_per_chunk"] == pytest.approx(13 / 4, rel=0.03)
    assert came.numbers.values["output_tokens_per_second"] == pytest.approx(arrived / came.seconds, rel=0.01)


def test_a_load_without_a_draft_tells_nothing_of_acceptance(fake_engine: FakeEngine) -> None:
    fake_engine.script = Script(schedule=STEADY, drafts=Drafts(4, ()))

    came = told(fake_engine, tokens=9)

    assert "acceptance" not in came.details
    assert came.details["drafts"] == 0
    assert "acceptance_length" not in came.numbers.values
