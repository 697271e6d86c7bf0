"""Figures hold every curve, say what they must say, and come out the same byte for byte."""

import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from benchmarks.figures.draw import compose, plot_all
from benchmarks.figures.plans import (
    STYLES,
    DataText,
    channel_title,
    over_snr,
    over_uses,
    shared_settings,
    styles_of,
)
from simulator.errors import UserError

TEXT = DataText("digits", 64, 10)
SCHEMES = ("rkd_sc", "deep_jscc", "separate", "label_code")
SETTINGS = {
    "rkd_sc": "one nested model, average SNR and k known to both ends, no header",
    "deep_jscc": "one model for k = {k}, trained at 10 dB, no header",
    "separate": "JPEG scan data (tables known, costing $0), CRC16, 5G LDPC rate 0.33, 4-QAM",
    "label_code": "class decided at the transmitter, maximum likelihood; codebook known",
}


def table(
    *,
    channels: Sequence[str] = ("awgn", "rayleigh"),
    schemes: Sequence[str] = SCHEMES,
    snr_db: Sequence[float] = (-10.0, 0.0, 10.0),
    uses: Sequence[int] = (16,),
) -> pd.DataFrame:
    """Made-up rows: accuracy rises with SNR and k and differs between schemes."""
    rows = []
    for number, scheme in enumerate(schemes):
        for channel in channels:
            for snr in snr_db:
                for k in uses:
                    mean = 0.5 + 0.02 * snr + 0.001 * k + 0.01 * number
                    rows.append(
                        {
                            "scheme": scheme,
                            "channel": channel,
                            "snr_db": snr,
                            "channel_uses": k,
                            "images": 360,
                            "realizations": 3 if channel == "awgn" else 10,
                            "accuracy": mean,
                            "ci_low": mean - 0.05,
                            "ci_high": mean + 0.05,
                            "settings": SETTINGS.get(scheme, "settings").format(k=k),
                        }
                    )
    return pd.DataFrame(rows)


def over_snr_figure(rows: pd.DataFrame) -> Figure:
    """The figure for the only k of the rows."""
    (plan,) = over_snr(rows, TEXT)
    return compose(plan)


def curves(figure: Figure) -> list[dict[str, list[float]]]:
    """Per panel the accuracies in percent of every scheme that is drawn."""
    panels = []
    for axes in figure.axes:
        lines = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
        panel = {str(line.get_label()): np.asarray(line.get_ydata()).tolist() for line in lines}
        assert len(panel) == len(lines), "a scheme is drawn twice"
        panels.append(panel)
    return panels


def words(figure: Figure) -> str:
    """All text outside the panels, in one line."""
    return " ".join(text.get_text() for text in figure.texts)


def test_every_scheme_is_drawn_once_in_every_panel() -> None:
    panels = curves(over_snr_figure(table()))
    assert [set(panel) for panel in panels] == [set(SCHEMES)] * 2
    assert panels[0]["rkd_sc"] == pytest.approx([31.6, 51.6, 71.6])
    assert panels[0]["label_code"] == pytest.approx([34.6, 54.6, 74.6])


def test_rows_in_any_order_give_the_same_curve() -> None:
    rows = table()
    shuffled = rows.sample(frac=1, random_state=3)
    shuffled = shuffled.sort_values("channel", kind="stable")
    assert curves(over_snr_figure(shuffled)) == curves(over_snr_figure(rows))


def test_interval_bands_span_the_intervals() -> None:
    figure = over_snr_figure(table(channels=("awgn",), schemes=("rkd_sc",)))
    (band,) = figure.axes[0].collections
    box = band.get_datalim(figure.axes[0].transData)
    assert (box.y0, box.y1) == pytest.approx((26.6, 76.6))


def test_axes_carry_names_and_units() -> None:
    figure = over_snr_figure(table())
    assert [axes.get_title() for axes in figure.axes] == ["AWGN", "Rayleigh, one gain per image"]
    assert figure.axes[0].get_ylabel() == "Accuracy (%)"
    assert all(axes.get_ylim() == (0, 100) for axes in figure.axes)
    assert "per channel use, averaged over fading (dB)" in words(figure)


