"""Published curves: drawn at their k and channels, and labelled as published."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.figures import draw as figures
from benchmarks.figures.published import CURVES, SNR_DB, with_published
from benchmarks.figures.styles import scheme_title
from simulator.resolve import draw


def rows(uses: int, *, snr_db: tuple[float, ...] = (-10.0, 0.0)) -> pd.DataFrame:
    """Made-up rows of one scheme on AWGN."""
    return pd.DataFrame(
        {
            "scheme": "rkd_sc",
            "channel": "awgn",
            "snr_db": snr_db,
            "channel_uses": uses,
            "images": 5000,
            "realizations": 5,
            "accuracy": 0.5,
            "ci_low": 0.4,
            "ci_high": 0.6,
            "settings": "ours",
        }
    )


def best_published(channel: str, snr_db: float) -> float:
    """The highest published accuracy at a point of the published grid, as a fraction."""
    index = SNR_DB.index(snr_db)
    return max(curve[index] for _, name, curve in CURVES if name == channel) / 100


def test_curves_cover_the_published_grid() -> None:
    assert all(len(curve) == len(SNR_DB) == 18 for _, _, curve in CURVES)
    assert best_published("awgn", -10.0) == pytest.approx(0.2676)
    assert best_published("rayleigh", 24.0) == pytest.approx(0.693)


def test_published_rows_are_added_at_their_k_on_our_channels() -> None:
    joined = with_published(rows(256))
    added = joined[joined["scheme"] != "rkd_sc"]
    assert set(added["scheme"]) == {"published_notebook"}  # one curve of a figure would mislead
    assert set(added["channel"]) == {"awgn"}
    assert added["snr_db"].between(-10, 0).all()
    assert not joined.isna().any(axis=None)
    assert len(with_published(rows(64))) == 2


def test_legend_titles_include_labels() -> None:
    assert scheme_title("rkd_sc:no_snr") == "RKD-SC, no snr"
    assert scheme_title("published_notebook").startswith("published")


@pytest.mark.parametrize("classes", [10, 100])
def test_published_curves_are_drawn_only_for_100_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: int
) -> None:
    """The number of classes of the data decides, not the name of the recipe."""
    asked: dict[str, object] = {}
    monkeypatch.setattr(figures, "plot_all", lambda *_, **options: asked.update(options) or [])
    data = {"image_shape": [3, 32, 32], "title": "d", "classes": classes}
    draw(rows(256), {"data": data, "recipe": {"name": "cifar100"}}, tmp_path)
    assert asked["published"] == (classes == 100)
