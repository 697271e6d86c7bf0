"""Open pages in Chromium, and check what must hold for all of them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@contextmanager
def chromium(*, one_core: bool = False) -> "Iterator[Browser]":
    """Chromium, restricted to a single core if `one_core`."""
    from playwright.sync_api import sync_playwright

    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has no sandbox for root
    cores = os.sched_getaffinity(0)
    with sync_playwright() as playwright:
        os.sched_setaffinity(0, {min(cores)} if one_core else cores)
        try:
            own = playwright.chromium.launch(executable_path=CHROMIUM, args=root)
        finally:
            os.sched_setaffinity(0, cores)
        yield own
        own.close()


@contextmanager
def opened(browser: "Browser", address: str, ready: str) -> "Iterator[Page]":
    """Open a page and wait for the selector `ready`.

    At the end, check that nothing was logged to the console and no error was raised, and that
    everything was loaded from below the address.
    """
    context = browser.new_context(accept_downloads=True, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    failed: list[str] = []
    loaded: list[str] = []
    page.on("console", lambda message: failed.append(message.text))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(address)
    page.wait_for_selector(ready, timeout=120_000)
    yield page
    context.close()
    assert failed == []
    assert [url for url in loaded if not url.startswith((address, "data:", "blob:"))] == []


def check_fits(page: "Page", width: int) -> None:
    """Check that the page fits this width, and follows the system's light or dark mode."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(paper) == "rgb(20, 23, 28)"


def check_names(page: "Page") -> None:
    """Check that every control has a label or a text."""
    unnamed = "all => all.filter(own => !own.labels?.length && !own.textContent.trim()).length"
    assert page.eval_on_selector_all("select, input, button", unnamed) == 0
