"""Greedy answers of two engines compared: where they end, what is not told, and which engines run."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from fake_engine import FakeEngine, Fault, Script

from fixtures.evaluate.sample import Choice
from fixtures.protocols import Endpoint, EngineFailed
from fixtures.speculative.divergences import Divergences
from thresholds.divergence import END, Compared
from thresholds.measurement import NotMeasured

ANSWER = "it will be"


class Pool:
    """Two fake engines, one of which runs at a time, or both."""

    def __init__(self, **fakes: FakeEngine) -> None:
        self.fakes = fakes
        self.running: set[str] = set()
        self.started: list[str] = []

    def get(self, combination: Any, beside: Any = None) -> Any:
        self.running &= {combination.id, beside.id if beside else combination.id}
        if combination.id not in self.running:
            self.started.append(combination.id)
            self.running.add(combination.id)
        return SimpleNamespace(
            combination=combination,
            endpoint=Endpoint(self.fakes[combination.id].url, "tiny"),
            engine=SimpleNamespace(failure=lambda: None),
            context=8192,
            tokens=None,
            is_remote=True,
        )

    def hardware(self, combination: Any) -> str | None:
        return "here" if combination.id in self.running else None

    def failed(self, combination: Any, failure: EngineFailed) -> None:
        del combination, failure


def combination(name: str) -> Any:
    return SimpleNamespace(id=name, max_tokens=None, settings=SimpleNamespace(concurrency=4, request_seconds=10))


TARGET, DRAFTED = combination("target"), combination("drafted")


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Compared, Pool]]]:
    """Compares a target that gives ANSWER with a draft that is scripted, on four questions of each task."""
    questions = [(item, f"question {item}: ") for item in range(4)]
    monkeypatch.setattr(Divergences, "_questions", lambda _self, task: [(i, f"{task} {text}") for i, text in questions])
    with ExitStack() as stack:

        def run(draft: Script, target: Script | None = None, running: tuple[str, ...] = ()) -> tuple[Compared, Pool]:
            known = target or Script(answer=lambda _prompt, _payload: ANSWER, rivals=lambda _before: {"X": -0.2})
            pool = Pool(target=stack.enter_context(FakeEngine(known)), drafted=stack.enter_context(FakeEngine(draft)))
            pool.running |= set(running)
            made = Divergences(pool, None, Choice(), lambda _line: None)  # type: ignore[arg-type]
            made.compare(DRAFTED, TARGET, "two", ["one", "two"])
            return made.compare(DRAFTED, TARGET, "one", ["one", "two"]), pool

        yield run


def says(answer: str, **more: Any) -> Script:
    return Script(answer=lambda prompt, _payload: answer if "question 2" in prompt else ANSWER, **more)


Compare = Callable[..., tuple[Compared, Pool]]


def test_the_same_answers_differ_nowhere(compare: Compare) -> None:
    compared, _ = compare(says(ANSWER))

    assert (compared.items, compared.differences, compared.failed_requests) == ((0, 1, 2, 3), (), 0)


def test_the_first_token_that_differs_is_told_with_what_comes_before(compare: Compare) -> None:
    (found,) = compare(says("it wXll be"))[0].differences

    assert (found.item, found.position, found.target, found.drafted) == (2, 4, "i", "X")
    assert found.before.endswith("question 2: it w")
    assert found.margin == pytest.approx(0.1)


@pytest.mark.parametrize(("again", "kind"), [(-0.4, "near-tie"), (-0.9, "defect")])
def test_what_would_be_a_defect_is_asked_again_lest_noise_alone_make_it_one(
    compare: Compare, again: float, kind: str
) -> None:
    heard: Counter[str] = Counter()

    def rivals(before: str) -> dict[str, float]:
        heard[before] += 1
        return {"X": -0.7 if heard[before] == 1 else again}

    (found,) = compare(says("it wXll be"), Script(answer=lambda *_: ANSWER, rivals=rivals))[0].differences

    assert (found.kind, found.margin) == (kind, pytest.approx(min(0.6, -0.1 - again)))


def test_an_answer_that_ends_earlier_by_itself_has_another_token_there(compare: Compare) -> None:
    (found,) = compare(says("it will"))[0].differences

    assert (found.target, found.drafted, found.kind) == (" ", END, "unknown")


def test_an_answer_that_the_draft_cuts_off_before_its_limit_is_a_defect(compare: Compare) -> None:
    script = says("it will", finish_reason="length")

    (found,) = compare(script)[0].differences

    assert (found.item, found.cut_short, found.kind) == (2, True, "defect")


def test_a_token_that_the_target_does_not_tell_of_and_cannot_be_asked_for_is_bounded(compare: Compare) -> None:
    likeliest = dict.fromkeys("ABCD", -1.5)
    target = Script(
        answer=lambda _prompt, _payload: ANSWER,
        rivals=lambda _before: likeliest,
        faults=[Fault("400", where=lambda asked: bool(asked.payload.get("echo")))],
    )

    (found,) = compare(says("it wXll be"), target)[0].differences

    assert (found.at_least, found.margin, found.kind) == (True, pytest.approx(1.4), "defect")


def test_a_question_without_an_answer_is_counted_and_not_compared(compare: Compare) -> None:
    refused = Fault("400", where=lambda asked: asked.prompt.startswith("one question 1"))

    compared, _ = compare(says(ANSWER, faults=[refused]))

    assert (compared.items, compared.failed_requests) == ((0, 2, 3), 1)
    assert compared.causes[0].startswith("HTTP 400")


def test_the_engines_run_one_after_the_other_and_each_is_started_once(compare: Compare) -> None:
    _, pool = compare(says("it wXll be"))

    assert pool.started == ["drafted", "target"]


def test_engines_that_run_beside_each_other_stay(compare: Compare) -> None:
    _, pool = compare(says("it wXll be"), running=("drafted", "target"))

    assert pool.started == []


def test_an_engine_that_does_not_start_is_the_reason(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(_pool: Pool, *_: Any, **__: Any) -> None:
        raise EngineFailed("out_of_memory", "no room")

    monkeypatch.setattr(Pool, "get", get)

    with pytest.raises(NotMeasured, match="no room") as refused:
        compare(says(ANSWER))

    assert refused.value.reason == "out_of_memory"
