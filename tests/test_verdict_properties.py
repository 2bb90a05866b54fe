"""Whatever is measured, a verdict is one of four, consistent with its numbers, and never an exception."""

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from thresholds import lengths, spending, upgrade
from thresholds.catalogue import Threshold
from thresholds.error_level import ErrorLevel
from thresholds.measurement import ACCURACY, Item, Measurement, NotMeasured, Run, accuracy
from thresholds.speed import SPEED
from thresholds.upgrade import Margin, Pair
from thresholds.verdict import Outcome, judge, not_measured

quick = settings(deadline=None, max_examples=100, database=None)
LABELS = {"combination": "c", "task": "t", "model": "m", "against": "b"}
shares = st.floats(0, 1, allow_nan=False)
levels = st.builds(
    ErrorLevel, st.floats(0.001, 0.4), st.integers(1, 500), st.integers(1, 10), repeat=st.integers(0, 20)
)


def threshold(value: float, must: str) -> Threshold:
    return Threshold(ACCURACY, value, must, "here:1", {"measured": value, "run": "earlier"})


@st.composite
def scores(draw: st.DrawFn, items: int | None = None) -> tuple[tuple[float, ...], ...]:
    """Runs of the same items: 0, 1, or anything between."""
    count = items or draw(st.integers(1, 40))
    one = st.one_of(st.sampled_from([0.0, 1.0]), shares)
    run = st.lists(one, min_size=count, max_size=count).map(tuple)
    return tuple(draw(st.lists(run, min_size=1, max_size=4)))


def measured(samples: Sequence[Sequence[float]], labels: Mapping[str, object] = LABELS) -> Measurement:
    runs = tuple(tuple(run) for run in samples)
    return Measurement(ACCURACY, runs, labels, len(runs[0]), items=tuple(range(len(runs[0]))))


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    count = draw(st.integers(1, 40))
    return upgrade.paired(measured(draw(scores(count))), measured(draw(scores(count))))


@quick
@given(scores(), shares, st.sampled_from(["hold", "show"]), levels)
def test_a_floor_gives_a_verdict_that_agrees_with_the_score(
    samples: Sequence[Sequence[float]], floor: float, must: str, level: ErrorLevel
) -> None:
    score = measured(samples)

    verdict = judge(score, threshold(floor, must), level)

    assert verdict.outcome in {Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE}
    assert verdict.outcome is not Outcome.PASS or score.value >= floor
    assert verdict.outcome is not Outcome.FAIL or score.value < floor
    assert verdict.low is not None
    assert verdict.high is not None
    assert 0 <= verdict.low <= verdict.high <= 1


@quick
@given(scores(), shares, levels)
def test_a_floor_that_must_be_shown_passes_no_oftener(
    samples: Sequence[Sequence[float]], floor: float, level: ErrorLevel
) -> None:
    held, shown = (judge(measured(samples), threshold(floor, must), level) for must in ("hold", "show"))

    assert bool(held) >= bool(shown)


@quick
@given(scores(), shares, levels)
def test_more_gates_never_turn_a_verdict_into_a_failure(
    samples: Sequence[Sequence[float]], floor: float, level: ErrorLevel
) -> None:
    alone = judge(measured(samples), threshold(floor, "hold"), ErrorLevel(level.family))
    among_many = judge(measured(samples), threshold(floor, "hold"), ErrorLevel(level.family, 100))

    assert alone.outcome is Outcome.FAIL or among_many.outcome is not Outcome.FAIL


@quick
@given(pairs(), st.floats(0.001, 0.99), levels)
def test_an_upgrade_gives_a_verdict_that_agrees_with_the_difference(
    pair: Pair, share: float, level: ErrorLevel
) -> None:
    verdict = upgrade.no_worse(pair, Margin(share, "--margin"), level)

    assert verdict.measured is not None
    assert verdict.outcome is not Outcome.PASS or verdict.measured >= -share
    assert verdict.outcome is not Outcome.FAIL or verdict.measured < -share
    assert 0 <= verdict.details["p_value"] <= 1
    assert verdict.details["worse"] + verdict.details["better"] == len(verdict.details["flips"])


