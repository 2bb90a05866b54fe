"""What an engine's own counters say, as they stand on its page of metrics."""

import pytest
from fake_engine import FakeEngine
from fake_script import Drafts, Script

from fixtures.engines.counters import ACCEPTED, ACCEPTED_AT, DRAFTED, DRAFTS, at, by_position, parsed, prove_drafting
from fixtures.protocols import Endpoint, EngineFailed

PAGE = """\
# HELP vllm:spec_decode_num_drafts_total Number of spec decoding drafts.
# TYPE vllm:spec_decode_num_drafts_total counter
vllm:spec_decode_num_drafts_total{engine="0",model_name="tiny"} 100.0
vllm:spec_decode_num_draft_tokens_total{engine="0",model_name="tiny"} 300.0
vllm:spec_decode_num_accepted_tokens_total{engine="0",model_name="tiny"} 1.05e+02
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="tiny",position="0"} 60.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="tiny",position="1"} 30.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="tiny",position="10"} 15.0
vllm:spec_decode_num_accepted_tokens_per_pos_created{engine="0",model_name="tiny",position="0"} 1.7e+09
"""


def test_counters_are_summed_over_their_labels() -> None:
    found = parsed(PAGE)

    assert (found[DRAFTS], found[DRAFTED], found[ACCEPTED]) == (100, 300, 105)
    assert found[ACCEPTED_AT] == 105


def test_accepted_tokens_are_told_by_position_in_the_order_of_the_draft() -> None:
    assert list(by_position(parsed(PAGE)).items()) == [(0, 60), (1, 30), (10, 15)]


def test_positions_are_summed_over_the_engines_of_one_server() -> None:
    second = PAGE.replace('engine="0"', 'engine="1"')

    assert by_position(parsed(PAGE + second)) == {0: 120, 1: 60, 10: 30}


def test_how_far_counters_moved_keeps_its_positions() -> None:
    moved = {name: 2 * value for name, value in parsed(PAGE).items()}

    assert by_position(moved)[1] == 60
    assert moved[at(ACCEPTED_AT, 1)] == 60


def test_an_engine_that_does_not_draft_has_no_positions() -> None:
    assert by_position(parsed('vllm:generation_tokens_total{engine="0"} 5.0\n')) == {}


def test_a_brace_in_a_label_does_not_hide_a_sample() -> None:
    assert parsed('up{model_name="a } \\" b"} 3.0\n')["up"] == 3


@pytest.mark.parametrize("engine", ["exllamav2", "sglang", "some_other"])
def test_a_counter_has_one_name_whichever_engine_counts(engine: str) -> None:
    assert parsed(PAGE.replace("vllm:", f"{engine}:")) == parsed(PAGE)


def test_an_engine_proves_that_it_drafts_by_its_own_counters() -> None:
    with FakeEngine(Script(drafts=Drafts(accepted=(2,)))) as fake:
        prove_drafting(Endpoint(fake.url, "tiny"))


def test_a_draft_that_proposes_nothing_is_no_draft() -> None:
    with (
        FakeEngine(Script(drafts=Drafts(accepted=()))) as fake,
        pytest.raises(EngineFailed, match="no drafted token") as caught,
    ):
        prove_drafting(Endpoint(fake.url, "tiny"))

    assert caught.value.reason == "not_drafting"
