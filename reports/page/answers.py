"""Runs -> the script files of the item browser, written one run after another so that no ledger is too large.

Of a task there is one file with the scores of every question (`0.js`), one with the answers of every few questions
(`0-3.js`), and one with the texts of every few hundred (`0-q1.js`). A file calls `weighbridge(token, name, part)` once
or more; the browser loads it by a script element, which works from a file URL where fetching does not.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from reports.ledger import RecordedRun
from reports.ledger_questions import Questions
from reports.page.inert import embedded
from thresholds.measurement import Item, Run
from thresholds.questions import Question

FOLDER = "report-items"
UNPARSED, CUT_OFF, TRUNCATED, FAILED = 1, 2, 4, 8
FEWEST_TOGETHER, MOST_FILES = 25, 200
"""Questions whose answers share a file, and files with answers that a task has at most (as far as known at first)."""
TEXTS_TOGETHER = 500
"""Questions whose texts share a file."""
HEAD, TAIL = 2000, 6000
"""Letters of a longer answer that the page shows; the ledger holds all."""
SHORT = 60
"""Letters of a question or of what was extracted that stand in the list."""
BUFFERED = 32_000_000
Known = Callable[[RecordedRun], Questions]
"""What the questions of a run ask, by position, as far as that was kept."""


@dataclass(slots=True)
class Asked:
    """The questions of one version of a task, in the order in which runs brought them."""

    number: int
    name: str
    version: str | None
    together: int
    places: dict[int, int] = field(default_factory=dict)
    texts: dict[int, list[Question]] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)

    def place(self, position: int) -> int:
        """Where a question stands among those of the page, by its position in the task."""
        return self.places.setdefault(position, len(self.places))

    def learn(self, session: str, known: Callable[[], Questions]) -> None:
        """Take what a session asked; a position may stand for several texts, where the task's data changed."""
        if session in self._read:
            return
        self._read.add(session)
        for position, question in known().items():
            told = self.texts.setdefault(position, [])
            if question not in told:
                told.append(question)

    def index(self) -> dict[str, Any]:
        """What the page must know of it."""
        return {"name": self.name, "version": self.version, "together": self.together, "questions": len(self.places)}


