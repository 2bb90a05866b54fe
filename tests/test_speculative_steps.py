"""What a load says of its draft: answers by themselves, steps counted from streams, beside the server's counters."""

from dataclasses import replace

import pytest
from fake_engine import Drafts, FakeEngine, Schedule, Script
from load_servers import load, workload

from fixtures.load.outcome import Outcome
from fixtures.speculative.told import told as told_by
from thresholds.acceptance import Acceptance, acceptance_from, pooled

pytestmark = pytest.mark.timeout(60)

STEADY = Schedule(first=0.2, interval=0.02)
PATTERN = (3, 0, 2, 4)
TOLD = Drafts(4, PATTERN, told=True)


def told(fake: FakeEngine, tokens: int = 33, requests: int = 8, *, continuous: bool = True) -> Outcome:
    form = workload(streams=4, requests=requests, tokens=tokens)
    return load(fake.url, form, counting=True, continuous=continuous).outcome


def acceptance(came: Outcome) -> Acceptance:
    return acceptance_from(came.details["acceptance"])


@pytest.fixture
def drafting(fake_engine: FakeEngine) -> FakeEngine:
    fake_engine.script = Script(schedule=STEADY, drafts=Drafts(4, PATTERN))
    return fake_engine


def test_each_event_is_a_step(drafting: FakeEngine) -> None:
    """1, then 4 1 3 5 twice: 27 tokens are nine steps."""
    found = acceptance(told(drafting, tokens=27))

    assert (found.tokens, found.events) == (27 * len(drafting.requests), 9 * len(drafting.requests))
    assert found.steps.value == 26 / 8


def test_the_clients_count_is_the_servers_where_answers_end_with_a_step(drafting: FakeEngine) -> None:
    found = acceptance(told(drafting, tokens=27))

    assert found.length == 1 + sum(PATTERN) / 4
    assert found.by_position == (0.75, 0.75, 0.5, 0.25)
    assert found.difference == 0


def test_what_is_cut_off_at_the_end_of_an_answer_only_the_server_counts(drafting: FakeEngine) -> None:
    found = acceptance(told(drafting, tokens=29))

    assert found.difference is not None
    assert found.difference == pytest.approx(-2 / 21)


def test_without_usage_in_each_event_steps_are_known_all_the_same(drafting: FakeEngine) -> None:
    drafting.script.schedule = replace(STEADY, continuous=False)

    assert acceptance(told(drafting, tokens=27)).steps.value == 26 / 8


@pytest.mark.parametrize("tokens", [27, 29, 33])
def test_what_answers_say_of_themselves_is_what_the_server_counts_to_the_token(
    drafting: FakeEngine, tokens: int
) -> None:
    drafting.script.drafts = TOLD

    found = acceptance(told(drafting, tokens=tokens))

    assert found.accepted_by_client == found.accepted
    assert found.difference == 0
    assert found.answers is not None
    assert found.answers.of == found.drafts


def test_the_length_and_each_position_have_intervals_by_request_where_answers_differ(drafting: FakeEngine) -> None:
    """27 tokens take two rounds of the pattern, 18 one and the first step of another."""
    drafting.script.drafts = TOLD
    numbers = [told(drafting, tokens=tokens) for tokens in (27, 18)]

    both = pooled([acceptance(came) for came in numbers])

    assert both is not None
    assert both.length_span is not None
    assert both.length_span[0] < (both.length or 0) < both.length_span[1]
    assert [span is not None for span in both.position_spans] == [True, True, True, True]
    assert both.by_position == pytest.approx([count / (both.drafts or 1) for count in both.at])


def test_the_length_of_a_load_is_that_of_its_answers(drafting: FakeEngine) -> None:
    drafting.script.drafts = TOLD

    came = told(drafting, tokens=27)

    assert came.numbers.values["acceptance_length"] == 1 + sum(PATTERN) / 4
    assert acceptance(came).length_span is None  # every answer says the same


def test_an_answer_that_forgets_accepted_tokens_makes_a_difference_to_the_token(drafting: FakeEngine) -> None:
    drafting.script.drafts = replace(TOLD, forgotten=2)

    found = acceptance(told(drafting, tokens=27, requests=8))

    assert found.accepted_by_client is not None
    assert found.accepted is not None
    assert found.accepted - found.accepted_by_client == 2 * len(drafting.requests)


def test_answers_say_what_is_accepted_where_the_server_has_no_counters(drafting: FakeEngine) -> None:
    drafting.script.drafts = TOLD
    form = workload(streams=4, requests=8, tokens=27)

    came = load(drafting.url, form, continuous=True).outcome

    assert came.numbers.values["acceptance_length"] == 1 + sum(PATTERN) / 4
    assert came.details["drafts"] == 8 * len(drafting.requests)


def test_answers_that_say_that_nothing_was_drafted_are_heard(drafting: FakeEngine) -> None:
    drafting.script.drafts = Drafts(4, (), told=True)

    came = load(drafting.url, workload(streams=4, requests=8, tokens=9), continuous=True).outcome

    assert came.details["drafts"] == 0
    assert "acceptance" not in came.details


GOOD = {"acceptance_histogram": [1, 0, 2], "num_draft_tokens": 6, "num_spec_steps": 3}


def test_an_answer_says_how_many_drafts_had_how_many_tokens_accepted() -> None:
    found = told_by({"speculative_decoding": GOOD})

    assert found is not None
    assert (found.drafts, found.drafted, found.tokens, found.at) == (3, 6, 4, (2, 2))


@pytest.mark.parametrize(
    "metrics",
    [
        None,
        "none",
        [],
        {},
        {"speculative_decoding": None},
        {"speculative_decoding": {**GOOD, "acceptance_histogram": []}},
        {"speculative_decoding": {**GOOD, "acceptance_histogram": [1, -1]}},
        {"speculative_decoding": {**GOOD, "acceptance_histogram": [True, 2.5]}},
        {"speculative_decoding": {**GOOD, "num_draft_tokens": None}},
    ],
    ids=str,
)
def test_metrics_of_another_form_say_nothing(metrics: object) -> None:
    assert told_by(metrics) is None


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
