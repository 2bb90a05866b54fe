"""The browser of questions and answers in a real browser, by `make test-browser`."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from browser_examples import campaign
from browser_reader import Reader, browse, texts
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
pytest_plugins = ["browser_reader"]


def status(page: Page) -> str:
    return str(page.locator("#browser-status").text_content())


def test_the_browser_shows_the_scores_of_two_combinations_side_by_side(opened: Any, small: Path) -> None:
    page = opened(small)
    browse(page)

    assert status(page) == "40 of 40 questions, 1 to 25"
    assert [text for text in texts(page, "#browser-table thead tr:first-child th") if ":" in text] == [
        "A: model_00 none",
        "B: model_01 int8",
    ]


def test_a_question_opens_with_the_answers_of_both_and_then_of_all(opened: Any, small: Path) -> None:
    page = opened(small)
    browse(page)
    page.get_by_role("button", name="Question 7: all answers").click()
    answers = page.locator(".detail .answers tbody tr")

    expect(answers).to_have_count(2 * 2)
    assert "Who knows?" in texts(page, ".detail .answer")
    page.get_by_role("button", name="12 more answers, of the other combinations").click()
    expect(answers).to_have_count(8 * 2)


@pytest.mark.parametrize("show", ["flipped", "fell", "rose"])
def test_only_questions_that_changed_between_two_combinations(show: str, opened: Any, small: Path) -> None:
    page = opened(small)
    browse(page)
    page.get_by_label("Show").select_option(show)

    changes = set(texts(page, "#browser-table tbody tr td:last-child"))
    assert changes == ({"fell", "rose"} if show == "flipped" else {show})
    counted = page.locator("#browser select[name=show] option:checked").text_content()
    assert counted is not None
    assert status(page).partition(" ")[0] == counted.rpartition("(")[2].rstrip(")")


@pytest.mark.parametrize(("show", "number", "mark"), [("unparsed", "7", "unparsed"), ("cut", "9", "cut off")])
def test_only_questions_whose_answers_ended_badly(show: str, number: str, mark: str, opened: Any, small: Path) -> None:
    page = opened(small)
    browse(page)
    page.get_by_label("Show").select_option(show)

    assert texts(page, "#browser-table tbody th") == [number]
    assert mark in texts(page, "#browser-table tbody .chip")


def test_a_long_answer_says_how_much_of_it_is_elsewhere(opened: Any, small: Path) -> None:
    page = opened(small)
    browse(page)
    page.get_by_role("button", name="Question 9: all answers").click()

    expect(page.locator(".left-out").first).to_have_text(" … 7,000 letters are only in the ledger … ")


def test_questions_are_found_by_number_and_by_what_was_extracted(opened: Any, small: Path) -> None:
    page = opened(small)
    browse(page)
    page.get_by_label("Find").fill("31")
    expect(page.locator("#browser-table tbody th")).to_have_text(["26", "31"])  # 26 plums and 5 are 31
    page.get_by_label("Find").fill("invalid")

    expect(page.locator("#browser-table tbody th")).to_have_text(["7"])


def test_questions_are_found_by_any_word_of_their_text(opened: Any, small: Path) -> None:
    page = opened(small)
    browse(page)
    page.get_by_label("Find").fill("How many COINS did she")

    expect(page.locator("#browser-status")).to_have_text("10 of 40 questions, 1 to 10")


def test_a_question_opens_with_its_text_and_its_right_answer(opened: Any, small: Path) -> None:
    page = opened(small)
    browse(page)
    assert "it asks" in texts(page, "#browser-table thead th")
    page.get_by_role("button", name="Question 3: all answers").click()

    expect(page.locator(".detail .question p").first).to_contain_text("How many coins did she pick in all?")
    expect(page.locator(".detail .question p").last).to_have_text("right answer She picked 3 + 3 = 6 coins.\n#### 6")


def test_of_what_is_chosen_between_the_right_option_is_marked(opened: Any, small: Path) -> None:
    page = opened(small, "#questions?task=demo_task_1")
    page.get_by_role("button", name="Question 3: all answers").click()

    expect(page.locator(".detail .options li")).to_have_text(["6 right", "3", "nobody knows", "more than a hundred"])


def test_a_page_of_an_older_ledger_says_that_questions_were_not_kept(browser: Browser, tmp_path: Path) -> None:
    page = Reader(browser, campaign(2, 1).write(tmp_path, questions=lambda _: {})).page
    browse(page)
    assert "it asks" not in texts(page, "#browser-table thead th")
    page.get_by_role("button", name="Question 3: all answers").click()

    expect(page.locator(".detail .note")).to_have_text("What this question asks was not kept in the ledger.")
    page.context.close()


def test_the_address_tells_what_is_shown(opened: Any, small: Path) -> None:
    there = "#questions?task=demo_task_1&a=model_03-vllm-int8&b=model_02-vllm-none&show=fell"

    page = opened(small, there)
    expect(page.locator("#browser-table tbody tr").first).to_be_visible()
    assert page.locator("#browser select[name=task] option:checked").text_content() == "demo_task_1"
    assert set(texts(page, "#browser-table tbody tr td:last-child")) == {"fell"}
    assert page.url.endswith(there)


def test_an_upgrade_leads_to_the_questions_that_flipped(opened: Any, small: Path) -> None:
    page = opened(small)
    page.get_by_role("link", name="that fell").click()

    expect(page.locator("#browser-table")).to_be_in_viewport()
    expect(page.locator("#browser-table tbody tr").first).to_be_visible()
    assert set(texts(page, "#browser-table tbody tr td:last-child")) == {"fell"}


def test_a_page_without_its_scripts_says_what_is_missing(browser: Browser, small: Path, tmp_path: Path) -> None:
    alone = shutil.copy(small, tmp_path / "report.html")

    page = Reader(browser, Path(alone)).page
    page.locator("#questions").scroll_into_view_if_needed()
    expect(page.locator("#browser-status")).to_have_text(
        "report-items/0.js is not there; it must lie beside this page."
    )
    page.context.close()


def test_scripts_of_another_page_are_not_mistaken_for_its_own(browser: Browser, small: Path, tmp_path: Path) -> None:
    shutil.copytree(small.parent, tmp_path, dirs_exist_ok=True)
    for script in (tmp_path / "report-items").glob("*.js"):
        script.write_text(script.read_text("ascii").replace('weighbridge("', 'weighbridge("x'), "ascii")

    page = Reader(browser, tmp_path / "report.html").page
    page.locator("#questions").scroll_into_view_if_needed()
    expect(page.locator("#browser-status")).to_contain_text("belongs to another report")
    page.context.close()


def test_a_hundred_thousand_answers_are_turned_over_at_once(
    opened: Any, hundred_thousand: Path, record_testsuite_property: Any
) -> None:
    page = opened(hundred_thousand)
    start = time.monotonic()
    browse(page)
    came = time.monotonic() - start
    start = time.monotonic()
    page.get_by_label("Show").select_option("flipped")
    expect(page.locator("#browser-status")).not_to_have_text("50,000 of 50,000 questions, 1 to 25")
    filtered = time.monotonic() - start
    start = time.monotonic()
    page.get_by_role("button", name="Last").click()
    page.locator("#browser-table tbody th button").last.click()
    expect(page.locator(".detail .answers")).to_be_visible()
    assert page.locator("#browser-table tbody tr").count() <= 26
    turned = time.monotonic() - start
    start = time.monotonic()
    page.get_by_label("Show").select_option("all")
    page.get_by_label("Find").fill("picked 49999 coins")
    expect(page.locator("#browser-status")).to_have_text("1 of 50,000 questions, 1 to 1")
    searched = time.monotonic() - start

    took = f"{came:.2f}, {filtered:.2f}, {turned:.2f}, {searched:.2f}"
    record_testsuite_property("seconds to come, filter, turn, search", took)
    assert (came < 5, filtered < 1, turned < 2, searched < 5) == (True, True, True, True), took
