"""The page in a real browser, by `make test-browser`: it needs Chromium, which an ordinary test run does not."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_examples import HOSTILE
from browser_reader import browse, texts
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
pytest_plugins = ["browser_reader"]


def test_everything_is_drawn_from_a_file_without_a_network_and_without_an_error(opened: Any, small: Path) -> None:
    opened(small)

    opened.readers[0].see_everything()


def test_figures_have_tooltips(opened: Any, small: Path) -> None:
    page = opened(small)
    opened.readers[0].see_everything()
    point = page.locator("#figure-accuracy-throughput .vega svg path[aria-roledescription='point']").first
    point.scroll_into_view_if_needed()

    point.hover(force=True)
    expect(page.locator("#vg-tooltip-element.visible")).to_be_visible()
    expect(page.locator("#vg-tooltip-element")).to_contain_text("model_")


def test_a_table_sorts_by_a_heading_and_the_other_way_round(opened: Any, small: Path) -> None:
    page = opened(small)
    mean = page.locator("#table-ranking th", has_text="mean ± sd").get_by_role("button")
    column = "#table-ranking tbody tr td:nth-child(8)"
    assert page.locator("#table-ranking th").all_text_contents()[7] == "mean ± sd"

    mean.click()
    falling = [float(text.split()[0]) for text in texts(page, column)]
    mean.click()
    rising = [float(text.split()[0]) for text in texts(page, column)]
    assert falling == sorted(falling, reverse=True)
    assert rising == sorted(rising) != falling
    expect(page.locator("#table-ranking th[aria-sort]")).to_have_attribute("aria-sort", "ascending")


def test_the_unknown_stays_last_whichever_way_a_column_is_sorted(opened: Any, small: Path) -> None:
    page = opened(small)
    page.locator("#table-ranking tbody td:nth-child(8)").nth(3).evaluate("cell => { cell.textContent = '—' }")
    mean = page.locator("#table-ranking th", has_text="mean ± sd").get_by_role("button")

    for _ in range(2):
        mean.click()
        assert texts(page, "#table-ranking tbody td:nth-child(8)")[-1] == "—"


def test_the_runs_of_a_combination_stay_below_it_however_the_table_is_sorted(opened: Any, small: Path) -> None:
    page = opened(small)
    page.locator("#table-leaderboard th", has_text="model, run").get_by_role("button").click()
    rows = [
        [cell.strip() for cell in row.split("|")]
        for row in page.locator("#table-leaderboard tbody").evaluate(
            "body => [...body.rows].map(row => [...row.cells].slice(0, 2).map(cell => cell.textContent).join('|'))"
        )
    ]

    assert [name for rank, name in rows if rank] == sorted(name for rank, name in rows if rank)
    assert [bool(rank) for rank, _ in rows] == [True, False, False, False, False] * 8


def test_a_table_shows_only_the_rows_that_have_all_words(opened: Any, small: Path) -> None:
    page = opened(small)
    page.locator("[data-filters='table-ranking']").fill("INT8 model_0")

    shown = page.locator("#table-ranking tbody tr:visible")
    expect(shown).to_have_count(4)
    assert all("int8" in text for text in shown.all_text_contents())
    expect(page.locator("[data-counts='table-ranking']")).to_have_text("4 of 8 rows")


def test_a_link_to_a_combination_opens_its_part(opened: Any, small: Path) -> None:
    page = opened(small)
    part = page.locator("#combination-2")
    expect(part).not_to_have_attribute("open", "")
    page.locator("#table-ranking tbody tr").nth(1).get_by_role("link").click()

    expect(part).to_have_attribute("open", "")
    expect(part.locator("pre.command")).to_be_in_viewport()


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize(("scheme", "colour"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 28)")])
def test_the_page_follows_the_theme_of_the_system(scheme: str, colour: str, opened: Any, small: Path) -> None:
    assert background(opened(small, color_scheme=scheme)) == colour


def test_the_theme_can_be_switched_and_is_kept(opened: Any, small: Path) -> None:
    page = opened(small)
    page.get_by_label("Theme").select_option("dark")
    assert background(page) == "rgb(20, 23, 28)"
    page.reload()

    assert background(page) == "rgb(20, 23, 28)"
    assert page.get_by_label("Theme").input_value() == "dark"


def test_figures_are_drawn_anew_for_another_theme(opened: Any, small: Path) -> None:
    page = opened(small)
    opened.readers[0].see_everything()
    drawn = page.locator("#figure-ranking .vega > svg, #figure-ranking .vega svg.marks").first
    light = drawn.evaluate("one => one.style.backgroundColor")
    page.get_by_label("Theme").select_option("dark")

    expect(drawn).not_to_have_css("background-color", light)


def test_the_keyboard_alone_sorts_filters_and_opens(opened: Any, small: Path) -> None:
    page = opened(small)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#table-ranking th", has_text="model").get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#table-ranking th[aria-sort]")).to_have_text("model")
    browse(page)
    page.get_by_role("button", name="Question 3: all answers").focus()
    page.keyboard.press("Space")

    expect(page.get_by_role("button", name="Question 3: all answers")).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".detail .answers")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_every_control_has_a_name(opened: Any, small: Path) -> None:
    page = opened(small)
    opened.readers[0].see_everything()

    nameless = page.locator(
        "button:visible, input:visible, select:visible, a:visible, [role=region]:visible"
    ).evaluate_all(
        "all => all.filter(one => !one.textContent.trim() && !one.ariaLabel && !one.labels?.length)"
        ".map(one => one.outerHTML)"
    )
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(scheme: str, opened: Any, small: Path) -> None:
    page = opened(small, color_scheme=scheme)
    opened.readers[0].see_everything()
    page.get_by_role("button", name="Open all").click()
    page.get_by_role("button", name="Question 9: all answers").click()
    expect(page.locator(".detail .answers")).to_be_visible()

    found = Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in {"serious", "critical"}]
    assert {one["id"]: [node["html"][:200] for node in one["nodes"][:3]] for one in serious} == {}


def test_hostile_texts_do_nothing(opened: Any, bad: Path) -> None:
    page = opened(bad)
    opened.readers[0].see_everything()
    page.get_by_role("button", name="Open all").click()
    for button in page.locator("#browser-table tbody th button").all():
        button.click()
    expect(page.locator(".detail .answers")).to_have_count(len(HOSTILE) + 1)

    point = page.locator("#figure-ranking .vega svg path[aria-roledescription='point']").first
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    expect(page.locator("#vg-tooltip-element.visible")).to_be_visible()

    assert page.evaluate("window.hacked") is None
    assert page.locator("iframe, [onload], [onerror], base, a[href^=javascript]").count() == 0
    shown = set(page.locator(".answer").all_text_contents())
    assert set(HOSTILE[:8]) <= shown
    assert "aU+202EdesreverU+2066 U+0000U+001B[31mU+D800" in shown


def test_sixty_combinations_over_six_tasks_are_visible_within_a_second(
    opened: Any, sixty: Path, record_testsuite_property: Any
) -> None:
    page = opened(sixty)

    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    record_testsuite_property("milliseconds to first paint, to ready", f"{painted:.0f}, {loaded:.0f}")
    assert painted < 1000
    assert loaded < 2000


def test_on_a_narrow_screen_only_tables_and_figures_scroll_sideways(opened: Any, sixty: Path) -> None:
    page = opened(sixty, viewport={"width": 360, "height": 780})
    browse(page)

    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_what_is_printed_is_light_and_without_controls(opened: Any, small: Path) -> None:
    page = opened(small, color_scheme="dark")
    opened.readers[0].see_everything()
    page.emulate_media(media="print", color_scheme="dark")

    assert background(page) == "rgb(255, 255, 255)"
    expect(page.locator("header")).to_be_hidden()
    expect(page.locator("[data-figure] img").first).to_be_visible()
    expect(page.locator(".vega").first).to_be_hidden()
