"""The gates of drafts, red and green, on fake engines with planted drafts."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fake_engine import Drafts, FakeEngine, Schedule, Script

from conftest import Heard, Weighbridge

TASK, QUESTIONS = "gsm8k", 200
CHAT = {"arrivals": {"concurrency": 2}, "warm_up": 0, "requests": 5, "output": {"tokens": 16}}
STEP = Schedule(first=0.15, interval=0.02)
"""Of a step of the target, with a draft or without; slow enough that a busy machine keeps up."""

ANSWER = "so it is as it was and as it will be"
PLACE = ANSWER.index("will")
TARGET = "tiny-remote-unquantized"
RIVALS = {"a": -0.2, "b": -0.3, "c": -0.4, "N": -0.35, "H": -0.55, "F": -0.9, "S": -4.0}
"""Log-probabilities of other tokens where the target has -0.1: an answer tells of the first four, as of N and not H."""


@dataclass
class Planted:
    """An engine with a draft that changes a letter of some answers, and accepts so many tokens step by step."""

    changed: dict[int, str] = field(default_factory=dict)
    accepted: tuple[int, ...] = (2,)
    _order: dict[str, int] = field(default_factory=dict)

    def __call__(self, prompt: str, _payload: dict[str, Any]) -> str:
        if "Question" not in prompt:
            return ANSWER
        letter = self.changed.get(self._order.setdefault(prompt, len(self._order)))
        return ANSWER if letter is None else ANSWER[:PLACE] + letter + ANSWER[PLACE + 1 :]


@dataclass
class Weighed:
    """What a session with several drafts of one target told, and what each engine was asked."""

    heard: Heard
    fakes: dict[str, FakeEngine]

    def of(self, draft: str, metric: str) -> dict[str, Any]:
        (found,) = [v for v in self.heard.verdicts if (v["labels"]["draft"], v["metric"]) == (draft, metric)]
        return found


def weigh(inner: Weighbridge, words: tuple[str, ...], drafts: dict[str, Planted], **more: Any) -> Weighed:
    """Run the gates of some drafts beside the same target without one."""
    target = Script(answer=lambda _prompt, _payload: ANSWER, rivals=lambda _before: RIVALS, schedule=STEP)
    scripts = {"none": target}
    scripts |= {n: Script(answer=one, schedule=STEP, drafts=Drafts(4, one.accepted)) for n, one in drafts.items()}
    with ExitStack() as stack:
        fakes = {name: stack.enter_context(FakeEngine(script)) for name, script in scripts.items()}
        blocks = [{"url": fake.url, "draft": name, "concurrency": 16} for name, fake in fakes.items()]
        known = {name: {"method": "ngram", "tokens": 4} for name in drafts}
        inner.matrix(more.pop("tasks", []), *blocks, drafts=known, **more)
        return Weighed(inner.run("-m", "speculative", "-p", "no:reports.plugin", *words), fakes)


def rows(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split, count in (("train", 8), ("test", QUESTIONS)):
        sums = [{"question": f"{split} {number} + 1?", "answer": f"#### {number + 1}"} for number in range(count)]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, sums)), encoding="utf-8")


@pytest.fixture(scope="module")
def answered(checkout: Callable[[], Weighbridge]) -> Weighed:
    inner = checkout()
    rows(inner.path / "rows" / TASK)
    inner.floors()
    drafts = {
        "broken": Planted({150: "S"}),
        "tied": Planted(dict.fromkeys(range(100), "N")),
        "nearly": Planted({7: "H"}),
        "hidden": Planted({7: "F"}),
        "good": Planted(),
    }
    words = ("-k", "changes_no_answer", "--runs", "1", "--samples", "all", "--datasets-from", "rows")
    return weigh(inner, words, drafts, tasks=[TASK])


def test_one_answer_in_two_hundred_that_changes_where_the_target_is_sure_is_a_defect(answered: Weighed) -> None:
    verdict = answered.of("broken", "draft_defects")

    assert (verdict["outcome"], verdict["reason"]) == ("FAIL", "answers_changed")
    assert (verdict["measured"], verdict["details"]["defects"]) == (1 / QUESTIONS, 1)
    assert verdict["lines"][0].endswith("FAIL - 1 of 200 answers changed where the target was sure of its token")


def test_a_defect_is_shown_with_the_text_before_both_tokens_and_the_margin(answered: Weighed) -> None:
    verdict = answered.of("broken", "draft_defects")
    (shown,) = [line for line in verdict["lines"] if line.startswith("defect ")]

    assert shown.startswith(f"defect    question 150, token {PLACE}: ")
    assert shown.endswith("so it is as it was and as it' 'w' -> 'S', margin 3.90 nats")
    assert shown in answered.heard.output


def test_a_hundred_near_ties_are_no_defect(answered: Weighed) -> None:
    verdict = answered.of("tied", "draft_defects")

    assert (verdict["outcome"], verdict["details"]["near_ties"]) == ("PASS", 100)
    assert "changed only where two tokens were as good as equal (100 of 200)" in verdict["lines"][0]


@pytest.mark.parametrize(("draft", "outcome", "margin"), [("hidden", "FAIL", 0.8), ("nearly", "PASS", 0.45)])
def test_a_token_that_is_not_among_the_likeliest_is_asked_for(
    answered: Weighed, draft: str, outcome: str, margin: float
) -> None:
    verdict = answered.of(draft, "draft_defects")
    (changed,) = verdict["details"]["differences"]

    assert verdict["outcome"] == outcome
    assert (changed["margin"], changed["at_least"]) == (pytest.approx(margin), False)


def test_a_draft_that_changes_nothing_passes(answered: Weighed) -> None:
    verdict = answered.of("good", "draft_defects")

    assert (verdict["outcome"], verdict["details"]["same"]) == ("PASS", QUESTIONS)
    assert "no answer changed" in verdict["lines"][0]


def test_each_engine_is_asked_once_however_many_drafts_its_target_has(answered: Weighed) -> None:
    asked = {
        name: sum(one.payload.get("logprobs") == 5 and not one.payload.get("echo") for one in fake.requests)
        for name, fake in answered.fakes.items()
    }

    assert asked == dict.fromkeys(answered.fakes, QUESTIONS)


ROW = {"metric": "acceptance_length", "floor": 2.85, "measured": 3.0, "measured_on": "a test", "hardware": None}
FASTER = {"metric": "output_tokens_per_second", "against": TARGET, "floor": 1.2, "measured": 1.6}
DRAFTS = {
    "usual": Planted(),
    "collapsed": Planted(accepted=(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0)),
    "better": Planted(accepted=(2, 2, 3)),
    "idle": Planted(accepted=()),
}
"""Acceptance lengths of 3, 1.09 and 3.3 where answers are long; of the last, none."""


@pytest.fixture(scope="module")
def loaded(checkout: Callable[[], Weighbridge]) -> Weighed:
    inner = checkout()
    inner.workloads(chat={**CHAT, "output": {"tokens": 34}})
    inner.floors(speed=[{**row, "draft": name} for name in DRAFTS for row in (ROW, FASTER)])
    return weigh(inner, ("-k", "faster or accepted", "-rA"), DRAFTS, workloads=["chat"])


def test_a_draft_that_is_accepted_as_before_passes(loaded: Weighed) -> None:
    verdict = loaded.of("usual", "acceptance_length")

    assert (verdict["outcome"], verdict["measured"]) == ("PASS", pytest.approx(3.0))


def test_the_floor_of_acceptance_says_nothing_about_a_machine(loaded: Weighed) -> None:
    verdict = loaded.of("usual", "acceptance_length")

    assert verdict["labels"]["hardware"] == "remote"
    assert verdict["where"].startswith("thresholds/tiny.yaml:")


def test_a_collapse_of_acceptance_fails(loaded: Weighed) -> None:
    verdict = loaded.of("collapsed", "acceptance_length")

    assert (verdict["outcome"], verdict["reason"]) == ("FAIL", "below_floor")
    assert verdict["measured"] == pytest.approx(1.09, abs=0.02)


def test_an_improvement_of_acceptance_passes(loaded: Weighed) -> None:
    verdict = loaded.of("better", "acceptance_length")

    assert verdict["outcome"] == "PASS"
    assert verdict["measured"] >= 3.28


def test_acceptance_needs_no_load_of_its_own(loaded: Weighed) -> None:
    pair = [f"{TARGET}-draft_usual", TARGET]
    made = [run["combination"] for run in loaded.heard.loads if run["labels"]["against"] == TARGET]

    assert made[:8] == [*pair, *pair[::-1], *pair, *pair[::-1]]
    assert len(made) == len(loaded.heard.loads)


def test_a_draft_makes_its_target_faster(loaded: Weighed) -> None:
    verdict = loaded.of("usual", "output_tokens_per_second")

    assert verdict["outcome"] == "PASS"
    assert 1.2 < verdict["measured"] < 3.0


def test_the_count_of_the_client_stands_beside_the_servers(loaded: Weighed) -> None:
    verdict = loaded.of("usual", "acceptance_length")
    told = verdict["details"]["acceptance"]

    assert verdict["details"]["predicted"] == pytest.approx(3.0)
    assert told["tokens"] - told["events"] == told["accepted"]
    assert any("tokens a step" in line and "(+0.0 %)" in line for line in verdict["lines"])


def test_a_draft_that_does_not_draft_is_not_measured(loaded: Weighed) -> None:
    idle = [loaded.of("idle", metric) for metric in ("acceptance_length", "output_tokens_per_second")]

    assert {(verdict["outcome"], verdict["reason"]) for verdict in idle} == {("NOT_MEASURED", "not_drafting")}
    assert f"the counters at {loaded.fakes['idle'].url} show no drafted token" in loaded.heard.output
    assert not any(run["combination"].endswith("idle") for run in loaded.heard.loads)


def test_a_missing_floor_of_acceptance_is_a_line_to_paste_and_is_recorded(
    checkout: Callable[[], Weighbridge],
) -> None:
    inner = checkout()
    inner.workloads(chat=CHAT)
    inner.floors()
    words = ("-k", "accepted", "--runs", "3")
    recorded = weigh(inner, (*words, "--record"), {"usual": Planted()}, workloads=["chat"])
    passed = weigh(inner, words, {"usual": Planted()}, workloads=["chat"])

    verdict = recorded.of("usual", "acceptance_length")
    assert verdict["reason"] == "missing_threshold"
    assert "floor: 2.85, measured: 3.0" in verdict["lines"][2]
    assert 'measured_on: "remote"' in verdict["lines"][2]
    assert "hardware:" not in verdict["lines"][2]
    assert passed.of("usual", "acceptance_length")["outcome"] == "PASS"


def test_a_draft_without_its_target_beside_is_asked_for_acceptance_alone(
    checkout: Callable[[], Weighbridge],
) -> None:
    inner = checkout()
    inner.workloads(chat=CHAT)
    inner.floors(speed=[{**ROW, "draft": "usual"}])

    heard = weigh(
        inner, ("--combination", "*usual"), {"usual": Planted()}, workloads=["chat"], exclude=[UNDRAFTED]
    ).heard

    assert [(v["metric"], v["outcome"]) for v in heard.verdicts] == [("acceptance_length", "PASS")]
    assert f"{TARGET}-draft_usual has a draft, but the matrix does not list it without one" in heard.output


UNDRAFTED = {"draft": "none", "because": "a test wants it"}