@pytest.mark.parametrize(
    "phrase",
    [
        "digits: k = 16",
        "k complex channel uses per image; ratio k/(C·H·W) = 16/64 = 0.25",
        "Unit average power per image over the k uses",
        "E|h|² = 1",
        "perfect CSI",
        "An outage counts as a uniform guess (1/10)",
        "uniform guess, 10 %",
        "360 test images, 3 to 10 channel realisations of each",
        "95 % interval over images",
        "JPEG scan data (tables known, costing $0), CRC16, 5G LDPC rate 0.33, 4-QAM",
        "class decided at the transmitter, maximum likelihood; codebook known",
    ],
)
def test_figure_prints_what_makes_numbers_comparable(phrase: str) -> None:
    assert phrase in words(over_snr_figure(table()))


@pytest.mark.parametrize("known", ["average SNR believed 3 dB off", "average SNR"])
def test_knowledge_is_perfect_unless_the_legend_says_otherwise(known: str) -> None:
    figure = over_snr_figure(table(schemes=("rkd_sc",)).assign(settings=known))
    assert ("(perfect CSI, unless" in words(figure)) == ("believed" in known)


@pytest.mark.parametrize("num_channels", [1, 2, 3, 4, 5])
def test_nothing_overlaps_or_leaves_the_sheet_or_is_below_7_points(num_channels: int) -> None:
    channels = ("awgn", "rayleigh", "rician:4", "rayleigh_fast", "rayleigh_block:4")
    figure = over_snr_figure(table(channels=channels[:num_channels], schemes=(*SCHEMES, "new")))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts]
    boxes += [box for box in (axes.get_tightbbox() for axes in figure.axes) if box is not None]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
    for one, other in itertools.combinations(boxes, 2):
        # neighbouring lines of text may touch by the descent of a letter, a point and a half
        both = Bbox.intersection(one, other)
        assert both is None or min(both.width, both.height) < 1.5 * 200 / 72
    ticks = [label for axes in figure.axes for label in axes.get_xticklabels()]
    sizes = [text.get_fontsize() for text in [*figure.texts, *ticks]]
    assert min(float(size) for size in sizes) >= 7


def test_scheme_missing_in_one_panel_is_absent_there_only() -> None:
    rows = table()
    rows = rows[(rows["scheme"] != "separate") | (rows["channel"] == "awgn")]
    first, second = curves(over_snr_figure(rows))
    assert set(first) == set(SCHEMES)
    assert set(second) == set(SCHEMES) - {"separate"}


def test_one_snr_shows_the_schemes_side_by_side() -> None:
    figure = over_snr_figure(table(snr_db=(10.0,)))
    lines = [line for line in figure.axes[0].lines if line.get_label() in SCHEMES]
    positions = [np.asarray(line.get_xdata()).item() for line in lines]
    assert len(set(positions)) == len(SCHEMES)
    assert list(figure.axes[0].get_xticks()) == [10.0]


def test_lone_point_among_curves_keeps_its_place_and_has_a_bar() -> None:
    rows = table(channels=("awgn",), uses=(4, 16, 64))
    rows = rows[(rows["scheme"] != "separate") | (rows["channel_uses"] == 64)]
    (plan,) = over_uses(rows, TEXT, snr_db=(0.0,))
    axes = compose(plan).axes[0]
    (line,) = [line for line in axes.lines if line.get_label() == "separate"]
    assert np.asarray(line.get_xdata()).tolist() == [64.0]
    (bar,) = [c for c in axes.collections if isinstance(c, LineCollection)]
    assert bar.get_segments()[0][:, 1] == pytest.approx([53.4, 63.4])


def test_one_figure_per_k_as_png_and_pdf(tmp_path: Path) -> None:
    paths = plot_all(
        table(uses=(16, 64)), tmp_path / "figures", title="d", source_values=64, num_classes=10
    )
    names = [f"accuracy_snr_k{k}.{kind}" for k in (16, 64) for kind in ("png", "pdf")]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(names)
    with Image.open(paths[0]) as image:
        assert image.width == 1432
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
    assert paths[1].read_bytes().startswith(b"%PDF")


