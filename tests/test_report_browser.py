"""The report in Chromium: no errors or external requests; filters and reference mode work."""

import csv
import io
import itertools
import math
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.figures.styles import STYLES
from channels.streams import Streams
from simulator.statistics.intervals import accuracy_interval
from simulator.storage.environment import ROOT
from simulator.storage.files import load_tensors, write_json
from simulator.storage.folders import SAMPLES
from tests.browsers import MARKS as BROWSER
from tests.browsers import check_fits, check_names, chromium, opened
from tests.commands import WEIGHTS, status

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

CHANNELS = ("awgn", "rayleigh", "rician:4", "tdl:A:100ns")
ENDS = ("low", "high")
LARGEST = ROOT / "results/reference/cifar100/links"
MARKS = "#snr .mark-symbol path"
pytestmark = BROWSER


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with chromium() as own:
        yield own


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sweep of three schemes, with its report."""
    out = tmp_path_factory.mktemp("sweep") / "small"
    grid = ["--images", "100", "--snr-db", "-10,0,10", "--channel-uses", "16,64"]
    schemes = ["--schemes", "rkd_sc,dt_jscc,label_code"]
    with pytest.MonkeyPatch.context() as patch:
        sweep = ["sweep", "digits", "--weights", WEIGHTS, "--realizations", "1", "--out", out]
        assert status(patch, *sweep, *grid, *schemes) == 0
    return out


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sweep of schemes whose images or symbols are kept."""
    out = tmp_path_factory.mktemp("samples") / "small"
    grid = ["--images", "40", "--snr-db", "-10,20", "--channel-uses", "64", "--channels", "awgn"]
    schemes = ["--schemes", "rkd_sc,deep_jscc_image,separate"]
    with pytest.MonkeyPatch.context() as patch:
        sweep = ["sweep", "digits", "--weights", WEIGHTS, "--realizations", "1", "--out", out]
        assert status(patch, *sweep, *grid, *schemes) == 0
    return out


@pytest.fixture
def page(browser: "Browser", folder: Path) -> "Iterator[Page]":
    """The drawn report; on exit, check for errors and external requests."""
    with shown(browser, folder / "report.html") as page:
        yield page


def shown(browser: "Browser", path: Path) -> "AbstractContextManager[Page]":
    """Open a report and wait until it is drawn."""
    return opened(browser, path.as_uri(), "body[data-drawn]")


def drawn(page: "Page", times: int) -> None:
    """Wait until the panels have been drawn this many times."""
    page.wait_for_function(f"Number(document.body.dataset.drawn) >= {times}", timeout=120_000)


def lines(page: "Page", table: str) -> list[list[str]]:
    """The cell texts of the body of a table."""
    script = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    found: list[list[str]] = page.eval_on_selector_all(f"#{table} tbody tr", script)
    return found


def test_every_point_is_a_mark_with_a_descriptive_label(page: "Page", folder: Path) -> None:
    rows = pd.read_csv(folder / "results.csv")
    here = rows[rows["channel_uses"] == 16]
    assert page.locator(MARKS).count() == len(here)
    labels = page.eval_on_selector_all(MARKS, "all => all.map(own => own.ariaLabel)")
    ours = here[here["scheme"] == "rkd_sc"]
    for value, low in zip(100 * ours["accuracy"], 100 * ours["ci_low"], strict=True):
        told = f"accuracy {value:.1f} %; 95 %, images {low:.1f} to"
        assert any(label.startswith("RKD-SC, ") and told in label for label in labels)
    assert page.locator("#gap .mark-symbol path").count() == len(here)
    assert page.locator("#uses-chart .mark-symbol path").count() == 2 * (3 + 2)  # channels, k


def test_filters_change_the_marks(page: "Page") -> None:
    whole = page.locator(MARKS).count()
    page.uncheck("#schemes input[value=dt_jscc]")
    drawn(page, 2)
    assert page.locator(MARKS).count() == whole * 2 // 3
    page.uncheck("#channels input[value=awgn]")
    drawn(page, 3)
    assert page.locator(MARKS).count() == whole // 3
    page.select_option("#uses-at", "64")
    drawn(page, 4)
    assert "k = 64" in page.inner_text("#snr-title")
    page.check("#draws")
    drawn(page, 5)
    assert page.locator("#snr .mark-rule line").count() >= whole // 3
    page.uncheck("#uses input[value='16']")
    drawn(page, 6)
    assert {line[1] for line in lines(page, "needed")} == {"64"}


