import time
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reports_summary import Told, item_of

from reports.answers.scores import task_score
from reports.answers.ties import Contender, paired, places
from reports.ledger import RecordedRun
from reports.summarising import summarise
from thresholds.measurement import Run
from thresholds.statistics.pairs import difference


@pytest.fixture
def told() -> Told:
    return Told()


def test_combinations_that_differ_by_chance_are_ties_that_know_each_other(told: Told) -> None:
    told.scores("none", 1, 1.0, 1.0, 0.0)
    told.scores("int4", 1, 0.0, 1.0, 0.0)

    rows = told.rows()
    assert (rows["none"].rank, rows["none"].rank_best, rows["none"].rank_worst) == (1, 1, 2)
    assert (rows["none"].ties, rows["int4"].ties) == (("m-vllm-int4",), ("m-vllm-none",))
    assert rows["none"].paired


def test_pairing_tells_apart_what_their_own_errors_would_not(told: Told) -> None:
    hard = [0.0] * 100 + [1.0] * 100
    told.scores("none", 1, *hard)
    told.scores("int4", 1, *hard[:-12], *[0.0] * 12)

    rows = told.rows()
    assert (rows["none"].rank_worst, rows["int4"].rank_best) == (1, 2)
    overlap = rows["int4"].tasks["gsm8k"].high, rows["none"].tasks["gsm8k"].low
    assert overlap[0] is not None
    assert overlap[1] is not None
    assert overlap[0] > overlap[1]


def test_those_that_were_asked_other_questions_are_compared_by_their_own_errors(told: Told) -> None:
    told.scores("none", 1, *[1.0] * 50)
    told.scores("fp8", 1, *[1.0] * 49, 0.0)
    told.run("int4", 1, [item_of(i, 0.0) for i in range(100, 150)])

    rows = told.rows()
    assert (rows["none"].ties, rows["int4"].ties) == (("m-vllm-fp8",), ())
    assert rows["int4"].paired is False


def test_one_that_stopped_early_is_paired_over_what_it_was_asked(told: Told) -> None:
    told.scores("none", 1, *[1.0] * 50)
    told.scores("int4", 1, *[0.0] * 20)

    rows = told.rows()
    assert (rows["none"].rank_worst, rows["int4"].rank_best) == (1, 2)
    assert rows["int4"].paired


def test_one_that_lacks_a_task_is_not_compared(told: Told) -> None:
    told.scores("none", 1, 1.0, 0.0)
    told.scores("none", 1, 1.0, 0.0, task="arc")
    told.scores("int4", 1, 1.0, 1.0)

    assert [(row.rank, row.rank_best, row.ties) for row in summarise(told.ledger).rows] == [
        (1, None, ()),
        (2, None, ()),
    ]


def test_a_single_question_cannot_tell_anything_apart(told: Told) -> None:
    told.scores("none", 1, 1.0)
    told.run("int4", 1, [item_of(7, 0.0)])

    assert told.rows()["none"].ties == ("m-vllm-int4",)


@settings(deadline=None, max_examples=100, database=None)
@given(
    scores=st.integers(2, 5).flatmap(
        lambda n: st.lists(
            st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=n, max_size=n), min_size=2, max_size=4
        )
    )
)
def test_every_pair_is_compared_as_by_the_paired_difference_over_its_shared_questions(
    scores: list[list[float | None]],
) -> None:
    differences, errors, shared = paired(np.array(scores, dtype=np.float64))

    for i, one in enumerate(scores):
        for j, other in enumerate(scores):
            both = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
            assert shared[i, j] == len(both)
            if both:
                found = difference([[a for a, _ in both]], [[b for _, b in both]])
                assert (differences[i, j], errors[i, j]) == pytest.approx((found.value, found.error), abs=1e-9)


def test_a_hundred_combinations_on_six_tasks_are_ranked_within_a_second() -> None:
    draw = np.random.default_rng(0)
    run = RecordedRun("s1", {}, Run("c", "t", 1, "exact_match,flexible-extract", (item_of(0, 1.0),), 1, 1.0))
    score = replace(task_score("t", [run], 0, []), question_error=0.01)
    contenders = []
    for number in range(100):
        answers = {f"t{task}": dict(enumerate(draw.integers(0, 2, 1319).astype(float).tolist())) for task in range(6)}
        scores = {task: replace(score, mean=fmean(one.values())) for task, one in answers.items()}
        contenders.append(Contender(f"c{number}", fmean(one.mean or 0 for one in scores.values()), scores, answers))

    seconds = []
    for _ in range(3):  # other work on a machine only adds to a time
        started = time.process_time()
        assert len(places(contenders)) == 100
        seconds.append(time.process_time() - started)

    assert min(seconds) < 1
