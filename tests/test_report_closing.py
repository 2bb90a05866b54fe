import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_reports_plugin import MEASURES, run_of, suite, weigh
from test_reports_summary import Told, labels_of

from reports.book import Book
from reports.closing import MOST_RED, closing
from reports.drawing import draw
from reports.junit import properties_of
from reports.ledger import Ledger
from reports.summarising import summarise
from reports.summary import Summary
from thresholds.verdict import Outcome, Verdict, not_measured

__all__ = ["suite"]

JUDGES = (
    MEASURES
    + """
    from thresholds.verdict import Outcome, Verdict
    lines = ("accuracy/gsm8k of m-vllm-none: FAIL - 10.0 below its floor", "measured  50.0")
    hook.pytest_weighbridge_judged(
        verdict=Verdict(Outcome.FAIL, "below_floor", "accuracy", labels, lines, 0.5, required=0.6, where="m.yaml:3")
    )
"""
)


def summary_with(red: int = 1, observations: int = 5) -> Summary:
    told = Told()
    told.scores("none", 1, 1.0, 0.0)
    for number in range(red):
        lines = (f"accuracy/task {number}: FAIL - below its floor", "measured  50.0")
        told.ledger.record_verdict("s1", Verdict(Outcome.FAIL, "x", "accuracy", labels_of("none", f"t{number}"), lines))
    told.verdict(Outcome.PASS, "none", "gsm8k")
    seen = tuple(SimpleNamespace(text=f"observed {number}") for number in range(observations))
    return replace(summarise(told.ledger), observations=seen)  # type: ignore[arg-type]


def test_verdicts_come_first_then_the_ranking_then_what_stands_out() -> None:
    told = closing(summary_with(), 0, 160).splitlines()

    places = [told.index(line) for line in ("verdicts 1 PASS, 1 FAIL", "Ranking", "What stands out")]
    assert places == sorted(places)
    assert places[0] == 0
    assert told[1] == "  accuracy/task 0: FAIL - below its floor"


def test_three_observations_are_shown_and_with_v_all() -> None:
    assert closing(summary_with(), 0, 160).count("- observed") == 3
    assert closing(summary_with(), 1, 160).count("- observed") == 5
    assert "observed" not in closing(summary_with(), -1, 160)


def test_each_red_verdict_is_one_line_up_to_a_number() -> None:
    many = summary_with(red=MOST_RED + 5)

    assert closing(many, 0, 160).count("  accuracy/task") == MOST_RED
    assert "  … and 5 more, in the report and with -v" in closing(many, 0, 160)
    assert closing(many, 1, 160).count("  accuracy/task") == MOST_RED + 5


def test_quiet_tells_counts_without_the_words() -> None:
    told = closing(summary_with(), -1, 160)

    assert told.startswith("verdicts 1 PASS, 1 FAIL\n\nRanking")


def test_a_session_without_verdicts_begins_with_its_ranking() -> None:
    told = Told()
    told.scores("none", 1, 1.0, 0.0)

    assert closing(summarise(told.ledger), -1, 160).startswith("Ranking")


def junit(suite: pytest.Pytester, *words: str) -> ET.Element:
    weigh(suite, "--junitxml", "junit.xml", *words)
    found = ET.parse(suite.path / "junit.xml").getroot().find("testsuite")  # noqa: S314 - pytest wrote it
    assert found is not None
    return found


def properties(element: ET.Element) -> dict[str, str]:
    return {one.attrib["name"]: one.attrib["value"] for one in element.findall("./properties/property")}


def test_the_junit_file_names_session_reports_and_verdicts(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite=JUDGES.replace('"started": "today"', '"started": "today", "hardware": "2 x CPU"'))

    told = properties(junit(suite))

    assert (told["weighbridge.session"], told["weighbridge.hardware"]) == ("s1", "2 x CPU")
    assert (told["weighbridge.report"], told["weighbridge.report.json"]) == ("results/report.md", "results/report.json")
    counts = {name: value for name, value in told.items() if ".verdicts." in name}
    assert counts == {
        "weighbridge.verdicts.PASS": "0",
        "weighbridge.verdicts.FAIL": "1",
        "weighbridge.verdicts.INCONCLUSIVE": "0",
        "weighbridge.verdicts.NOT_MEASURED": "0",
    }


