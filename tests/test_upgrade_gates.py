"""The upgrade gates, red and green, on a fake engine whose answers are known."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_engine import FakeEngine, Script

from conftest import Heard, Weighbridge

TASKS = ["embedded_gsm8k"]
OLD, SAME, WORSE, LONGER = range(101, 105)
"""Answer limits: they tell the combinations apart, for the fake engine as for us."""
WRONG = "#### 987654"


class Candidates:
    """Answers by combination: the old and the same right to four of five, the worse to one in four."""

    def __init__(self, solve: Callable[[str], str]) -> None:
        self.solve = solve
        self.order: dict[str, int] = {}

    def __call__(self, prompt: str, payload: dict[str, Any]) -> str:
        who, question = payload["max_tokens"], self.order.setdefault(prompt, len(self.order))
        right = question % 4 == 0 if who == WORSE else question % 5 != 0
        answer = self.solve(prompt) if right else WRONG
        return " Let me think about it once more." + answer if who == LONGER else answer


@pytest.fixture(scope="module")
def candidates(
    checkout: Callable[[], Weighbridge], solve: Callable[[str], str]
) -> Iterator[Callable[..., tuple[Weighbridge, FakeEngine]]]:
    """Makes a checkout whose matrix has these answer limits, all served by one fake engine."""
    with FakeEngine(Script(answer=Candidates(solve))) as fake:

        def make(*limits: int, **more: Any) -> tuple[Weighbridge, FakeEngine]:
            inner = checkout()
            inner.matrix(TASKS, {"url": fake.url, "max_tokens": list(limits), "concurrency": 16}, **more)
            inner.floors()
            return inner, fake

        yield make


def name(limit: int) -> str:
    return f"tiny-remote-unquantized-max_tokens_{limit}"


@pytest.fixture(scope="module")
def inner(candidates: Callable[..., tuple[Weighbridge, FakeEngine]]) -> Weighbridge:
    return candidates(OLD, SAME, WORSE, LONGER)[0]


@pytest.fixture(scope="module")
def side(inner: Weighbridge) -> Heard:
    """All candidates against a baseline of the same session."""
    return inner.run("-m", "upgrade", "--against", name(OLD), "--samples", "48", "--margin", "10", "-rA")


def verdict(heard: Heard, limit: int, metric: str = "accuracy_difference", task: str = TASKS[0]) -> dict[str, Any]:
    (found,) = [
        v
        for v in heard.verdicts
        if (v["labels"]["max_tokens"], v["metric"], v["labels"]["task"]) == (limit, metric, task)
    ]
    return found


def test_a_candidate_that_answers_the_same_passes(side: Heard) -> None:
    assert verdict(side, SAME)["outcome"] == "PASS"
    assert verdict(side, SAME)["details"]["worse"] == verdict(side, SAME)["details"]["better"] == 0


def test_a_worse_candidate_fails_with_flips_interval_and_p_value(side: Heard) -> None:
    told = verdict(side, WORSE)
    title, measured, required, *_ = told["lines"]

    assert told["outcome"] == "FAIL"
    assert title.endswith("points worse, and shown to be worse than its baseline by more than 10.0")
    assert f"of {name(WORSE)} against {name(OLD)}" in title
    assert measured.startswith("measured  -")
    assert f"{told['details']['worse']} fell, {told['details']['better']} rose, p " in measured
    assert required.startswith("required  >= -10.0   --margin 10 (baseline ")
    assert title in side.output


def test_the_questions_that_fell_are_shown_with_both_answers(side: Heard) -> None:
    told = verdict(side, WORSE)
    fell = [line for line in told["lines"] if line.startswith("fell ")]

    assert len(fell) == 3
    assert all(line.endswith(f"-> {WRONG!r}") for line in fell)
    (asks,) = [line for line in told["lines"] if line.startswith("asks ")]
    assert asks.startswith(fell[0].partition(":")[0].replace("fell", "asks"))
    assert asks.endswith("?'")
    assert all(flip["baseline"] != flip["candidate"] for flip in told["details"]["flips"])


def test_all_tasks_together_are_judged_too(side: Heard) -> None:
    assert verdict(side, SAME, task="all tasks")["outcome"] == "PASS"
    assert verdict(side, WORSE, task="all tasks")["outcome"] == "FAIL"


def test_longer_answers_fail_though_they_are_right(side: Heard) -> None:
    assert verdict(side, LONGER)["outcome"] == "PASS"
    told = verdict(side, LONGER, "output_tokens", "all tasks")

    assert (told["outcome"], told["reason"]) == ("FAIL", "longer_than_baseline")
    assert "% longer, and shown to be longer than allowed" in told["lines"][0]


def test_the_baseline_is_no_candidate_of_its_own(side: Heard) -> None:
    assert {v["labels"]["max_tokens"] for v in side.verdicts} == {SAME, WORSE, LONGER}


def test_the_error_level_is_divided_over_the_gates_that_were_collected(side: Heard) -> None:
    assert "error level 0.05 over 9 gates" in side.output
    assert "level     0.05 over 9 gates" in "\n".join(verdict(side, WORSE)["lines"])


def test_the_report_says_the_error_level(side: Heard, inner: Weighbridge) -> None:
    assert side.verdicts
    assert "error level: 0.05 over 9 gates" in (inner.path / "results" / "report.md").read_text(encoding="utf-8")


def test_too_few_questions_are_inconclusive_and_say_how_many_would_do(
    candidates: Callable[..., tuple[Weighbridge, FakeEngine]],
) -> None:
    inner, _ = candidates(OLD, SAME)

    heard = inner.run("-m", "upgrade", "--against", name(OLD), "--samples", "20", "-k", f"{TASKS[0]}")

    assert verdict(heard, SAME)["outcome"] == "INCONCLUSIVE"
    assert "20 questions cannot show a margin of 2.0; about " in verdict(heard, SAME)["lines"][0]
    assert heard.code == 1


@pytest.fixture(scope="module")
def recorded(
    candidates: Callable[..., tuple[Weighbridge, FakeEngine]],
) -> tuple[Weighbridge, str]:
    """A checkout whose results hold a session of the old combination."""
    inner, fake = candidates(OLD)
    heard = inner.run("-m", "accuracy", "--samples", "48")
    (session,) = [row["session"] for row in heard.told if row["kind"] == "session"]
    inner.matrix(TASKS, {"url": fake.url, "max_tokens": [WORSE, SAME], "concurrency": 16})
    return inner, session


def test_a_recorded_session_is_a_baseline_and_is_not_asked_again(recorded: tuple[Weighbridge, str]) -> None:
    inner, session = recorded

    heard = inner.run("-m", "upgrade", "--baseline", "results", "--against", name(OLD), "--samples", "48")

    assert heard.engines == [name(WORSE), name(SAME)]
    assert verdict(heard, WORSE)["outcome"] == "FAIL"
    assert verdict(heard, WORSE)["labels"]["against"] == f"{name(OLD)}@{session}"


def test_a_recorded_session_is_found_by_its_id(recorded: tuple[Weighbridge, str]) -> None:
    inner, session = recorded

    heard = inner.run("-m", "upgrade", "--baseline", session, "--against", name(OLD), "--collect-only", "-q")

    assert f"against-{name(OLD)}@{session}-{TASKS[0]}" in heard.output


def test_other_questions_than_the_baselines_are_not_compared(
    candidates: Callable[..., tuple[Weighbridge, FakeEngine]],
) -> None:
    inner, fake = candidates(OLD)
    inner.run("-m", "accuracy", "--samples", "10")
    inner.matrix(TASKS, {"url": fake.url, "max_tokens": SAME, "concurrency": 16})

    heard = inner.run("-m", "upgrade", "--baseline", "results", "--samples", "20", "-k", TASKS[0])

    assert verdict(heard, SAME)["reason"] == "baseline_of_other_questions"
    assert "give both the same --samples and --seed" in verdict(heard, SAME)["lines"][0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--baseline", "nowhere"), "there is no folder of this name, nor a"),
        (("--baseline", "tokenizer"), "holds no ledger.sqlite"),
        (("--against", "tiny-*"), "it matches 2 combinations; name one of:"),
        (("--against", "other"), "it matches 0 combinations; name one of:"),
        (("--margin", "0"), "'0' is no number between 0 and 100"),
        (("--family-alpha", "1"), "'1' is no share between 0 and 0.5"),
    ],
)
def test_a_baseline_or_margin_that_cannot_be_is_a_usage_error(
    candidates: Callable[..., tuple[Weighbridge, FakeEngine]], words: tuple[str, ...], said: str
) -> None:
    inner, _ = candidates(OLD, SAME)

    heard = inner.run("-m", "upgrade", *words)

    assert heard.code == 4
    assert said in heard.output


def test_without_a_baseline_upgrade_gates_say_what_they_need(
    candidates: Callable[..., tuple[Weighbridge, FakeEngine]],
) -> None:
    inner, _ = candidates(OLD, SAME)

    heard = inner.run("-m", "upgrade")

    assert heard.code == 5
    assert "upgrade gates need --baseline DIR|ID or --against COMBINATION" in heard.output


def test_a_rerun_adds_to_the_evidence(candidates: Callable[..., tuple[Weighbridge, FakeEngine]]) -> None:
    inner, _ = candidates(OLD, WORSE)
    words = ("-m", "upgrade", "--against", name(OLD), "--samples", "20", "--margin", "10", "-k", TASKS[0])

    first, second = inner.run(*words), inner.run(*words)

    assert "20 questions, 2 and 2 runs" in verdict(first, WORSE)["lines"][1]
    assert "20 questions, 4 and 4 runs" in verdict(second, WORSE)["lines"][1]
    assert "evidence of 2 sessions" in "\n".join(verdict(second, WORSE)["lines"])


def test_a_rerun_with_other_questions_adds_nothing(
    candidates: Callable[..., tuple[Weighbridge, FakeEngine]],
) -> None:
    inner, _ = candidates(OLD, WORSE)
    words = ("-m", "upgrade", "--against", name(OLD), "--margin", "10", "-k", TASKS[0])
    inner.run(*words, "--samples", "20")

    heard = inner.run(*words, "--samples", "30")

    assert "30 questions, 2 and 2 runs" in verdict(heard, WORSE)["lines"][1]
