import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser_examples import HOSTILE, PRIMARY, campaign, item, labels

import reports.page.answers
from reports.ledger import RecordedRun
from reports.ledger_questions import Questions
from reports.page.answers import CUT_OFF, FAILED, FOLDER, TRUNCATED, UNPARSED, Scripts
from thresholds.measurement import Item, Run
from thresholds.questions import Question

ONE, OTHER = "a-vllm-none", "b-vllm-none"


def run_of(combination: str, items: Sequence[Item], number: int = 1, **more: Any) -> RecordedRun:
    run = Run(combination, "task", number, PRIMARY, tuple(items), 1000, 2.0)
    return RecordedRun("s1", {**labels(combination, "task"), **more}, run)


def written(folder: Path, runs: Sequence[RecordedRun], **questions: Questions) -> dict[str, Any]:
    """The index of the page, the runs written; `questions` are what sessions asked."""
    scripts = Scripts(folder, "about", lambda recorded: questions.get(recorded.session, {}))
    index = scripts.add_runs(runs)
    scripts.finish()
    return index


def told(folder: Path, name: str) -> list[dict[str, Any]]:
    """What a script tells the page, call by call."""
    text = (folder / FOLDER / f"{name}.js").read_text(encoding="ascii")
    calls = [re.fullmatch(r'weighbridge\("(\w+)","([\dq-]+)",(.*)\);', line) for line in text.splitlines()]
    assert {call[2] for call in calls if call} == {name}
    return [json.loads(call[3]) for call in calls if call]


def test_a_task_has_one_list_of_scores_and_its_answers_few_by_few(tmp_path: Path) -> None:
    index = written(tmp_path, [run_of(ONE, [item(i, 1.0) for i in range(60)])])

    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == {"0.js", "0-0.js", "0-1.js", "0-2.js"}
    assert index["tasks"] == [{"name": "task", "version": None, "together": 25, "questions": 60}]
    assert index["combinations"] == [ONE]


def test_the_list_has_score_marks_tokens_and_what_was_found_of_every_question(tmp_path: Path) -> None:
    items = [item(0, 1.0), item(1, 0.25, extracted="7", prompt_tokens=3, completion_tokens=4)]
    written(tmp_path, [run_of(ONE, items)])

    run, end = told(tmp_path, "0")
    assert run == {"c": 0, "s": "s1", "r": 1, "n": 2, "p": [1, 0.25], "x": ["0", "7"], "i": [100, 3], "o": [10, 4]}
    assert end == {"positions": None, "questions": None, "together": 500}


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"unparsed": True}, UNPARSED),
        ({"finish_reasons": ("length",)}, CUT_OFF),
        ({"truncated": True}, TRUNCATED),
        ({"failed": "no connection", "scores": {}}, FAILED),
        ({"unparsed": True, "finish_reasons": ("length",)}, UNPARSED + CUT_OFF),
    ],
)
def test_answers_that_ended_badly_are_marked(changes: dict[str, Any], flag: int, tmp_path: Path) -> None:
    written(tmp_path, [run_of(ONE, [item(0, 1.0), item(1, 0.0, **changes)])])

    assert told(tmp_path, "0")[0]["f"] == [0, flag]


def test_a_failed_request_has_no_score(tmp_path: Path) -> None:
    written(tmp_path, [run_of(ONE, [item(0, 1.0), item(1, 0.0, failed="no connection", scores={})])])

    assert told(tmp_path, "0")[0]["p"] == [1, None]


def test_tokens_that_no_endpoint_counted_are_not_told(tmp_path: Path) -> None:
    written(tmp_path, [run_of(ONE, [item(0, 1.0, prompt_tokens=None, completion_tokens=None)])])

    assert not {"i", "o"} & set(told(tmp_path, "0")[0])


def test_a_choice_by_likelihood_is_listed_by_its_text(tmp_path: Path) -> None:
    chosen = item(0, 1.0, answer="the gills", extracted="2", finish_reasons=())
    written(tmp_path, [run_of(ONE, [chosen])])

    assert told(tmp_path, "0")[0]["x"] == ["the gills"]
    assert told(tmp_path, "0-0")[0]["a"][0][:3] == [0, "the gills", "2"]


def test_an_answer_comes_with_how_it_ended_and_its_other_scores(tmp_path: Path) -> None:
    written(
        tmp_path, [run_of(ONE, [item(3, 1.0, answer="It is 3.", finish_reasons=("stop", "length"), seconds=1.23456)])]
    )

    (run, *_) = told(tmp_path, "0-0")
    assert run["o"] == ["exact_match,strict-match"]
    assert run["a"] == [[0, "It is 3.", None, "stop length", 1.235, None, [0]]]


def test_a_long_answer_keeps_its_beginning_and_its_end_and_says_what_is_missing(tmp_path: Path) -> None:
    answer = "a" * 2000 + "b" * 500 + "c" * 6000
    written(tmp_path, [run_of(ONE, [item(0, 1.0, answer=answer)])])

    assert told(tmp_path, "0-0")[0]["a"][0][1] == ["a" * 2000, 500, "c" * 6000]


def test_runs_that_asked_other_questions_say_which(tmp_path: Path) -> None:
    first, second = [item(i, 1.0) for i in (40, 7)], [item(i, 0.0) for i in (40, 90)]
    index = written(tmp_path, [run_of(ONE, first), run_of(OTHER, second)])

    one, other, end = told(tmp_path, "0")
    assert "at" not in one
    assert other["at"] == [1, 2]
    assert end["positions"] == [7, 40, 90]
    assert index["tasks"][0]["questions"] == 3