class Scripts:
    """The script files beside a page.

    Args:
        folder: The page's folder.
        about: What tells this page's files from those of another page.
        questions: What the questions of a run ask.
    """

    def __init__(self, folder: Path, about: str, questions: Known) -> None:
        self.folder = folder / FOLDER
        self.token = hashlib.sha256(about.encode(errors="backslashreplace")).hexdigest()[:12]
        self._questions = questions
        self._asked: dict[Hashable, Asked] = {}
        self._combinations: dict[str, int] = {}
        self._waiting: dict[str, list[str]] = {}
        self._buffered = 0
        self._begun: set[str] = set()

    def add_runs(self, runs: Iterable[RecordedRun]) -> dict[str, Any]:
        """Write all runs, and what is known of their questions.

        Returns:
            The index for the page: tasks, and combinations by their numbers.
        """
        for recorded in runs:
            self._add(recorded)
        for asked in self._asked.values():
            self._close(asked)
        return {
            "token": self.token,
            "tasks": [asked.index() for asked in self._asked.values()],
            "combinations": list(self._combinations),
        }

    def add(self, name: str, text: str) -> None:
        """Write any other script."""
        self._waiting.setdefault(name, []).append(text)

    def finish(self) -> bool:
        """Write what waits, and remove what an earlier page left; true if there are any files."""
        self._flush()
        for path in self.folder.glob("*.js"):
            if path.stem not in self._begun:
                path.unlink()
        return bool(self._begun)

    def _add(self, recorded: RecordedRun) -> None:
        run, asked = recorded.run, self._task(recorded)
        items = sorted(run.items, key=lambda item: item.item)
        places = [asked.place(item.item) for item in items]
        asked.learn(recorded.session, lambda: self._questions(recorded))
        who = {
            "c": self._combinations.setdefault(run.combination, len(self._combinations)),
            "s": recorded.session,
            "r": run.number,
        }
        self._say(str(asked.number), {**who, **_listed(run, items, places)})
        others = [name for name in (items[0].scores if items else ()) if name != run.primary]
        for block, rows in _blocks(places, items, asked.together):
            told = [_answered(place, item, others) for place, item in rows]
            self._say(f"{asked.number}-{block}", {**who, "o": others, "a": told})

    def _task(self, recorded: RecordedRun) -> Asked:
        run, version = recorded.run, recorded.labels.get("task_version")
        together = max(FEWEST_TOGETHER, -(-len(run.items) // MOST_FILES))
        shown = None if version is None else str(version)
        return self._asked.setdefault((run.task, shown), Asked(len(self._asked), run.task, shown, together))

    def _close(self, asked: Asked) -> None:
        """Tell where questions stand in their task, and what they ask."""
        positions = list(asked.places)
        texts = [(place, asked.texts[position]) for position, place in asked.places.items() if position in asked.texts]
        short = {place: [_begin(told[-1]), _right(told[-1])] for place, told in texts}
        self._say(
            str(asked.number),
            {
                "positions": None if positions == list(range(len(positions))) else positions,
                "questions": short or None,
                "together": TEXTS_TOGETHER,
            },
        )
        for block, rows in groupby(texts, key=lambda row: row[0] // TEXTS_TOGETHER):
            self._say(f"{asked.number}-q{block}", {"q": [[place, _written(told)] for place, told in rows]})

    def _say(self, name: str, part: Mapping[str, Any]) -> None:
        line = f'weighbridge("{self.token}","{name}",{embedded(part)});\n'
        self._waiting.setdefault(name, []).append(line)
        self._buffered += len(line)
        if self._buffered > BUFFERED:
            self._flush()

    def _flush(self) -> None:
        for name, lines in self._waiting.items():
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / f"{name}.js").open("a" if name in self._begun else "w", encoding="utf-8") as file:
                file.writelines(lines)
            self._begun.add(name)
        self._waiting.clear()
        self._buffered = 0


def _listed(run: Run, items: Sequence[Item], places: Sequence[int]) -> dict[str, Any]:
    """What the list shows of a run; a column that is the same for all its items is left out."""
    flags = [_flags(item) for item in items]
    columns: dict[str, list[Any]] = {
        "p": [_score(item.scores.get(run.primary)) for item in items],
        "x": [_found(item) for item in items],
        "i": [item.prompt_tokens for item in items],
        "o": [item.completion_tokens for item in items],
    }
    known = {name: column for name, column in columns.items() if any(cell is not None for cell in column)}
    return {
        "n": len(items),
        **({} if list(places) == list(range(len(places))) else {"at": places}),
        **({"f": flags} if any(flags) else {}),
        **known,
    }


def _answered(place: int, item: Item, others: Sequence[str]) -> list[Any]:
    extracted = None if item.extracted == _found(item) else item.extracted
    scores = [_score(item.scores.get(name)) for name in others]
    return [
        place,
        _kept(item.answer),
        extracted,
        " ".join(item.finish_reasons),
        round(item.seconds, 3),
        item.failed,
        scores,
    ]


def _found(item: Item) -> str:
    """What stands in the list: what was extracted, or the choice that won where answers are chosen by likelihood."""
    return _shortened(item.answer if item.answer and not item.finish_reasons else item.extracted)


def _begin(question: Question) -> str | None:
    """How a question begins; None where its task has no words for it."""
    return None if question.text is None else _shortened(" ".join(question.text.split()))


def _right(question: Question) -> str:
    """Its right answers, or their end, where a solution has its result."""
    text = " | ".join(" ".join(one.split()) for one in question.right)
    return text if len(text) <= SHORT else f"…{text[1 - SHORT :]}"


def _written(told: Sequence[Question]) -> list[list[Any]]:
    return [[one.text, one.options, one.right] for one in told]


def _kept(answer: str) -> str | list[Any]:
    """An answer, or its beginning, how many letters follow, and its end."""
    left_out = len(answer) - HEAD - TAIL
    return answer if left_out <= 0 else [answer[:HEAD], left_out, answer[-TAIL:]]


def _shortened(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def _score(share: float | None) -> float | None:
    """Six decimals: the page shows three, and tells scores apart that differ at all."""
    if share is None:
        return None
    return int(share) if share == int(share) else round(share, 6)


def _flags(item: Item) -> int:
    ended_badly = item.unparsed * UNPARSED | item.cut_off * CUT_OFF
    return ended_badly | item.truncated * TRUNCATED | (item.failed is not None) * FAILED


def _blocks(
    places: Sequence[int], items: Sequence[Item], together: int
) -> Iterator[tuple[int, Iterator[tuple[int, Item]]]]:
    return groupby(zip(places, items, strict=True), key=lambda row: row[0] // together)