@quick
@given(st.lists(pairs(), min_size=1, max_size=4), st.floats(0.001, 0.99), levels)
def test_all_tasks_together_give_a_verdict(several: list[Pair], share: float, level: ErrorLevel) -> None:
    candidate = measured([[0.5]], {**LABELS, "task": upgrade.ALL_TASKS})

    verdict = upgrade.no_worse_over_all(candidate, several, Margin(share, "--margin"), level)

    assert verdict.outcome in {Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE}
    assert verdict.details["questions"] == sum(len(pair.candidate.items) for pair in several)


@quick
@given(scores(), shares, levels, st.integers(0, 1000))
def test_a_part_of_the_questions_gives_a_verdict(
    samples: Sequence[Sequence[float]], floor: float, level: ErrorLevel, more: int
) -> None:
    score = measured(samples[:1])

    verdict = spending.floor_reached(score, threshold(floor, "hold"), level, len(score.items) + more)

    assert verdict.outcome in {Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE}
    assert verdict.low is not None
    assert verdict.high is not None
    assert 0 <= verdict.low <= verdict.high <= 1


@quick
@given(pairs(), st.floats(0.001, 0.99), levels, st.integers(0, 1000))
def test_a_part_of_the_questions_of_an_upgrade_gives_a_verdict(
    pair: Pair, share: float, level: ErrorLevel, more: int
) -> None:
    verdict = spending.no_worse(pair, Margin(share, "--margin"), level, len(pair.candidate.items) + more)

    assert verdict.details["asked"] == len(pair.candidate.items) + more


@st.composite
def answered(draw: st.DrawFn, count: int) -> Measurement:
    """Answers with token counts, or without."""
    tokens = st.one_of(st.none(), st.integers(0, 5000))
    items = tuple(
        Item(i, {"exact_match,x": 1.0}, "", "", False, ("stop",), 10, draw(tokens), 0.1) for i in range(count)
    )
    return accuracy([Run("c", "t", 1, "exact_match,x", items, count, 1.0)], LABELS)


@quick
@given(st.data(), st.floats(0.001, 0.99), levels)
def test_lengths_give_a_verdict_or_say_that_there_are_none(
    data: st.DataObject, share: float, level: ErrorLevel
) -> None:
    count = data.draw(st.integers(1, 20))
    pair = upgrade.paired(data.draw(answered(count)), data.draw(answered(count)))

    try:
        verdict = lengths.no_longer(pair.candidate, [pair], Margin(share, "--longer"), level)
    except NotMeasured as error:
        verdict = not_measured("output_tokens", LABELS, error.reason, str(error))

    assert verdict.measured is not None or verdict.reason == "no_lengths"
    assert (verdict.outcome is Outcome.PASS) == (verdict.measured is not None and verdict.measured <= 1 + share)


@quick
@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=8), st.floats(0.001, 1e6), levels)
def test_a_speed_gives_a_verdict_that_agrees_with_the_mean(
    values: list[float], bound: float, level: ErrorLevel
) -> None:
    metric = SPEED["output_tokens_per_second"]
    speed = Measurement(metric, tuple((one,) for one in values), {**LABELS, "workload": "w"}, 1)
    row = {"measured": bound, "run": "earlier"}

    verdict = judge(speed, Threshold(metric, bound, "hold", "here:1", row), level)

    assert verdict.outcome is not Outcome.PASS or speed.value >= bound
    assert verdict.outcome is not Outcome.FAIL or speed.value < bound
    assert len(values) >= 3 or verdict.reason == "too_few_runs"


@quick
@given(levels)
def test_an_error_level_is_never_more_than_that_of_its_family(level: ErrorLevel) -> None:
    assert 0 < level.alpha <= level.family
    assert str(level.gates) in level.told or level.gates == 1


def test_repeated_sessions_spend_no_more_than_the_family_has() -> None:
    spent = sum(ErrorLevel(repeat=k).alpha for k in range(1, 10_000))

    assert 0.0499 < spent <= 0.05
