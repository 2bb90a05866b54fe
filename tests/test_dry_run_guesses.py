"""What `--dry-run` guesses of loads, from the speed that answers had, and what earlier sessions of a ledger spent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures import matrix
from fixtures.dry_run.earlier import Took
from fixtures.dry_run.guesses import HERE, Guess, Known, guesses
from fixtures.dry_run.work import Work
from fixtures.load.workload import Named, Workload
from fixtures.matrix import Combination
from reports.ledger import FILE, Ledger
from reports.spent import spent
from thresholds.speed import LoadRun

ANSWERS = Took(500.0, 100.0, 2.0, "as the matrix expects")
"""100 tokens in 8 seconds with 4 under way: 12.5 tokens a second each."""

HARDWARE = "1 x H200"


@pytest.fixture
def combination(tmp_path: Path) -> Combination:
    path = tmp_path / "m.yaml"
    path.write_text(
        "models: {tiny: {weights: {none: org/tiny}}}\ntasks: [gsm8k]\n"
        "combinations: [{model: tiny, engine: vllm, concurrency: 4}]\n",
        encoding="utf-8",
    )
    (found,) = matrix.load(path).combinations
    return found


def workload(**form: Any) -> Named:
    usual = {"prompts": {"tokens": 16}, "output": {"tokens": 50}, "arrivals": {"concurrency": 2}, "requests": 10}
    return Named("chat", Workload.model_validate({**usual, "warm_up": 0, **form}), "a test", Path())


def load_of(combination: Combination, named: Named, known: Known) -> Guess:
    (guess,) = guesses(Work(combination, loads=[(named, 3)]), {}, 2, known)
    return guess


@pytest.mark.parametrize(
    ("form", "seconds"),
    [
        ({}, 3 * 10 * 4.0 / 2),  # 50 tokens take 4 s, two at a time
        ({"arrivals": {"concurrency": 1}}, 3 * 10 * 4.0),
        ({"arrivals": {"concurrency": 10}}, 3 * 10 * 4.0 / 4),  # nobody saw more than 4 at a time
        ({"output": {"at_most": 200}}, 3 * 10 * 8.0 / 2),  # they are as long as those that were seen
        ({"warm_up": 10}, 3 * 20 * 4.0 / 2),
        ({"arrivals": {"rate": 5.0}}, 3 * 10 / 5),
    ],
)
def test_a_load_is_reckoned_from_the_speed_of_answers(
    combination: Combination, form: dict[str, Any], seconds: float
) -> None:
    assert load_of(combination, workload(**form), Known({"gsm8k": ANSWERS}, {})).seconds == pytest.approx(seconds)


def test_what_a_load_took_before_is_believed_first(combination: Combination) -> None:
    named = workload()
    known = Known({"gsm8k": ANSWERS}, {named.digest(): [1.0, 9.0, 2.0]})

    assert load_of(combination, named, known) == Guess("loads", "chat", 3 * 10 * 2.0, None, HERE)


@pytest.mark.parametrize("took", [None, Took(500.0, 1.0, 0.1, "x"), Took(500.0, 100.0, None, "x")])
def test_answers_of_a_token_or_of_unknown_time_say_nothing_of_a_load(
    combination: Combination, took: Took | None
) -> None:
    guess = load_of(combination, workload(), Known({"gsm8k": took} if took else {}, {}))

    assert (guess.seconds, guess.source) == (None, "never measured on this hardware")


def test_starts_take_the_median_of_those_before(combination: Combination) -> None:
    (guess,) = guesses(Work(combination, starts=2), {}, 2, Known({}, {"start": [30.0, 90.0, 40.0]}))

    assert guess.seconds == 80.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / FILE)
    yield ledger
    ledger.close()


def record(ledger: Ledger, session: str, rate: float, hardware: str = HARDWARE, **more: Any) -> None:
    labels = {"combination": "c", "workload": "chat", "hardware": hardware}
    run = LoadRun("c", "chat", 1, "digest", 10.0, 10, {}, {"requests_per_second": rate}, **more)
    ledger.record_load(session, run, labels)


def test_a_ledger_tells_what_was_spent_on_this_hardware(ledger: Ledger, tmp_path: Path) -> None:
    for session, seconds in (("one", 40.0), ("two", 50.0)):
        ledger.record_session({"session": session})
        ledger.record_engine(session, {"combination": "c"}, {"seconds": seconds, "hardware": HARDWARE})
        record(ledger, session, 2.0)
        record(ledger, session, 4.0)
    ledger.record_session({"session": "elsewhere"})
    ledger.record_engine("elsewhere", {"combination": "c"}, {"seconds": 1.0, "hardware": "1 x L4"})
    record(ledger, "elsewhere", 1.0, "1 x L4")
    record(ledger, "one", 100.0, invalid=("busy", "somebody else was at work"))
    record(ledger, "one", 0.0)

    assert spent(tmp_path, "c", HARDWARE) == {"start": [40.0, 50.0], "digest": [0.375, 0.375]}
    assert spent(tmp_path, "other", HARDWARE) == {}


def test_no_ledger_and_a_damaged_one_tell_nothing(tmp_path: Path) -> None:
    assert spent(tmp_path, "c", HARDWARE) == {}

    (tmp_path / FILE).write_bytes(b"no database" * 100)

    assert spent(tmp_path, "c", HARDWARE) == {}
