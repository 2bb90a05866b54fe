"""Campaigns to make pages of: as large as a long one, as hostile as a model may answer."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from reports.ledger import Ledger, RecordedEngine, RecordedRun
from reports.page import write_page
from reports.page.answers import Known
from reports.summarising import summarise
from reports.summary import Observation, Summary
from thresholds.measurement import Item, Run
from thresholds.questions import Question
from thresholds.upgrade import ACCURACY_DIFFERENCE
from thresholds.verdict import Outcome, Verdict, not_measured

PRIMARY = "exact_match,flexible-extract"
STRICT = "exact_match,strict-match"

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<svg onload='window.hacked = 1'><animate onbegin='window.hacked = 1'/></svg>",
    "<img src=x onerror='window.hacked = 1'>",
    '<a href="javascript:window.hacked = 1">click</a>',
    "{{ cycler.__init__.__globals__.os.system('true') }}{% raw %}${window.hacked = 1}",
    "'\"><iframe srcdoc='<script>parent.hacked = 1</script>'></iframe>",
    "<!--<script>",
    "a\u202edesrever\u2066 \x00\x1b[31m\ud800",
    "\u2028\u2029]]>&lt;script&gt;",
    "<style>body { display: none }</style><base href='http://127.0.0.1:9/'><meta http-equiv=refresh content=0>",
)


@dataclass(frozen=True)
class Campaign:
    """A summary with the runs and engines that it is about."""

    summary: Summary
    runs: list[RecordedRun]
    engines: list[RecordedEngine]
    questions: Known = field(default=lambda _: {})

    def write(self, folder: Path, **more: Any) -> Path:
        """Write its page; returns the path."""
        more = {"questions": self.questions, **more}
        return write_page(self.summary, iter(self.runs), folder, engines=self.engines, **more)[0]


def item(position: int, score: float, **changes: Any) -> Item:
    """An answered question."""
    known: dict[str, Any] = {
        "scores": {PRIMARY: score, STRICT: 0.0},
        "answer": f"Because of this it is {position}.\n#### {position}",
        "extracted": str(position),
        "unparsed": False,
        "finish_reasons": ("stop",),
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "seconds": 1.0,
    }
    return Item(item=position, **{**known, **changes})


def labels(combination: str, task: str | None = None) -> dict[str, Any]:
    """Of a combination named model-engine-quantization."""
    model, engine, quantization = combination.rsplit("-", 2)
    told = {"combination": combination, "model": model, "engine": engine, "quantization": quantization, "draft": "none"}
    return told if task is None else {**told, "task": task, "samples": "all"}


def campaign(combinations: int = 3, tasks: int = 2, questions: int = 40, runs: int = 2) -> Campaign:
    """Combinations of which each has other weaknesses; the first is worse than its floor, the second better."""
    ledger = Ledger(None)
    session = ledger.record_session({"session": "s1", "started": "2026-01-02T03:04:05", "hardware": "4 x A GPU"})
    named = [f"model_{number:02}-vllm-{'int8' if number % 2 else 'none'}" for number in range(combinations)]
    for task in range(tasks):
        asked = [_question(position, between=task % 2 == 1) for position in range(questions)]
        ledger.record_questions(session, asked, {"task": f"demo_task_{task}"})
    for name, run in _runs(named, tasks, questions, runs):
        ledger.record_run(session, run, labels(name, run.task))
    for number, name in enumerate(named):
        command = ["python", "-m", "vllm", "--model", f"weights/{name}", "--max-model-len", "2048"]
        ledger.record_engine(
            session, labels(name), {"seconds": 61.0, "command": command, "log": f"/elsewhere/{name}.log"}
        )
        for task in range(tasks):
            ledger.record_verdict(session, _floor(name, f"demo_task_{task}", number))
    if combinations > 1:
        ledger.record_verdict(session, _no_worse(named[1], named[0]))
    ledger.finish_session(session, 1)
    return Campaign(summarise(ledger), ledger.runs(session), ledger.engines(session), ledger.questions)


def hostile() -> Campaign:
    """A campaign in which every text that a model or a file may choose tries to do something."""
    ledger = Ledger(None)
    session = ledger.record_session({"session": "s1", "started": "now", "hardware": HOSTILE[3], "note": HOSTILE[0]})
    for number, text in enumerate(HOSTILE[:2]):
        told = {**labels(f"x-vllm-{number}"), "model": text, "quantization": HOSTILE[4], "combination": text}
        items = [
            item(i, float((i + number) % 2), answer=bad, extracted=bad, finish_reasons=(bad,))
            for i, bad in enumerate(HOSTILE)
        ]
        items.append(item(len(HOSTILE), 0.0, scores={}, failed=HOSTILE[3]))
        run = Run(text, HOSTILE[2], 1, PRIMARY, tuple(items), len(items), 2.0)
        about = {"task": HOSTILE[2], "task_version": HOSTILE[1]}
        ledger.record_questions(session, [Question(i, bad, (bad, "b"), (bad,)) for i, bad in enumerate(HOSTILE)], about)
        ledger.record_run(session, run, {**told, **about})
        ledger.record_engine(session, told, {"command": ["python", HOSTILE[1]], "loaded": {HOSTILE[3]: HOSTILE[0]}})
        failed = not_measured("accuracy", {**told, "task": HOSTILE[2]}, "engine_failed", "\n".join(HOSTILE[:3]))
        ledger.record_verdict(session, failed)
    summary = summarise(ledger)
    said = Observation(HOSTILE[0], HOSTILE[3], (HOSTILE[0],), {})
    runs, engines = ledger.runs(session), ledger.engines(session)
    return Campaign(replace(summary, observations=(said,)), runs, engines, ledger.questions)


def _runs(named: list[str], tasks: int, questions: int, runs: int) -> Iterator[tuple[str, Run]]:
    for number, name in enumerate(named):
        luck = Random(number)  # noqa: S311 - an example
        for task in range(tasks):
            for run in range(1, runs + 1):
                items = tuple(_answer(position, luck, number) for position in range(questions))
                seconds = 20.0 - 0.2 * number
                yield name, Run(name, f"demo_task_{task}", run, PRIMARY, items, questions, seconds, engine_memory=2**30)


def _question(position: int, *, between: bool) -> Question:
    things = ("plums", "apples", "pears", "coins")[position % 4]
    text = (
        f"Nadia picked {position} {things} before lunch and {position % 7} after lunch. She gave two to each of her"
        f" friends, who had none, and counted what was left.\nHow many {things} did she pick in all?"
    )
    right = str(position + position % 7)
    if between:
        return Question(position, text, (right, str(position), "nobody knows", "more than a hundred"), (right,))
    return Question(position, text, (), (f"She picked {position} + {position % 7} = {right} {things}.\n#### {right}",))


def _answer(position: int, luck: Random, number: int) -> Item:
    score = float(luck.random() < 0.3 + 0.4 * ((position * 7919) % 100) / 100 + 0.003 * number)
    if position == 7:
        return item(position, 0.0, answer="Who knows?", extracted="[invalid]", unparsed=True, guess=0.1)
    if position == 9:
        return item(position, score, answer="On " * 5000, finish_reasons=("length",), completion_tokens=5000)
    return item(position, score)


def _floor(name: str, task: str, number: int) -> Verdict:
    outcome = Outcome.FAIL if number == 0 else Outcome.PASS
    said = (f"accuracy/{task} of {name}: {outcome} - shown to be so", "measured  50.0", "required  >= 45.0")
    numbers = {"measured": 0.5, "required": 0.45, "headroom": -0.05 if number == 0 else 0.05}
    return Verdict(outcome, "a_reason", "accuracy", labels(name, task), said, **numbers)


def _no_worse(candidate: str, baseline: str) -> Verdict:
    told = {**labels(candidate, "demo_task_0"), "against": baseline}
    said = (f"accuracy/demo_task_0 of {candidate} against {baseline}: PASS - no worse",)
    details = {"baseline": 0.5, "candidate": 0.51, "worse": 3, "better": 4, "p_value": 0.8, "questions": 40}
    return Verdict(
        Outcome.PASS, "no_worse", ACCURACY_DIFFERENCE.name, told, said, 0.01, -0.02, 0.04, -0.05, details=details
    )
