"""The leaderboard in Chromium: no errors, no external requests; sorting and filters work."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.open.board import write_board
from benchmarks.open.entry import OWN
from tests.benchmarks.open.tasks import SMALL, entry_of
from tests.browsers import MARKS, check_fits, check_names, chromium, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = MARKS


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with chromium() as own:
        yield own


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three entries: one rises with the SNR, one is flat, one is from its own simulation."""
    rising = np.array([[1], [2]])
    flat = np.array([[1], [1]])
    entries = [
        entry_of("rising", rising),
        entry_of("flat", flat, authors="semlink"),
        entry_of("never", 0, origin=OWN),
    ]
    return write_board(tmp_path_factory.mktemp("board"), [(SMALL, entries)])


@pytest.fixture
def page(browser: "Browser", board: Path) -> "Iterator[Page]":
    """The page; on exit, check for errors and external requests."""
    with opened(browser, board.as_uri(), "#board tbody tr") as page:
        yield page


def column(page: "Page", number: int) -> list[str]:
    """The texts of one table column, counted from 0."""
    script = "(rows, at) => rows.map(row => row.cells[at].innerText)"
    found: list[str] = page.eval_on_selector_all("#board tbody tr", script, number)
    return found


def sort(page: "Page", title: str) -> None:
    page.click(f"#board thead button:has-text('{title}')")


def test_table_shows_ranks_accuracies_and_differences(page: "Page") -> None:
    assert column(page, 0) == ["1", "2", "3"]
    assert column(page, 1) == ["rising by A. Tester", "flat", "never by A. Tester own simulation"]
    assert [text.split()[0] for text in column(page, 2)] == ["75.0", "50.0", "0.0"]
    assert column(page, 3)[0] == "leader"
    assert column(page, 3)[1].startswith("\u221225.0 (")
    assert column(page, 7) == ["\u2264 0", "\u2264 0", "not reached"]
    assert page.inner_text("#heading") == "AWGN, k = 16"
    assert page.locator("#board tbody svg").count() == 3


def test_column_headers_sort_and_set_aria_sort(page: "Page") -> None:
    sort(page, "entry")
    assert column(page, 1)[0] == "flat"
    head = "#board thead th:nth-child(2)"
    assert page.get_attribute(head, "aria-sort") == "ascending"
    page.keyboard.press("Enter")  # the button keeps the focus
    assert column(page, 1)[0] == "rising by A. Tester"
    assert page.get_attribute(head, "aria-sort") == "descending"
    sort(page, "10 dB")
    assert column(page, 6) == ["100.0", "50.0", "0.0"]


def test_own_simulations_can_be_hidden(page: "Page") -> None:
    page.uncheck("#own")
    assert column(page, 1) == ["rising by A. Tester", "flat"]
    assert page.inner_text("#status") == "2 entries"


def test_every_entry_shows_its_origin(page: "Page") -> None:
    page.click("#origins summary")
    text = page.inner_text("#entries")
    assert text.count("A. Tester") == 2
    assert text.count("\nsemlink\n") == 1
    assert "made.py: " + "0" * 64 in text
    page.click("#texts summary")
    assert SMALL.digest in page.inner_text("#rules")


@pytest.mark.parametrize("width", [400, 1280])
def test_page_fits_the_window_in_light_and_dark_mode(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    check_fits(page, width)


def test_controls_have_labels_and_keyboard_focus(page: "Page") -> None:
    check_names(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "task"
