"""Colours, dashes and markers of the page."""

import re

import pytest

from benchmarks.figures.styles import SPARE_MARKERS, STYLES
from benchmarks.report.looks import DARK, PATHS, contrast, looks_of, on_dark


def test_contrast_matches_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.005)  # a known example


def test_every_marker_has_a_closed_path() -> None:
    assert {style.marker for style in STYLES.values()} | set(SPARE_MARKERS) <= PATHS.keys()
    for path in PATHS.values():
        assert path.endswith("Z")
        assert all(abs(float(number)) <= 1 for number in re.findall(r"-?\d*\.?\d+", path))


def test_every_curve_has_enough_contrast_on_dark_background() -> None:
    looks = looks_of([*STYLES, "own"])
    assert len({look["light"] for look in looks if not look["published"]}) == len(STYLES)
    for look in looks:
        assert contrast(look["dark"], DARK) >= 4
    assert on_dark("#F0E442").lower() == "#f0e442"  # already light


def test_published_curves_are_marked_and_grey() -> None:
    looks = looks_of(["rkd_sc", "published_notebook"])
    grey = {look["name"]: look["published"] for look in looks}
    assert grey == {"rkd_sc": False, "published_notebook": True}
    assert all(len(set(re.findall("..", look["light"][1:]))) == 1 for look in looks[1:])
