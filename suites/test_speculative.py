"""Draft gates: a draft makes its target faster, is accepted as before, and changes no answer.

Does not cover: how good the answers are (test_accuracy.py), how much room a draft takes.
"""

import pytest

pytestmark = [pytest.mark.speculative, pytest.mark.usefixtures("drafting")]


def test_answers_are_no_worse_with_the_draft(undrafted, engine, task, evaluate, floor):
    score = evaluate(engine, task)

    assert score.failed_requests == 0
    assert score >= floor("accuracy", task, undrafted)


def test_answers_are_no_worse_with_the_draft_over_all_tasks(undrafted, engine, evaluate_all, floor):
    scores = evaluate_all(engine)

    assert scores.failed_requests == 0
    assert scores >= floor("accuracy", "all tasks", undrafted)


def test_the_draft_makes_it_faster(undrafted, engine, workload, load_beside, floor):
    loads = load_beside(engine, undrafted, workload)

    assert loads.failed_requests == 0
    assert loads["output_tokens_per_second"] >= floor("output_tokens_per_second", workload, undrafted.combination)


def test_drafted_tokens_are_accepted_as_before(engine, workload, acceptance, accepted_before):
    length = acceptance(engine, workload)

    assert length.failed_requests == 0
    assert length >= accepted_before(workload)


def test_the_draft_changes_no_answer(undrafted, engine, task, defects, no_defect):
    assert defects(engine, undrafted, task) <= no_defect(task)
