"""The explorer in Chromium: fast answers, no external requests, and a drawn 3 is recognised."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import pytest

from benchmarks.explore.runtime import runtime
from simulator.commands.explore import server
from simulator.errors import UserError
from tests.browsers import MARKS, check_fits, check_names, chromium, opened
from tests.commands import WEIGHTS, status

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = MARKS
THREE = [
    *((45, 35), (65, 22), (95, 22), (110, 40), (108, 60), (85, 75), (70, 77)),
    *((90, 78), (112, 92), (115, 118), (95, 138), (65, 138), (42, 122)),
]  # places on the pad
SOON_MS = 100


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium on one core, where cores can be chosen."""
    with chromium(one_core=True) as own:
        yield own


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of the digits, served."""
    try:
        runtime()
    except UserError as error:
        if not any(reason in str(error) for reason in ("install npm", "npm cannot fetch")):
            raise
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("explore") / "page"
    with pytest.MonkeyPatch.context() as patch:
        assert status(patch, "explore", "digits", "--weights", WEIGHTS, "--out", folder) == 0
    with server(folder, 0) as own:
        threading.Thread(target=own.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{own.server_port}/"
        own.shutdown()


@pytest.fixture
def page(browser: "Browser", address: str) -> "Iterator[Page]":
    """The page after its first answer; on exit, check for errors and external requests."""
    with opened(browser, address, "body[data-answered]") as page:
        yield page


class Answer(NamedTuple):
    """What the page shows after a change."""

    classes: list[str]  # without a channel, of rkd_sc, of label_code, of separate
    ms: float


def moved(page: "Page", control: str, value: object) -> Answer:
    """Set a slider or a menu, and return the answer of the page."""
    script = "(own, value) => { own.value = value; own.dispatchEvent(new Event('input')); }"
    return after(page, partial(page.eval_on_selector, f"#{control}", script, value))


def after(page: "Page", act: Callable[[], object]) -> Answer:
    """Wait for earlier answers, act, and return the answer to this act."""
    page.wait_for_selector("body:not([data-busy])")
    before = int(page.evaluate("document.body.dataset.answered"))
    act()
    page.wait_for_selector(f"body[data-answered='{before + 1}']")
    return answered(page)


def answered(page: "Page") -> Answer:
    script = "rows => rows.map(row => row.cells[1].textContent)"
    classes: list[str] = page.eval_on_selector_all("#decisions tr", script)
    return Answer(classes, float(page.evaluate("document.body.dataset.ms")))


def drawing(page: "Page") -> None:
    """Draw a 3, and wait for the answers to all strokes."""
    before = int(page.evaluate("document.body.dataset.answered"))
    box = page.locator("#pad").bounding_box()
    assert box is not None
    places = [(box["x"] + x, box["y"] + y) for x, y in THREE]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()
    page.wait_for_function(f"document.body.dataset.answered > {before}")
    page.wait_for_selector("body:not([data-busy])")


def test_drawn_3_is_recognised_at_10_db(page: "Page") -> None:
    assert page.inner_text("#snr-told") == "10 dB"
    drawing(page)
    for kind in ("fp32", "int8"):
        after(page, partial(page.select_option, "#networks", kind))
        for channel in ("awgn", "rayleigh", "rician", "tdl"):
            assert moved(page, "kind", channel).classes == ["3", "3", "3", "none"]


@pytest.mark.slow
def test_answers_are_fast_on_one_core(page: "Page") -> None:
    answers = [moved(page, "snr", snr_db) for snr_db in (-5, 0, 5, 15, 20)]
    answers += [moved(page, "k", place) for place in (3, 5, 9, 11)]
    assert median(own.ms for own in answers) < SOON_MS


def test_low_snr_causes_errors_and_draws_are_reproducible(page: "Page") -> None:
    """At the lowest SNR and k some draw is decided wrongly; repeating it gives the same classes."""
    moved(page, "k", 3)
    moved(page, "snr", -12)
    draws = [after(page, partial(page.click, "#again")) for _ in range(8)]
    assert any(own.classes[1] != own.classes[0] for own in draws)
    assert page.inner_text("#draw-told") == "8"
    before = answered(page).classes
    moved(page, "snr", 20)
    assert moved(page, "snr", -12).classes == before


def test_separate_is_shown_only_for_test_images(page: "Page") -> None:
    """Its choice and decoded image, or an outage; nothing for several gains or a drawing."""
    assert moved(page, "snr", 20).classes[3] == "none"
    assert "serves k = 32, 64" in page.inner_text("#decisions")
    moved(page, "k", 11)
    label = page.inner_text("#label").removesuffix(".").rpartition(" ")[2]
    assert answered(page).classes[3] == label
    assert "jpeg, 64-QAM" in page.inner_text("#decisions")
    arrived = page.eval_on_selector("#decoded", "own => own.toDataURL()")
    assert moved(page, "snr", -12).classes[3] == "outage"
    black = page.eval_on_selector("#decoded", "own => own.toDataURL()")
    assert arrived != black
    assert moved(page, "snr", -11).classes[3] == "outage"
    assert page.eval_on_selector("#decoded", "own => own.toDataURL()") == black
    assert moved(page, "kind", "tdl").classes[3] == "none"
    assert page.is_hidden("#decoded-figure")
    moved(page, "kind", "awgn")
    drawing(page)
    assert "only for test images" in page.inner_text("#decisions")


def test_image_files_are_sent_and_other_files_are_rejected(page: "Page", tmp_path: Path) -> None:
    from PIL import Image

    from simulator.data.embedded import embedded

    test = embedded("digits").test
    digit = Image.fromarray(test.images[0, 0].numpy()).resize((80, 80), Image.Resampling.NEAREST)
    digit.save(tmp_path / "digit.png")
    (tmp_path / "letter.png").write_text("no picture")
    page.set_input_files("#file", tmp_path / "digit.png")
    page.wait_for_selector("#label:has-text('digit.png, its centre square.')")
    assert moved(page, "snr", 10).classes[1] == str(int(test.labels[0]))
    page.set_input_files("#file", tmp_path / "letter.png")
    page.wait_for_selector("#label:has-text('letter.png must be a picture')")


@pytest.mark.parametrize("width", [400, 1280])
def test_page_fits_the_window_in_light_and_dark_mode(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    moved(page, "kind", "tdl")
    check_fits(page, width)


def test_every_control_and_canvas_has_a_label(page: "Page") -> None:
    check_names(page)
    mute = "all => all.filter(own => !own.ariaLabel).length"
    assert page.eval_on_selector_all("canvas", mute) == 0
