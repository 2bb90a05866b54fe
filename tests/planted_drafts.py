"""Sessions of fake engines with planted drafts beside the same target without one."""

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fake_engine import Drafts, FakeEngine, Schedule, Script

from conftest import Heard, Weighbridge

TASK, QUESTIONS = "gsm8k", 200
STEP = Schedule(first=0.15, interval=0.008)
"""Of a step of the target, with a draft or without; a first token so late that a busy client is not too late for it."""

ANSWER = "so it is as it was and as it will be"
PLACE = ANSWER.index("will")
TARGET = "tiny-remote-unquantized"
RIVALS = {"a": -0.2, "b": -0.3, "c": -0.4, "N": -0.35, "H": -0.55, "F": -0.9, "S": -4.0}
"""Log-probabilities of other tokens where the target has -0.1: an answer tells of the first four, as of N and not H."""


@dataclass
class Planted:
    """An engine with a draft that changes a letter of some answers, and accepts so many tokens step by step.

    Attributes:
        told: Each answer says what was accepted of it.
    """

    changed: dict[int, str] = field(default_factory=dict)
    accepted: tuple[int, ...] = (2,)
    told: bool = False
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
    scripts |= {
        n: Script(answer=one, schedule=STEP, drafts=Drafts(4, one.accepted, one.told)) for n, one in drafts.items()
    }
    with ExitStack() as stack:
        fakes = {name: stack.enter_context(FakeEngine(script)) for name, script in scripts.items()}
        blocks = [{"url": fake.url, "draft": name, "concurrency": 16} for name, fake in fakes.items()]
        known = {name: {"method": "ngram", "tokens": 4} for name in drafts}
        plugins = () if more.pop("reports", False) else ("-p", "no:reports.plugin")
        inner.matrix(more.pop("tasks", []), *blocks, drafts=known, **more)
        return Weighed(inner.run("-m", "speculative", *plugins, *words), fakes)


def rows(folder: Path) -> None:
    folder.mkdir(parents=True)
    for split, count in (("train", 8), ("test", QUESTIONS)):
        sums = [{"question": f"{split} {number} + 1?", "answer": f"#### {number + 1}"} for number in range(count)]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, sums)), encoding="utf-8")