def test_clicking_a_point_sets_the_snr_of_the_other_panel(page: "Page") -> None:
    label = page.locator(f"{MARKS}[aria-label^='DT-JSCC'][aria-label*=', -10 dB']").first
    label.dispatch_event("click")
    drawn(page, 2)
    assert page.input_value("#snr-at") == "-10"
    assert "SNR = -10 dB" in page.inner_text("#uses-title")


def test_focusing_a_scheme_fades_the_others_in_all_panels(page: "Page") -> None:
    page.focus("#schemes input[value=label_code]")  # as with the keyboard
    for panel in ("snr", "uses-chart", "gap"):
        faded = f"#{panel} .mark-symbol path[opacity='0.15']"
        page.wait_for_selector(faded)
        labels = page.eval_on_selector_all(faded, "all => all.map(own => own.ariaLabel)")
        assert all(not label.startswith("label code") for label in labels)


def test_reference_mode_matches_the_compare_command(
    page: "Page", folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(monkeypatch, "compare", folder, "--b", "label_code") == 0
    table = pd.read_csv(folder / "compare_all_label_code.csv")
    page.click("#table summary")
    drawn(page, 2)
    page.select_option("#reference", "label_code")
    drawn(page, 3)
    assert page.is_hidden("#gap-figure")
    found = {tuple(line[:4]): line[4:7] for line in lines(page, "points")}
    assert len(found) == len(table)
    titles = {"rkd_sc": "RKD-SC", "dt_jscc": "DT-JSCC"}
    channels = {"awgn": "AWGN", "rayleigh": "Rayleigh, one gain per image"}
    for row in table.to_dict("records"):
        snr, uses = f"{row['snr_db']:g}", str(row["channel_uses"])
        value, interval, p = found[titles[row["a"]], channels[row["channel"]], snr, uses]
        numbers = [float(number) for number in re.findall(r"[-+][\d.]+", f"{value} {interval}")]
        told = [100 * row[name] for name in ("difference", "ci_low", "ci_high")]
        assert numbers == pytest.approx(told, abs=0.0506)
        assert p.endswith("significant at 5 %") == (row["p_holm"] < 0.05)
    hollow = page.locator(f"{MARKS}[fill='var(--paper)']").count()
    assert hollow == ((table["channel_uses"] == 16) & (table["p_holm"] >= 0.05)).sum()
    assert hollow < page.locator(MARKS).count()


def test_download_matches_the_results_table(page: "Page", folder: Path) -> None:
    with page.expect_download() as download:
        page.click("#download")
    text = Path(download.value.path()).read_text(encoding="utf-8")
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(text)), pd.read_csv(folder / "results.csv"), check_dtype=False
    )
    names = next(csv.reader(io.StringIO(text)))
    assert names == list(pd.read_csv(folder / "results.csv", nrows=0))


def test_received_images_and_symbols_are_shown(browser: "Browser", samples: Path) -> None:
    """Every received image has its decision below it; outages are left blank."""
    with shown(browser, samples / "report.html") as page:
        assert page.inner_text("#no-samples") == ""
        cells = lines(page, "pictures")
        assert len(cells) == 1 + 2 * 2  # sent; two schemes at two SNRs
        _, about = load_tensors(samples / SAMPLES)
        told = [*about["pictures"]["decided"]["deep_jscc_image"][1]]
        for cell, own, label in zip(cells[2][1:], told, about["pictures"]["classes"], strict=True):
            assert cell == f"{own}, {'right' if own == label else 'wrong'}"
        assert set(cells[3][1:]) == {"outage"}
        pixels = (
            """own => own.getContext('2d').getImageData(0, 0, 8, 8).data.reduce((a, b) => a + b)"""
        )
        first, *_, lost = page.locator("#pictures tr:nth-child(-n+4) canvas").all()
        assert first.evaluate(pixels) > 255 * 64
        assert lost.evaluate(pixels) == 0
        assert page.locator("#symbols svg[aria-label='Symbols of RKD-SC, 20 dB']").count() == 1
        path = page.get_attribute("#symbols .sent", "d")
        assert path is not None
        assert path.count("M") == 256


def test_page_states_that_samples_are_missing(browser: "Browser", samples: Path) -> None:
    path = samples / "without.html"
    (samples / SAMPLES).rename(samples / "away")
    with pytest.MonkeyPatch.context() as patch:
        assert status(patch, "report", samples, "--out", path) == 0
    (samples / "away").rename(samples / SAMPLES)
    with shown(browser, path) as page:
        assert page.inner_text("#no-samples").startswith("The folder holds no samples")
        assert page.is_hidden("#pictures")
        assert page.is_hidden("#symbols")