def test_two_versions_of_a_task_are_two_tasks(tmp_path: Path) -> None:
    runs = [run_of(ONE, [item(0, 1.0)], task_version=version) for version in (1.0, 2.0)]

    index = written(tmp_path, runs)
    assert [(task["name"], task["version"]) for task in index["tasks"]] == [("task", "1.0"), ("task", "2.0")]


def test_questions_that_are_known_begin_in_the_list_and_stand_whole_in_files_of_their_own(tmp_path: Path) -> None:
    text, solution = "How many?\n" * 20, "6 of them, and one more. " * 5 + "#### 7"
    known = {6: Question(6, text, (), (solution,)), 9: Question(9, "Never asked.")}
    written(tmp_path, [run_of(ONE, [item(5, 1.0), item(6, 1.0)])], s1=known)

    assert told(tmp_path, "0")[-1]["questions"] == {
        "1": [f"{'How many? ' * 5}How many?…", f"…{solution[-59:]}"],
    }
    assert told(tmp_path, "0-q0") == [{"q": [[1, [[text, [], [solution]]]]]}]


def test_a_question_without_words_is_told_from_one_that_was_not_kept(tmp_path: Path) -> None:
    written(tmp_path, [run_of(ONE, [item(0, 1.0), item(1, 1.0)])], s1={1: Question(1, None)})

    assert told(tmp_path, "0")[-1]["questions"] == {"1": [None, ""]}


def test_a_text_is_written_once_however_many_runs_it_has(tmp_path: Path) -> None:
    known = {0: Question(0, "Only once?", ("yes", "no"), ("yes",))}
    runs = [run_of(who, [item(0, 1.0)], number) for who in (ONE, OTHER) for number in (1, 2)]
    written(tmp_path, [*runs, replace(runs[0], session="s2")], s1=known, s2=known)

    assert told(tmp_path, "0-q0") == [{"q": [[0, [["Only once?", ["yes", "no"], ["yes"]]]]]}]
    assert sum("Only once?" in path.read_text("ascii") for path in (tmp_path / FOLDER).iterdir()) == 2


def test_two_texts_under_one_number_are_both_told(tmp_path: Path) -> None:
    runs = [run_of(ONE, [item(0, 1.0)]), replace(run_of(ONE, [item(0, 1.0)]), session="s2")]
    written(tmp_path, runs, s1={0: Question(0, "Old?")}, s2={0: Question(0, "New?")})

    assert told(tmp_path, "0-q0") == [{"q": [[0, [["Old?", [], []], ["New?", [], []]]]]}]


def test_the_texts_of_many_questions_lie_in_several_files(tmp_path: Path) -> None:
    known = {place: Question(place, f"Number {place}?") for place in range(1_001)}
    written(tmp_path, [run_of(ONE, [item(place, 1.0) for place in known])], s1=known)

    assert len(list((tmp_path / FOLDER).glob("0-q*.js"))) == 3
    assert told(tmp_path, "0-q2") == [{"q": [[1_000, [["Number 1000?", [], []]]]]}]


def test_many_questions_share_their_files(tmp_path: Path) -> None:
    index = written(tmp_path, [run_of(ONE, [item(i, 1.0) for i in range(10_001)])])

    assert index["tasks"][0]["together"] == 51
    assert len(list((tmp_path / FOLDER).glob("0-[0-9]*.js"))) == 197


def test_what_does_not_fit_into_memory_is_written_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = campaign(3, 2).runs
    written(tmp_path / "at once", runs)
    monkeypatch.setattr(reports.page.answers, "BUFFERED", 1)
    written(tmp_path / "in parts", runs)

    files = [path.name for path in (tmp_path / "at once" / FOLDER).iterdir()]
    assert [(tmp_path / "in parts" / FOLDER / name).read_text("ascii") for name in files] == [
        (tmp_path / "at once" / FOLDER / name).read_text("ascii") for name in files
    ]


def test_a_page_written_again_replaces_its_scripts(tmp_path: Path) -> None:
    runs = [run_of(ONE, [item(0, 1.0)])]
    written(tmp_path, runs)
    before = (tmp_path / FOLDER / "0.js").read_text("ascii")
    written(tmp_path, runs)

    assert (tmp_path / FOLDER / "0.js").read_text("ascii") == before


def test_hostile_answers_are_strings_of_ascii_and_nothing_else(tmp_path: Path) -> None:
    items = [item(i, 0.0, answer=text, extracted=text) for i, text in enumerate(HOSTILE)]
    known = {i: Question(i, text, (text,), (text,)) for i, text in enumerate(HOSTILE)}
    written(tmp_path, [run_of(ONE, items)], s1=known)

    for path in (tmp_path / FOLDER).iterdir():
        text = path.read_text(encoding="ascii")
        assert not set("<>&") & set(text)
    assert [row[1] for row in told(tmp_path, "0-0")[0]["a"]] == list(HOSTILE)


def test_runs_are_read_one_after_another(tmp_path: Path) -> None:
    seen: list[int] = []

    def runs() -> Any:
        for number in range(3):
            seen.append(number)
            yield replace(run_of(ONE, [item(0, 1.0)], number), session=f"s{number}")

    written(tmp_path, runs())
    assert seen == [0, 1, 2]
    assert [run["s"] for run in told(tmp_path, "0")[:-1]] == ["s0", "s1", "s2"]
