"""A reader's browser, and the pages that it opens: fixtures of tests/browser_*.py."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_examples import Campaign, campaign, hostile
from playwright.sync_api import Browser, Page, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window: the one that WEIGHBRIDGE_CHROMIUM names, or one that is on the path."""
    named = os.environ.get("WEIGHBRIDGE_CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if named is None:
        pytest.fail("there is no Chromium; install one, or name it by WEIGHBRIDGE_CHROMIUM=/path/to/chromium")
    with sync_playwright() as playwright:
        # Chromium has no sandbox for root, which a container's user often is; all pages here are ours.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        launched = playwright.chromium.launch(executable_path=named, args=arguments)
        yield launched
        launched.close()


class Reader:
    """A page that was opened from its file with the network off, and what its console said."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.context = browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 900}, **options})
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda told: self.said.append(told.text) if told.type == "error" else None)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))
        self.page.goto(path.as_uri())

    def see_everything(self) -> None:
        """Scroll to the end, so that all that waits for a reader is drawn and loaded."""
        for figure in self.page.locator("[data-figure]").all():
            figure.scroll_into_view_if_needed()
            expect(figure.locator(".vega svg")).to_be_attached(timeout=20_000)
        if self.page.locator("#questions").count():
            self.page.locator("#questions").scroll_into_view_if_needed()
            expect(self.page.locator("#browser-table tbody tr").first).to_be_visible()


def written(told: Campaign, folder: pytest.TempPathFactory) -> Path:
    return told.write(folder.mktemp("page"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(campaign(8, 2), tmp_path_factory)


@pytest.fixture(scope="session")
def sixty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(campaign(60, 6), tmp_path_factory)


@pytest.fixture(scope="session")
def hundred_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(campaign(2, 1, 50_000, 1), tmp_path_factory)


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(hostile(), tmp_path_factory)


@pytest.fixture
def opened(browser: Browser) -> Iterator[Any]:
    """Opens a page; at the end no console may have complained, and nothing but files beside it were asked for."""
    readers: list[Reader] = []

    def open_(path: Path, fragment: str = "", **options: Any) -> Page:
        readers.append(Reader(browser, path, **options))
        if fragment:
            readers[-1].page.goto(f"{path.as_uri()}{fragment}")
        return readers[-1].page

    open_.readers = readers  # type: ignore[attr-defined]
    yield open_
    for reader in readers:
        said, asked = reader.said, [url for url in reader.asked if not url.startswith(("file:", "data:"))]
        reader.context.close()
        assert said == []
        assert asked == []


def texts(page: Page, selector: str) -> list[str]:
    return [text.strip() for text in page.locator(selector).all_text_contents()]


def browse(page: Page) -> None:
    page.get_by_role("link", name="Questions", exact=True).click()
    expect(page.locator("#browser-table tbody tr").first).to_be_visible()