def test_page_prints_without_controls(page: "Page") -> None:
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.is_hidden("#download")
    assert page.locator("#snr svg").is_visible()


@pytest.mark.parametrize("width", [400, 1280])
def test_page_fits_the_window_in_light_and_dark_mode(page: "Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    if width == 400:
        drawn(page, 2)
    check_fits(page, width)


def test_controls_have_labels_and_keyboard_focus(page: "Page") -> None:
    check_names(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "uses-at"  # the only sweep needs no choice


@pytest.mark.slow
def test_report_of_the_largest_sweep_is_small_and_fast(
    browser: "Browser", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured in CPU seconds of the page, which do not depend on other load."""
    path = tmp_path / "links.html"
    assert status(monkeypatch, "report", LARGEST, "--out", path) == 0
    assert path.stat().st_size < 3_000_000
    session = browser.new_browser_cdp_session()
    before = renderers(session)
    with shown(browser, path) as page:
        assert renderers(session) - before < 2
        assert page.locator(MARKS).count() > 500


@pytest.mark.slow
def test_filtering_4032_points_is_fast(
    browser: "Browser", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """14 schemes, 18 SNRs, 4 k and 4 channels with outcomes: file size, and CPU time per filter."""
    many_points(tmp_path)
    assert status(monkeypatch, "report", tmp_path) == 0
    path = tmp_path / "report.html"
    assert path.stat().st_size < 3_000_000
    session = browser.new_browser_cdp_session()
    with shown(browser, path) as page:
        assert page.locator(MARKS).count() == 8 * 18 * 4  # only 8 schemes are shown at first
        spent = []
        for act in moves(page):
            before, times = renderers(session), int(page.evaluate("document.body.dataset.drawn"))
            act()
            drawn(page, times + 1)
            spent.append(renderers(session) - before)
        assert median(spent) < 0.3


def moves(page: "Page") -> "list[Callable[[], object]]":
    """Actions that change every kind of filter."""
    boxes = [
        *(f"#schemes input[value={name}]" for name in ("rkd_sc", "dt_jscc", "separate")),
        *(f"#channels input[value={name}]" for name in ("awgn", "rayleigh")),
        *(f"#uses input[value='{k}']" for k in (16, 64)),
    ]
    choices = [("uses-at", "64"), ("snr-at", "10"), ("reference", "rkd_sc"), ("reference", "")]
    return [
        *(partial(page.click, box) for box in boxes),
        *(partial(page.select_option, f"#{name}", value) for name, value in choices),
    ]


def many_points(folder: Path) -> None:
    """A sweep of 14 schemes, 18 SNRs, 4 k and 4 channels, with outcomes drawn from curves."""
    images, draws = 200, Streams(seed=0)("outcomes of the large sweep")
    grid = itertools.product(list(STYLES)[:14], CHANNELS, range(-10, 26, 2), (8, 16, 64, 256))
    rows, codes = [], []
    for number, (scheme, channel, snr_db, k) in enumerate(grid):
        expected = 0.75 / (1 + math.exp(-(snr_db + math.log2(k) - 6 - number % 7 / 3) / 4))
        right = (torch.rand(images, generator=draws) < expected).to(torch.uint8)
        share = float(right.double().mean())
        interval = accuracy_interval(right.double().numpy())
        ends = {f"{what}_{end}": getattr(interval, end) for what in ("ci", "mc") for end in ENDS}
        place = {"scheme": scheme, "channel": channel, "snr_db": snr_db, "channel_uses": k}
        counts = {"images": images, "realizations": 1, "correct": int(right.sum())}
        told = {"delivered": 1.0, "train_seed": 0, "settings": f"{scheme}, no header"}
        rows.append({**place, **counts, "accuracy": share, **ends, **told, **outputs_of(k, images)})
        codes.append(right.numpy())
    pd.DataFrame(rows).to_csv(folder / "results.csv", index=False)
    np.savez_compressed(folder / "outcomes.npz", codes=np.stack(codes), journal=np.array("drawn"))
    data = {"name": "drawn", "title": "drawn", "classes": 10, "image_shape": [1, 8, 8]}
    clean = {"accuracy": 0.75, "ci_low": 0.74, "ci_high": 0.76}
    write_json(folder / "run.json", {"data": data, "journal": "drawn", "noiseless_accuracy": clean})


def outputs_of(k: int, images: int) -> dict[str, float]:
    """The columns of a row that follow from k and the number of images."""
    return {"bandwidth_ratio": k / 64, "transmissions": images}


def renderers(session: "CDPSession") -> float:
    """CPU seconds of all pages."""
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return sum(float(own["cpuTime"]) for own in found if own["type"] == "renderer")
