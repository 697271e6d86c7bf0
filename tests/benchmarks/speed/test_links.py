"""Section (h) of the speed benchmark: rows and ratios."""

from dataclasses import replace

import pytest

from benchmarks.speed import links as speed_links
from benchmarks.speed import networks
from benchmarks.speed.table import QUICK


def test_ratios_match_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_links, "CALLS", 1)
    monkeypatch.setattr(networks, "SNR_DB", (0.0,))
    rows = {row.what: row.value for row in speed_links.links(replace(QUICK, images=10))}
    called = (
        rows["250 images, k=64, tdl:A+lmmse:8"],
        rows["250 images, k=64, the receiver of rkd_sc"],
    )
    assert rows["tdl:A+lmmse:8 over the receiver of rkd_sc"] == called[0] / called[1]
    swept = rows["rkd_sc k=64, points over rayleigh"], rows["rkd_sc k=64, points over tdl:A"]
    assert rows["sweep of rkd_sc, time over tdl:A to time over rayleigh"] == swept[0] / swept[1]
    assert min(called + swept) > 0
