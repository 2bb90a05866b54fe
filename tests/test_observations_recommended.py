"""What each combination is recommended for, and on which numbers that rests."""

import pytest
from test_observations import Campaign, kinds, of_kind, said

GIB = 2**30


@pytest.fixture
def campaign() -> Campaign:
    return Campaign()


def test_the_most_accurate_the_fastest_and_one_between_have_each_a_use(campaign: Campaign) -> None:
    for model, right, speed in (("a", 300, 10.0), ("b", 250, 20.0), ("c", 100, 40.0)):
        campaign.asked(model, right, right, speed=speed)

    first, second, third = (one.text for one in of_kind(campaign.summary(), "recommended"))
    assert first.startswith("Use a unquantized where answers count most: 75.0, 12.5 points (95% interval +9.")
    assert second.startswith("Use b unquantized as a middle way: 2.00 times the speed (19.7 against 9.9 tokens/s")
    assert third.startswith("Use c unquantized where speed counts most: 4.00 times the speed")


def test_a_speed_that_is_not_told_apart_is_no_use(campaign: Campaign) -> None:
    for model, right, speed in (("a", 300, 10.0), ("b", 200, 10.3)):
        campaign.asked(model, right, right, speed=speed)

    summary = campaign.summary()
    assert [one.about for one in of_kind(summary, "recommended")] == [("a-vllm-none-none",)]
    assert said(summary, "no_use_shown").startswith("These numbers show no use for b unquantized")


def test_one_that_others_beat_in_everything_has_no_use_that_is_shown(campaign: Campaign) -> None:
    campaign.asked("good", 300, speed=20.0)
    campaign.asked("poor", 200)

    summary = campaign.summary()
    assert said(summary, "no_use_shown").startswith("These numbers show no use for poor unquantized: others score")
    assert len(of_kind(summary, "recommended")) == 1


def test_one_that_may_be_as_good_is_not_said_to_be_worse(campaign: Campaign) -> None:
    campaign.asked("good", 300, speed=20.0)
    campaign.asked("near", 299)

    told = said(campaign.summary(), "no_use_shown")
    assert told.startswith("near unquantized is not told apart from good unquantized in accuracy")


def test_one_that_is_shown_to_be_best_on_a_task_is_for_that_task(campaign: Campaign) -> None:
    for task, rights in {"gsm8k": (390, 100), "arc": (200, 300)}.items():
        for model, right, speed in zip(("good", "poor"), rights, (20.0, 10.0), strict=True):
            campaign.asked(model, right, task=task, speed=speed)

    assert "Use poor unquantized for arc alone: 75.0, 25.0 points (95% interval +20." in said(
        campaign.summary(), "recommended"
    )


def test_a_lead_on_a_task_that_noise_may_explain_is_no_use(campaign: Campaign) -> None:
    for task, rights in {"gsm8k": (390, 100), "arc": (200, 201)}.items():
        for model, right, speed in zip(("good", "poor"), rights, (20.0, 10.0), strict=True):
            campaign.asked(model, right, task=task, speed=speed)

    assert "for arc alone" not in said(campaign.summary(), "recommended")


def test_a_quant_that_is_not_told_apart_is_for_little_memory(campaign: Campaign) -> None:
    campaign.asked("m", 300, speed=20.0, memory=16 * GIB)
    campaign.asked("m", 299, memory=5 * GIB, labels={"quantization": "int4"})
    campaign.asked("m", 100, memory=2 * GIB, labels={"quantization": "int2"})

    told = said(campaign.summary(), "recommended")
    assert "Use m int4 where memory is short: 5.0 GiB, 0.2 points (95% interval" in told
    assert "m int2" not in told


def test_without_a_choice_nothing_is_recommended(campaign: Campaign) -> None:
    campaign.asked("only", 300)

    assert "recommended" not in kinds(campaign.summary())


def test_equal_scores_are_called_equal(campaign: Campaign) -> None:
    campaign.asked("one", 200, speed=20.0)
    campaign.asked("two", 200, speed=10.0)

    assert "Use one unquantized where answers count most: 50.0, as two unquantized" in said(
        campaign.summary(), "recommended"
    )