def test_each_test_of_the_junit_file_has_its_verdict_with_the_numbers(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite=JUDGES + "\ndef test_other(): pass\n")

    judged, other = junit(suite).findall("testcase")

    assert properties(judged) == {
        "accuracy.verdict": "FAIL",
        "accuracy.reason": "below_floor",
        "accuracy.measured": "0.5",
        "accuracy.required": "0.6",
        "accuracy.where": "m.yaml:3",
    }
    assert properties(other) == {}


def test_a_session_that_measures_nothing_adds_nothing_to_the_junit_file(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite="def test_nothing(): pass")

    assert properties(junit(suite)) == {}


def test_a_later_verdict_on_the_same_takes_the_place_of_an_earlier_one(suite: pytest.Pytester) -> None:
    again = JUDGES + JUDGES[JUDGES.index("    hook.pytest_weighbridge_judged") :].replace("FAIL, ", "PASS, ")
    suite.makepyfile(test_suite=again)

    (judged,) = junit(suite).findall("testcase")

    names = [one.attrib["name"] for one in judged.findall("./properties/property")]
    assert (properties(judged)["accuracy.verdict"], len(names), len(set(names))) == ("PASS", 5, 5)


def test_properties_name_the_statistic_of_a_latency_and_leave_out_what_is_unknown() -> None:
    labels = {"combination": "m", "workload": "chat", "statistic": "p95"}

    told = properties_of(not_measured("time_to_first_token", labels, "engine_failed", "why"))

    assert told == {
        "time_to_first_token.p95.verdict": "NOT_MEASURED",
        "time_to_first_token.p95.reason": "engine_failed",
    }


@pytest.fixture
def book(tmp_path: Path) -> Book:
    book = Book(tmp_path)
    book.session_started({"session": "s1", "started": "today"})
    book.run_finished(run_of(1), labels_of("none"))
    return book


def fake(name: str, monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    monkeypatch.setattr(f"reports.drawing.{name}", act)


def test_a_session_ends_with_a_page_and_figures(book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake("_page", monkeypatch, lambda *about: [about[-1] / "report.html"])
    fake("_figures", monkeypatch, lambda *about: [about[-1]])

    assert book.finish(0) == 0

    assert book.written == [tmp_path / name for name in ("report.md", "report.json", "report.html", "figures")]


def test_what_cannot_be_drawn_is_one_line_and_costs_nothing_else(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> list[Path]:
        raise ValueError("no such mark\nand a long trace")

    def absent(*_: Any) -> list[Path]:
        raise ModuleNotFoundError("No module named 'vl_convert'", name="vl_convert")

    fake("_page", monkeypatch, fail)
    fake("_figures", monkeypatch, absent)

    assert book.finish(0) == 0

    assert book.problems == []
    assert book.undrawn == [
        "report.html: no such mark",
        "figures/: vl_convert is not installed; `make` installs it",
    ]
    assert [path.name for path in book.written] == ["report.md", "report.json"]


@pytest.mark.parametrize(("status", "drawings"), [(2, True), (0, False)])
def test_nothing_is_drawn_after_ctrl_c_or_when_nobody_wants_it(
    book: Book, status: int, *, drawings: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.book.draw", lambda *_: pytest.fail("it was drawn"))

    assert book.finish(status, drawings=drawings) == status


def test_what_cannot_be_drawn_is_told_in_the_terminal(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    fake("_page", monkeypatch, lambda *_: 1 / 0)
    fake("_figures", monkeypatch, lambda *_: [])

    result = suite.runpytest_inprocess("-p", "reports.plugin", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")

    result.stdout.fnmatch_lines(["session  s1", "not drawn: report.html: division by zero"])
    assert result.ret == 0


def test_figures_of_an_earlier_session_that_are_not_drawn_again_are_removed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    session = ledger.record_session({"session": "s1"})
    for number in (1, 2):
        ledger.record_run(session, run_of(number), labels_of("none"))
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "of-last-week.svg").write_text("<svg/>")

    drawn = draw(summarise(ledger), ledger, tmp_path)

    assert drawn.problems == []
    assert (tmp_path / "report.html").is_file()
    names = [path.name for path in (tmp_path / "figures").glob("*.svg")]
    assert "of-last-week.svg" not in names
