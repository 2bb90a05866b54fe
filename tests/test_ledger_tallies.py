from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_reports_summary import item_of

from reports.history.points import points
from reports.ledger import Ledger
from reports.ledger_records import KeptRun
from reports.ledger_shelf import Shelf
from reports.ledger_tallies import Tally, accuracy_of, packed, tally_of, unpacked
from reports.summarising import summarise, summarise_all
from thresholds.measurement import Item, NotMeasured, Run, accuracy

PRIMARY = "exact_match,flexible-extract"
LABELS = {"combination": "m", "task": "gsm8k"}
FAILED = item_of(2, 0.0, scores={}, failed="HTTP 503", prompt_tokens=None, completion_tokens=None)
ITEMS = (
    item_of(7, 1.0, unparsed=True, guess=0.25),
    item_of(4, 0.5, finish_reasons=("length",), truncated=True),
    FAILED,
)


def run_of(*items: Item, number: int = 1) -> Run:
    return Run("m", "gsm8k", number, PRIMARY, items, 3, 2.5, 1, 0, 2**33)


def test_a_tally_knows_every_number_of_the_run() -> None:
    tally = tally_of(run_of(*ITEMS))

    assert (tally.number, tally.seconds, tally.engine_memory, tally.causes) == (1, 2.5, 2**33, ["HTTP 503"])
    assert tally.items.tolist() == [7, 4, 2]
    assert tally.scored.tolist() == [1.0, 0.5]
    assert (tally.unparsed.tolist(), tally.cut_off.tolist()) == ([True, False, False], [False, True, False])
    assert (tally.truncated.tolist(), tally.failed.tolist()) == ([False, True, False], [False, False, True])
    assert tally.guesses[0] == 0.25
    assert np.isnan(tally.guesses[1:]).all()


def test_tokens_are_summed_over_answered_items_and_unknown_when_one_was_not_counted() -> None:
    counted = tally_of(run_of(*ITEMS))
    uncounted = tally_of(run_of(item_of(0, 1.0), item_of(1, 1.0, completion_tokens=None)))

    assert (counted.total(counted.prompt_tokens), counted.total(counted.completion_tokens)) == (200, 20)
    assert (uncounted.total(uncounted.prompt_tokens), uncounted.total(uncounted.completion_tokens)) == (200, None)


@pytest.mark.parametrize("items", [ITEMS, (), (FAILED,)], ids=["mixed", "none", "all failed"])
def test_a_tally_survives_being_packed(items: tuple[Item, ...]) -> None:
    tally = tally_of(run_of(*items))

    again = unpacked(*packed(tally))

    for name in Tally.__slots__:
        one, other = getattr(again, name), getattr(tally, name)
        if name == "scores":
            assert list(one) == list(other)
            assert all(np.array_equal(one[key], other[key], equal_nan=True) for key in one)
        elif isinstance(one, np.ndarray):
            assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), name
        else:
            assert one == other, name


def test_columns_that_were_cut_off_are_refused() -> None:
    head, columns = packed(tally_of(run_of(*ITEMS)))

    with pytest.raises(ValueError, match="buffer"):
        unpacked(head, columns[:-40])


def test_the_accuracy_of_tallies_is_that_of_their_runs() -> None:
    runs = [run_of(*ITEMS), run_of(*(replace(item, failed=None, scores={PRIMARY: 1.0}) for item in ITEMS), number=2)]

    measured, expected = accuracy_of([tally_of(run) for run in runs], LABELS), accuracy(runs, LABELS)

    assert (measured.samples, measured.items) == (expected.samples, expected.items)
    assert (measured.failed_requests, measured.causes) == (expected.failed_requests, expected.causes)
    assert (measured.population, measured.labels, measured.value) == (3, LABELS, expected.value)


def test_the_accuracy_of_a_run_without_an_answer_is_not_measured() -> None:
    with pytest.raises(NotMeasured, match="no samples"):
        accuracy_of([tally_of(run_of(FAILED))], LABELS)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    opened = Ledger(tmp_path / "ledger.sqlite")
    opened.record_session({"session": "s1"})
    opened.record_run("s1", run_of(*ITEMS), LABELS)
    return opened


def test_numbers_of_a_recorded_run_are_read_without_its_answers(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.ledger.run_from", lambda _: pytest.fail("the answers were read"))

    (recorded,) = ledger.runs()

    assert recorded.tally.scored.tolist() == [1.0, 0.5]
    assert (recorded.run.combination, recorded.run.seconds, recorded.run.engine_memory) == ("m", 2.5, 2**33)
    assert (recorded.run.failed_requests, recorded.run.causes) == (1, ["HTTP 503"])


@pytest.mark.parametrize("tell", [summarise, summarise_all, points])
def test_summaries_and_histories_read_no_answers(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tell: Callable[[Ledger], object]
) -> None:
    monkeypatch.setattr("reports.ledger.run_from", lambda _: pytest.fail("the answers were read"))

    assert tell(ledger)


def test_a_kept_run_equals_the_whole_one_and_can_stand_in_for_it(ledger: Ledger) -> None:
    kept, whole = ledger.runs()[0].run, run_of(*ITEMS)

    assert isinstance(kept, KeptRun)
    assert (kept == whole, whole == kept, kept == ledger.runs()[0].run) == (True, True, True)
    assert kept != run_of(*ITEMS, number=2)
    assert kept.to_dict() == whole.to_dict()
    assert replace(kept, seconds=9.0) == replace(whole, seconds=9.0)
    assert replace(kept, items=ITEMS[:1]).failed_requests == 0


def test_answers_can_be_read_after_the_ledger_was_closed(ledger: Ledger) -> None:
    (recorded,) = ledger.runs()
    ledger.close()

    assert recorded.run.items == ITEMS


def test_a_run_that_is_told_again_has_the_later_numbers_and_answers(ledger: Ledger) -> None:
    (before,) = ledger.runs()
    assert len(before.run.items) == 3

    ledger.record_run("s1", run_of(item_of(0, 1.0, answer="again")), LABELS)

    (after,) = ledger.runs()
    assert after.tally.items.tolist() == [0]
    assert after.run.items[0].answer == "again"


def test_a_shelf_keeps_what_was_taken_last_while_there_is_room() -> None:
    shelf: Shelf[str] = Shelf(room=10)
    loaded: list[int] = []

    def take(row: int, size: int) -> str:
        return shelf.take(row, lambda: (loaded.append(row) or str(row), size))

    assert [take(1, 4), take(2, 4), take(1, 4), take(3, 4), take(1, 4), take(2, 4)] == ["1", "2", "1", "3", "1", "2"]
    assert loaded == [1, 2, 3, 2]


def test_one_thing_that_is_larger_than_a_shelf_is_kept_alone() -> None:
    shelf: Shelf[str] = Shelf(room=10)
    shelf.take(1, lambda: ("one", 99))

    assert shelf.take(1, lambda: pytest.fail("loaded again")) == "one"
