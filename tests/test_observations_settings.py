"""What one setting changed, in words: a draft, a quantization, a limit."""

import pytest
from test_observations import Campaign, kinds, of_kind, said

from reports.answers.changes import bits

GIB = 2**30


@pytest.fixture
def campaign() -> Campaign:
    return Campaign()


def test_a_draft_changes_the_speed_and_no_answers(campaign: Campaign) -> None:
    campaign.asked("m", 300, 302, 301, speed=10.0)
    campaign.asked("m", 301, 300, 302, speed=17.0, labels={"draft": "tiny"})

    summary = campaign.summary()
    (found,) = of_kind(summary, "draft")
    assert found.text.startswith(
        "A draft changed the speed of answering to 1.70 times (m); no change of answers is shown (the largest"
    )
    assert "not told apart" in found.text
    assert found.numbers["ratios"] == [pytest.approx(1.7)]
    assert "noise until shown" not in found.text
    assert "draft_changed_answers" not in kinds(summary)


def test_a_speed_that_noise_may_explain_is_no_change_that_a_draft_made(campaign: Campaign) -> None:
    campaign.asked("m", 300, 302, 301, speed=10.0)
    campaign.asked("m", 301, 300, 302, speed=9.9, labels={"draft": "tiny"})

    assert said(campaign.summary(), "draft").startswith(
        "With a draft the speed of answering was 0.99 times (m; not told apart); no change of answers is shown"
    )


def test_a_draft_that_seems_to_improve_answers_is_called_noise(campaign: Campaign) -> None:
    campaign.asked("m", 300)
    campaign.asked("m", 303, speed=17.0, labels={"draft": "tiny"})

    assert "A higher score with a draft is noise until shown" in said(campaign.summary(), "draft")


@pytest.mark.parametrize("right", [200, 390])
def test_a_draft_that_is_shown_to_change_answers_comes_before_everything(campaign: Campaign, right: int) -> None:
    campaign.asked("m", 300, 300)
    campaign.asked("m", right, right, labels={"draft": "tiny"})

    first = campaign.summary().observations[0]
    assert first.kind == "draft_changed_answers"
    assert first.text.startswith("Suspicious: with the draft tiny, m scores ")
    assert "A draft must not change answers" in first.text


def test_a_draft_that_broke_the_answers_is_not_said_to_have_changed_none(campaign: Campaign) -> None:
    campaign.asked("m", 300, 300)
    campaign.asked("m", 200, 200, labels={"draft": "tiny"})

    assert "no change of answers is shown in 0 of 1 comparisons" in said(campaign.summary(), "draft")


def test_several_drafts_are_told_one_by_one_and_summed_up_by_the_fastest(campaign: Campaign) -> None:
    campaign.asked("m", 300, 300, speed=10.0)
    for draft, speed in (("tiny", 15.0), ("small", 18.0)):
        campaign.asked("m", 300, 300, speed=speed, labels={"draft": draft})

    summary = campaign.summary()
    assert "to 1.80 times (m), each with its fastest draft" in said(summary, "draft")
    assert len(of_kind(summary, "each_draft")) == 2
    assert "m with the draft tiny: 1.50 times the speed of answering (95% interval 1.4" in said(summary, "each_draft")


def test_without_a_draft_nothing_is_said_of_drafts(campaign: Campaign) -> None:
    campaign.asked("m", 300)
    campaign.asked("other", 200)

    assert {"draft", "each_draft"} & set(kinds(campaign.summary())) == set()


def test_a_quant_costs_points_and_gains_speed_and_memory(campaign: Campaign) -> None:
    campaign.asked("m", 300, 300, 300, speed=10.0, memory=16 * GIB)
    campaign.asked("m", 260, 260, 260, speed=18.0, memory=5 * GIB, labels={"quantization": "int4"})

    told = said(campaign.summary(), "quantization")
    assert told.startswith("m: int4 instead of unquantized costs 10.0 points (change: 95% interval -13.")
    assert "at 1.80 times the speed of answering (95% interval 1.7" in told
    assert told.endswith("in 5.0 instead of 16.0 GiB.")


def test_the_cost_of_a_quant_is_paired_question_by_question(campaign: Campaign) -> None:
    campaign.asked("m", 200, of=400)
    campaign.asked("m", 188, of=400, labels={"quantization": "int4"})

    (change,) = campaign.summary().changes
    assert change.paired
    assert change.told_apart == "yes"  # twelve flips, all down; by their own errors they would be noise


def test_a_quant_whose_cost_noise_may_explain_has_none_that_is_shown(campaign: Campaign) -> None:
    campaign.asked("m", 300)
    campaign.asked("m", 299, labels={"quantization": "int8"})

    told = said(campaign.summary(), "quantization")
    assert "has no cost that is shown: -0.2 points (95% interval" in told
    assert "not told apart" in told


def test_quants_are_held_against_the_one_with_the_most_bits(campaign: Campaign) -> None:
    for name, right in (("3.0bpw", 200), ("8.0bpw", 300), ("4.25bpw", 290)):
        campaign.asked("m", right, labels={"quantization": name})

    assert [(one.before, one.after) for one in campaign.summary().changes] == [
        ("8.0bpw", "4.25bpw"),
        ("8.0bpw", "3.0bpw"),
    ]


def test_two_that_differ_in_more_than_one_setting_show_what_no_setting_changed(campaign: Campaign) -> None:
    campaign.asked("m", 300)
    campaign.asked("m", 200, labels={"quantization": "int4", "draft": "tiny"})

    assert campaign.summary().changes == ()


def test_models_are_no_setting(campaign: Campaign) -> None:
    campaign.asked("one", 300)
    campaign.asked("two", 200)

    assert campaign.summary().changes == ()


def test_more_room_for_tokens_is_told_with_its_interval(campaign: Campaign) -> None:
    campaign.asked("m", 260, 260, labels={"max_tokens": 2048})
    campaign.asked("m", 300, 300, labels={"max_tokens": 16384})

    told = said(campaign.summary(), "max_tokens")
    assert told.startswith("m: max_tokens 16384 instead of 2048 changed the score by +10.0 points (95% interval +7.")


def test_any_other_label_is_a_setting_too(campaign: Campaign) -> None:
    campaign.asked("m", 300, labels={"kv_cache": "auto"})
    campaign.asked("m", 299, labels={"kv_cache": "fp8"})

    assert said(campaign.summary(), "kv_cache").startswith("m: kv_cache fp8 instead of auto changed the score by -0.2")


def test_speeds_on_other_hardware_are_not_compared(campaign: Campaign) -> None:
    campaign.asked("m", 300, labels={"hardware": "one"})
    campaign.asked("m", 300, labels={"hardware": "other", "quantization": "int4"})

    changes = campaign.summary().changes
    assert [one.speed for one in changes] == [None] * len(changes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", 16),
        ("bf16", 16),
        ("8.0bpw", 8),
        ("4.25bpw", 4.25),
        ("w8a8", 8),
        ("w4a16", 4),
        ("int4", 4),
        ("fp8", 8),
        ("FP8", 8),
        ("q4_k_m", 4),
        ("awq", 4),
        ("surprising", None),
    ],
)
def test_the_bits_of_a_weight_are_read_off_the_name_of_a_quantization(name: str, expected: float | None) -> None:
    assert bits(name) == expected
