import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser_examples import HOSTILE, Campaign, campaign, hostile, item, labels

import reports.page.document
from reports.page import write_page
from reports.page.answers import FOLDER
from reports.page.inert import embedded, visible
from reports.summarising import summarise
from reports.summary import Source, Summary

OURS = 6
"""Script elements of a page: theme, two of data, libraries, code; and no other."""


class Elements(HTMLParser):
    """What a browser would make of a page: its elements, the texts inside them, and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag in {"script", "style"}:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in {"script", "style"}:
            self.scripts[-1] += data
        else:
            self.texts.append(data)

    def values(self, *names: str) -> list[str]:
        return [value for _, told in self.elements for name, value in told.items() if name in names and value]

    def by_id(self, name: str) -> tuple[str, dict[str, str | None]]:
        return next(one for one in self.elements if one[1].get("id") == name)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def page_of(told: Campaign, folder: Path, **more: Any) -> Elements:
    return Elements(told.write(folder, **more).read_text(encoding="utf-8"))


def policy_of(page: Elements) -> str:
    (found,) = [told["content"] for _, told in page.elements if told.get("http-equiv") == "Content-Security-Policy"]
    return str(found)


def published(**changes: str) -> Summary:
    told = {"name": "a", "title": "A study", "authors": "Somebody", "date": "2024", "url": "https://a.example/b"}
    return replace(campaign().summary, source=Source(**{**told, **changes}), verdicts={}, not_passed=())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page of three combinations."""
    made = tmp_path_factory.mktemp("page")
    logs = made / "logs" / "s1"
    logs.mkdir(parents=True)
    lines = [f"line {number}" for number in range(100)]
    (logs / "model_00-vllm-none.log").write_text(
        "\n".join([*lines, "\x1b[31mred\x1b[0m", "0 %\r100 %"]), encoding="utf-8"
    )
    campaign().write(made)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> Elements:
    return Elements((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Elements:
    return page_of(hostile(), tmp_path_factory.mktemp("hostile"))


def test_the_verdict_comes_first_then_ranking_observations_and_trade_off(page: Elements) -> None:
    sections = [told["id"] for tag, told in page.elements if tag == "section"]

    wanted = ["verdict", "upgrade", "ranking", "observations", "trade-off", "tables"]
    assert sections[:6] == wanted
    assert sections[-3:] == ["combinations", "questions", "provenance"]


def test_the_headline_says_how_many_gates_did_not_pass(page: Elements) -> None:
    assert "2 of 7 gates did not pass. 5 PASS 2 FAIL" in page.text


def test_the_headline_of_a_session_that_passed_says_so(tmp_path: Path) -> None:
    told = campaign()

    summary = replace(told.summary, verdicts={"PASS": 6}, not_passed=())
    assert "Passed all 6 gates." in page_of(replace(told, summary=summary), tmp_path).text


def test_a_session_without_verdicts_passed_nothing(tmp_path: Path) -> None:
    told = campaign()

    text = page_of(replace(told, summary=replace(told.summary, verdicts={}, not_passed=())), tmp_path).text
    assert "Measured, and held against no thresholds." in text
    assert "Passed" not in text


def test_a_published_study_names_its_source_and_has_no_questions_to_look_through(tmp_path: Path) -> None:
    (path,) = write_page(published(), [], tmp_path)

    made = Elements(path.read_text(encoding="utf-8"))
    assert "A study" in made.text
    assert "https://a.example/b" in made.values("href")
    assert "#questions" not in made.values("href")
    assert not (tmp_path / FOLDER).exists()


def test_a_source_that_is_no_web_address_is_text(tmp_path: Path) -> None:
    (path,) = write_page(published(url="javascript:alert(1)"), [], tmp_path)

    made = Elements(path.read_text(encoding="utf-8"))
    assert "javascript:alert(1)" in made.text
    assert [link for link in made.values("href") if not link.startswith("#")] == []


def test_nothing_is_fetched_from_anywhere(page: Elements) -> None:
    assert {link[0] for link in page.values("href")} == {"#"}
    assert {source.partition(",")[0] for source in page.values("src", "srcset", "poster", "data")} == {
        "data:image/svg+xml"
    }
    assert "default-src 'none'" in policy_of(page)


def test_every_link_leads_somewhere(page: Elements) -> None:
    places = {told.get("id") for _, told in page.elements}

    assert {link[1:].partition("?")[0] for link in page.values("href")} - places == set()


def test_no_two_elements_share_an_id(page: Elements) -> None:
    ids = page.values("id")

    assert len(ids) == len(set(ids))


def test_every_table_has_a_name_and_headings_with_a_scope(page: Elements) -> None:
    tags = [tag for tag, _ in page.elements]

    assert tags.count("caption") == tags.count("table") >= 5
    assert all(told.get("scope") for tag, told in page.elements if tag == "th")


def test_every_figure_has_a_picture_that_can_be_read_aloud(page: Elements) -> None:
    pictures = [told for tag, told in page.elements if tag == "img"]

    assert len(pictures) == [tag for tag, _ in page.elements].count("figure") >= 3
    assert all(told["alt"] for told in pictures)


def test_each_combination_has_a_part_with_its_engine_its_thresholds_and_its_runs(page: Elements) -> None:
    parts = [told["id"] for tag, told in page.elements if tag == "details" and told.get("class") == "part"]

    assert parts == ["combination-1", "combination-2", "combination-3"]
    assert "--model weights/model_00-vllm-none \\ --max-model-len 2048" in page.text
    for table in ("task", "runs"):
        assert page.by_id(f"combination-1-{table}")
    assert "floor headroom verdict" in page.text


def test_a_part_ends_with_the_last_lines_of_the_log_as_a_terminal_would_show_them(page: Elements) -> None:
    assert "line 62 line 63" in page.text
    assert "line 61" not in page.text
    assert "line 99 red 100 %" in page.text


def test_no_log_outside_the_results_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.log").write_text("a secret", encoding="utf-8")
    told = campaign(1, 1)
    engines = [
        replace(told.engines[0], session=session, description={"log": log})
        for session in ("s1", "..", "../..")
        for log in (str(tmp_path / "secret.log"), "../../secret.log", "secret.log", "..", "")
    ]

    for number, engine in enumerate(engines):
        text = page_of(replace(told, engines=[engine]), tmp_path / f"results{number}").text
        assert "a secret" not in text
        assert "Its log is not in this results folder." in text


def test_a_page_elsewhere_reads_the_logs_of_the_results_folder(folder: Path, tmp_path: Path) -> None:
    assert "line 99 red 100 %" in page_of(campaign(1, 1), tmp_path, results=folder).text


def test_a_combination_without_any_run_is_shown_with_dashes(tmp_path: Path) -> None:
    told = campaign(2, 1)

    summary = replace(
        told.summary, rows=tuple(replace(row, rank=None, mean=None, tasks={}) for row in told.summary.rows)
    )
    text = page_of(replace(told, summary=summary, runs=[]), tmp_path).text
    assert "— model_00 none" in text


@pytest.mark.parametrize("name", ["a|b", "two\nlines", "\N{PILE OF POO}", "x" * 300, "&amp;", ""])
def test_a_combination_may_be_called_anything(name: str, tmp_path: Path) -> None:
    from reports.ledger import Ledger
    from thresholds.measurement import Run

    ledger = Ledger(None)
    session = ledger.record_session({"session": "s1"})
    run = Run(name, "task", 1, "exact_match,flexible-extract", (item(0, 1.0), item(1, 0.0)), 2, 1.0)
    ledger.record_run(session, run, {**labels("a-b-c", "task"), "combination": name, "model": name})

    made = page_of(Campaign(summarise(ledger), ledger.runs(session), []), tmp_path)
    assert " ".join(name.split()) in made.text


def test_hostile_texts_are_shown_as_the_texts_they_are(hostile_page: Elements) -> None:
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[2], HOSTILE[3], HOSTILE[4]):
        assert text in hostile_page.text


def test_hostile_texts_make_no_element_and_no_attribute(hostile_page: Elements, page: Elements) -> None:
    tags = {tag for tag, _ in hostile_page.elements}

    assert tags <= {tag for tag, _ in page.elements} | {"b", "h4"}
    assert len([tag for tag, _ in hostile_page.elements if tag == "script"]) < OURS
    assert [name for _, told in hostile_page.elements for name in told if name.startswith("on")] == []
    assert [link for link in hostile_page.values("href", "src") if "javascript" in link.partition("#")[0]] == []


def test_hostile_texts_do_not_leave_the_data_that_they_are_in(hostile_page: Elements) -> None:
    data = [text for text in hostile_page.scripts if text.startswith("{")]

    assert len(data) == 2
    assert all(json.loads(text) for text in data)
    assert not any("<" in text for text in data)


def test_letters_that_turn_the_text_around_them_are_written_out() -> None:
    assert visible("a\u202eb\x00\n\ud800") == "a⟨U+202E⟩b⟨U+0000⟩\n⟨U+D800⟩"


def test_what_is_unknown_is_a_dash() -> None:
    assert visible(None) == "—"


def test_data_in_a_script_are_ascii_without_anything_that_html_reads() -> None:
    text = embedded({"a": "</script><!--&\u2028\u202eé"})

    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a": "</script><!--&\u2028\u202eé"}


def test_only_the_scripts_and_the_style_of_the_page_may_do_anything(page: Elements) -> None:
    allowed = set(re.findall(r"'(sha256-[^']+)'", policy_of(page)))
    inline = [text for text in page.scripts if not text.startswith("{")]

    digests = {f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}" for text in inline}
    assert digests == allowed
    assert "unsafe-eval" not in policy_of(page)
    assert [one for one in policy_of(page).split("; ") if "unsafe-inline" in one] == ["style-src-attr 'unsafe-inline'"]


def test_libraries_that_make_the_page_too_large_move_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports.page.document, "MOST_BYTES", 600_000)

    made = page_of(campaign(), tmp_path)
    beside = (tmp_path / FOLDER / "figures.js").read_text(encoding="utf-8")
    assert "libraries" not in made.values("id")
    assert "window.weighbridgeFigures={" in beside
    assert len((tmp_path / "report.html").read_bytes()) < 600_000


def test_scripts_that_an_earlier_page_left_are_removed(tmp_path: Path) -> None:
    campaign(2, 3).write(tmp_path)
    before = {path.name for path in (tmp_path / FOLDER).iterdir()}
    campaign(2, 1).write(tmp_path)

    assert {path.name for path in (tmp_path / FOLDER).iterdir()} < before


MEASURED = """
import re, sys, time
from pathlib import Path
from browser_examples import campaign
told = campaign(60, 6)
start = time.process_time()
path = told.write(Path(sys.argv[1]))
peak = re.search("VmHWM: *([0-9]+)", Path("/proc/self/status").read_text()) if sys.platform == "linux" else None
print(path.stat().st_size, time.process_time() - start, peak[1] if peak else 0)
"""
"""Its own peak, in KiB: what getrusage tells may be that of the process which started it."""


def test_a_page_of_sixty_combinations_and_six_tasks_is_small_and_soon_written(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        env={"PYTHONPATH": f"{root}:{root / 'tests'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    size, seconds, kibibytes = map(float, done.stdout.split())

    assert size < 3_000_000
    assert seconds < 10  # of the processor, so that a busy machine makes no difference
    assert kibibytes < 1024 * 1024