def test_accuracy_over_uses_needs_three_k() -> None:
    assert over_uses(table(uses=(16, 64)), TEXT, snr_db=(0.0,)) == []
    plans = over_uses(table(uses=(4, 16, 64)), TEXT, snr_db=(-9.0, 1.0, 2.0))
    assert [plan.file_name for plan in plans] == ["accuracy_uses_snr-10", "accuracy_uses_snr0"]
    figure = compose(plans[1])
    assert curves(figure)[0]["rkd_sc"] == pytest.approx([50.4, 51.6, 56.4])
    assert list(figure.axes[0].get_xticks()) == [4, 16, 64]
    assert "SNR = Es/N0 per channel use, averaged over fading" in words(figure)


def test_variants_of_one_k_each_make_one_curve_over_k() -> None:
    nested, own = table(uses=(4, 16, 64)), table(uses=(4, 16, 64))
    mine = own[own["scheme"] == "rkd_sc"]
    single = mine.assign(scheme=[f"rkd_sc:k{k}" for k in mine["channel_uses"]])
    plan = over_uses(pd.concat([nested, single]), TEXT, snr_db=(1.0,))[0]
    curve = plan.curve("awgn", "rkd_sc:one_model_for_each_k")
    assert list(curve["channel_uses"]) == [4, 16, 64]
    assert "RKD-SC (CAT), one model for each k" in [title for _, title, _ in plan.legend]


def test_same_rows_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    rows = table(channels=("awgn",))
    here = plot_all(rows, tmp_path / "here", title="d", source_values=64, num_classes=10)
    rows.to_json(tmp_path / "rows.json", orient="records", double_precision=15)
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nlines.linewidth: 9\n", encoding="utf-8")
    script = (
        "import sys, pandas as pd; from pathlib import Path;"
        "from benchmarks.figures.draw import plot_all;"
        "plot_all(pd.read_json(sys.argv[1]), Path(sys.argv[2]), title='d', source_values=64,"
        "num_classes=10)"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "rows.json"), str(tmp_path / "there")],
        check=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path)},
    )
    for path in here:
        assert path.read_bytes() == (tmp_path / "there" / path.name).read_bytes()


def test_schemes_of_one_figure_never_share_a_style() -> None:
    styles = styles_of([*STYLES, *(f"rkd_sc:variant_{number}" for number in range(100))])
    seen = [(style.colour, str(style.dashes), style.marker) for style in styles.values()]
    assert len(set(seen)) == len(seen) == len(STYLES) + 100


def test_styles_are_fixed_for_known_schemes_and_differ_for_all() -> None:
    styles = styles_of(["zebra", "label_code", "apple", "rkd_sc"])
    assert list(styles) == ["rkd_sc", "label_code", "apple", "zebra"]
    assert styles["label_code"] == STYLES["label_code"]
    for aspect in ("colour", "dashes", "marker"):
        assert len({str(getattr(style, aspect)) for style in styles.values()}) == 4


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("awgn", "AWGN"),
        ("rayleigh_fast", "Rayleigh, one gain per use"),
        ("rayleigh_block:4", "Rayleigh, one gain per 4 uses"),
        ("rician:4", "Rician K = 4, one gain per image"),
        ("nakagami:2", "Nakagami m = 2, one gain per image"),
        ("tdl:a", "tdl:a"),
    ],
)
def test_channel_titles(name: str, title: str) -> None:
    assert channel_title(name) == title


def test_settings_of_several_k_are_reduced_to_what_they_share() -> None:
    assert shared_settings(["a, b", "a, b"]) == "a, b"
    assert shared_settings(["k = 4, b, c", "k = 8, b, c"]) == (
        "b, c; the rest depends on k: see accuracy_snr_k*"
    )


def test_rows_that_cannot_be_drawn_are_refused() -> None:
    rows = table()
    with pytest.raises(UserError, match="ci_low"):
        over_snr(rows.drop(columns="ci_low"), TEXT)
    with pytest.raises(UserError, match="at least one row"):
        over_snr(rows.iloc[:0], TEXT)
    with pytest.raises(UserError, match="several for scheme rkd_sc, channel awgn, snr_db -10"):
        over_snr(pd.concat([rows, rows.iloc[:1]]), TEXT)
