"""How far two engines' next tokens lie apart, and when that is a warning."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.agreement import NEXT_TOKEN_DIVERGENCE, Agreement, agreement, divergence, mean_bounds
from thresholds.early_warning import Ceiling, accepted_ceiling, ceiling, near_enough
from thresholds.error_level import ErrorLevel
from thresholds.measurement import Measurement, NotMeasured
from thresholds.verdict import Verdict

LEVEL = ErrorLevel(0.05)
SIZE = 50
Top = dict[str, float]


def shares(**told: float) -> Top:
    return {token: math.log(share) for token, share in told.items()}


def whole(logits: Any) -> Any:
    """A distribution over SIZE tokens."""
    weights = np.exp(logits - np.max(logits))
    return weights / weights.sum()


def top(distribution: Any, most: int = 20) -> Top:
    order = np.argsort(-distribution)[:most]
    return {str(token): math.log(distribution[token]) for token in order}


def test_equal_distributions_are_no_distance_apart() -> None:
    assert divergence(shares(a=0.6, b=0.3), shares(a=0.6, b=0.3)) == 0.0


def test_all_other_tokens_are_one_bucket() -> None:
    apart = divergence(shares(a=0.6, b=0.3), shares(a=0.5, b=0.3))

    assert apart == pytest.approx(0.6 * math.log(0.6 / 0.5) + 0.1 * math.log(0.1 / 0.2))


def test_a_token_that_the_candidate_does_not_tell_counts_as_its_least() -> None:
    apart = divergence(shares(a=0.6, b=0.3), shares(c=0.6, a=0.2), most=2)

    assert apart == pytest.approx(0.6 * math.log(0.6 / 0.2) + 0.3 * math.log(0.3 / 0.2) + 0.1 * math.log(0.1 / 0.6))


def test_a_token_that_stands_in_the_prompt_is_none_of_the_first() -> None:
    """The engine tells of it too, however unlikely it is; it must not pass for the least of the likely."""
    told = shares(a=0.6, c=0.2, prompt=1e-6)

    assert divergence(shares(a=0.6, b=0.3), told, most=2) < 0.5


def test_what_rounds_to_nothing_is_not_infinitely_far() -> None:
    assert math.isfinite(divergence(shares(a=0.5, b=0.5), shares(a=1.0)))


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("sides", [(1, 0), (0, 1)], ids=["baseline", "candidate"])
def test_a_log_probability_that_is_no_number_is_no_distance_of_nothing(sides: tuple[int, int], number: float) -> None:
    told = [shares(a=0.6, b=0.3) | ({"b": number} if odd else {}) for odd in sides]

    with pytest.raises(NotMeasured, match="that is no number; are its weights sound") as refused:
        divergence(*told)

    assert refused.value.reason == "no_distribution"


def test_an_engine_that_tells_no_token_has_no_distribution() -> None:
    with pytest.raises(NotMeasured, match="needs `logprobs`"):
        divergence({}, shares(a=0.5))


@given(st.integers(0, 10_000), st.floats(0, 3))
def test_what_is_told_apart_never_exceeds_the_whole_distributions_by_much(seed: int, damage: float) -> None:
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 2.5, SIZE)
    p, q = whole(logits), whole(logits + draw.normal(0, damage, SIZE))

    told, true = divergence(top(p), top(q)), float((p * np.log(p / q)).sum())

    assert 0 <= told <= true + 0.05


def test_more_damage_is_further_away() -> None:
    draw = np.random.default_rng(1)
    logits, moved = draw.normal(0, 2.5, (200, SIZE)), draw.normal(0, 1, (200, SIZE))
    base = [[top(whole(one)) for one in logits]] * 2

    apart = [
        agreement([[top(whole(one + size * by)) for one, by in zip(logits, moved, strict=True)]] * 2, base)
        for size in (0.0, 0.05, 0.2, 1.0)
    ]

    assert [one.value for one in apart] == sorted(one.value for one in apart)
    assert [one.agreement for one in apart] == sorted((one.agreement for one in apart), reverse=True)
    assert apart[0].value == 0
    assert apart[0].agreement == 1


def test_other_positions_are_not_compared() -> None:
    one = [shares(a=0.5)]

    with pytest.raises(NotMeasured, match="different positions"):
        agreement([one, one], [one, one * 2])


def test_one_prompt_shows_no_spread() -> None:
    with pytest.raises(NotMeasured, match="ask at least 2"):
        agreement([[shares(a=0.5)]], [[shares(a=0.5)]])


def test_the_interval_of_a_mean_over_prompts_covers_it() -> None:
    draw = np.random.default_rng(5)
    truth = math.exp(0.5)
    covered = sum(
        low <= truth <= high
        for low, high in (mean_bounds(draw.lognormal(0, 1, 48).tolist(), 0.025, 0.975) for _ in range(200))
    )

    assert 0.88 <= covered / 200 <= 1


def apart(*prompts: float) -> Agreement:
    return Agreement(tuple((one, one) for one in prompts), tuple((True, True) for _ in prompts))


def judged(candidate: Agreement, noise: Agreement, row: Ceiling | None = None) -> Verdict:
    labels = {"combination": "m-w8a8", "task": "all tasks", "against": "m"}
    measurement = Measurement(NEXT_TOKEN_DIVERGENCE, (candidate.prompts,), labels, len(candidate.prompts))
    return near_enough(measurement, candidate, noise, ceiling(noise.value, row), LEVEL)


SILENT = apart(*[0.0] * 40)


def around(mean: float, spread: float = 0.3) -> Agreement:
    """40 prompts, half of them as much above a mean as the others are below."""
    return apart(*(mean * (1 + spread * (-1) ** number) for number in range(40)))


def test_a_quant_below_the_ceiling_passes_and_one_shown_above_fails() -> None:
    assert judged(around(0.03), SILENT).outcome == "PASS"
    assert judged(around(0.3), SILENT).outcome == "FAIL"


def test_a_quant_above_the_ceiling_within_the_noise_of_the_prompts_is_inconclusive() -> None:
    told = judged(around(0.102), SILENT)

    assert (told.outcome, told.reason) == ("INCONCLUSIVE", "too_little_evidence")
    assert "ask more (--samples, --tasks)" in told.lines[0]


def test_a_row_moves_the_ceiling() -> None:
    told = judged(around(0.3), SILENT, Ceiling(0.5, "thresholds/m.yaml:7"))

    assert (told.outcome, told.required, told.where) == ("PASS", 0.5, "thresholds/m.yaml:7")


def test_the_ceiling_is_ten_times_the_noise_where_that_is_more() -> None:
    noisy = around(0.03)

    assert ceiling(noisy.value).value == pytest.approx(0.3)
    assert judged(around(0.2), noisy).outcome == "PASS"
    assert judged(around(0.2), SILENT).outcome == "FAIL"


def test_what_lies_no_further_than_a_second_run_is_said_to_be_noise() -> None:
    told = judged(around(0.02), apart(*reversed(around(0.02).prompts)))

    assert not told.details["beyond_noise"]
    assert told.lines[0].endswith("no further than a second run of its baseline")
    assert judged(around(0.02), SILENT).details["beyond_noise"]


def test_an_accepted_ceiling_leaves_room_for_other_prompts() -> None:
    draw = np.random.default_rng(3)
    sessions = draw.lognormal(-2, 0.5, (400, 2, 48))

    above = sum(after.mean() > accepted_ceiling(apart(*before)) for before, after in sessions)

    assert above <= 0.015 * len(sessions)


def test_an_accepted_ceiling_is_rounded_up_to_two_digits() -> None:
    assert accepted_ceiling(apart(*[0.1501] * 40)) == 0.16
    assert accepted_ceiling(apart(*[0.00231] * 40)) == 0.0024


def test_the_verdict_holds_what_ranks_quants() -> None:
    told = judged(around(0.03), SILENT)

    assert told.details["by_prompt"] == list(around(0.03).prompts)
    assert (told.details["positions"], told.details["prompts"]) == (80, 40)
