"""Figures: curves, axes, legends, captions, and byte-for-byte reproducibility."""

import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from benchmarks.figures.draw import COLUMN, Width, _across, compose, plot_all, save
from benchmarks.figures.plans import check_rows
from benchmarks.figures.styles import STYLES, apart, scheme_title, styles_of
from simulator.errors import UserError
from simulator.measures.choose import chosen
from simulator.names import Measure
from simulator.storage.folders import forget_figures
from tests.benchmarks.figures.rows import SCHEMES, TEXT, over_snr_plan, sheet, table


def over_snr_figure(rows: pd.DataFrame, measure: Measure = "accuracy") -> Figure:
    """The figure for the only k of the rows."""
    return compose(over_snr_plan(rows, measure))


def curves(figure: Figure) -> list[dict[str, list[float]]]:
    """Per panel the accuracies in percent of every scheme that is drawn."""
    panels = []
    for axes in figure.axes:
        lines = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
        panel = {str(line.get_label()): np.asarray(line.get_ydata()).tolist() for line in lines}
        assert len(panel) == len(lines), "a scheme is drawn twice"
        panels.append(panel)
    return panels


def test_every_scheme_is_drawn_once_in_every_panel() -> None:
    panels = curves(over_snr_figure(table()))
    assert [set(panel) for panel in panels] == [set(SCHEMES)] * 2
    assert panels[0]["rkd_sc"] == pytest.approx([31.6, 51.6, 71.6])
    assert panels[0]["label_code"] == pytest.approx([34.6, 54.6, 74.6])


def test_row_order_does_not_change_the_curves() -> None:
    rows = table()
    shuffled = rows.sample(frac=1, random_state=3)
    shuffled = shuffled.sort_values("channel", kind="stable")
    assert curves(over_snr_figure(shuffled)) == curves(over_snr_figure(rows))


def test_interval_bands_span_the_intervals() -> None:
    figure = over_snr_figure(table(channels=("awgn",), schemes=("rkd_sc",)))
    (band,) = figure.axes[0].collections
    box = band.get_datalim(figure.axes[0].transData)
    assert (box.y0, box.y1) == pytest.approx((26.6, 76.6))


def test_axes_have_titles_labels_and_units() -> None:
    figure = over_snr_figure(table())
    titles = ["(a) AWGN", "(b) Rayleigh, one gain per image"]
    assert [axes.get_title("left") for axes in figure.axes] == titles
    assert [axes.get_ylabel() for axes in figure.axes] == ["Accuracy (%)", ""]
    assert [axes.get_xlabel() for axes in figure.axes] == ["SNR (dB)"] * 2


def test_few_snrs_are_used_as_ticks() -> None:
    (axes,) = over_snr_figure(table(channels=("awgn",), snr_db=(-6.0, 0.0, 7.0))).axes
    assert axes.get_xticks().tolist() == [-6, 0, 7]


def test_axis_spans_the_intervals_and_shows_a_guess_only_inside() -> None:
    rows = table(channels=("awgn",))
    high = rows.assign(accuracy=0.97, ci_low=0.96, ci_high=0.98)
    axes = over_snr_figure(high).axes[0]
    assert axes.get_ylim() == pytest.approx((95.92, 98.08))
    assert [line for line in axes.lines if line.get_linestyle() == ":"] == []
    low = rows.assign(ci_low=0.05)
    (line,) = [line for line in over_snr_figure(low).axes[0].lines if line.get_linestyle() == ":"]
    assert np.asarray(line.get_ydata()).tolist() == [10, 10]


def test_error_rates_use_a_logarithmic_axis() -> None:
    rows = table(channels=("awgn",), schemes=("rkd_sc",))
    rows.loc[2, ["accuracy", "ci_low", "ci_high"]] = [1.0, 0.99, 1.0]
    plan = over_snr_plan(rows, "error")
    axes = compose(plan).axes[0]
    assert plan.file_name == "error_snr_k16"
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "Error rate (%)"
    (line,) = [line for line in axes.lines if line.get_label() == "rkd_sc"]
    assert np.asarray(line.get_ydata()) == pytest.approx([68.4, 48.4, np.nan], nan_ok=True)
    assert axes.get_ylim()[0] == pytest.approx(1 / 1.15)
    assert "points without an error are left out" in plan.all_notes.lower()
    assert "a uniform guess, 90 %" in plan.all_notes


@pytest.mark.parametrize("num_channels", [1, 2, 3, 5])
@pytest.mark.parametrize("snr_db", [(-10.0, 0.0, 10.0), (0.0,)])
def test_nothing_overlaps_or_is_clipped_and_text_has_at_least_7_points(
    num_channels: int, snr_db: tuple[float, ...]
) -> None:
    channels = ("awgn", "rayleigh", "rician:4", "rayleigh_fast", "rayleigh_block:4")
    names = (*SCHEMES, "capacity_bound", "digital_semantic", "new")
    figure = over_snr_figure(table(channels=channels[:num_channels], schemes=names, snr_db=snr_db))
    figure.draw_without_rendering()
    boxes = [legend.get_window_extent() for legend in figure.legends]
    boxes += [box for box in (axes.get_tightbbox() for axes in figure.axes) if box is not None]
    for box in boxes:
        assert box.x0 >= -0.5
        assert box.y0 >= -0.5
        assert box.x1 <= figure.bbox.x1 + 0.5
        assert box.y1 <= figure.bbox.y1 + 0.5
    for one, other in itertools.combinations(boxes, 2):
        both = Bbox.intersection(one, other)
        assert both is None or min(both.width, both.height) < 1
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert min(float(text.get_fontsize()) for text in texts) >= 7
    assert {text.get_fontsize() for text in texts} <= {7, 8}


@pytest.mark.parametrize(
    ("width", "channels", "inches"),
    [
        ("auto", ("awgn",), 3.5),
        ("auto", ("awgn", "rayleigh"), 7.16),
        ("text", ("awgn",), 7.16),
        ("column", ("awgn",), 3.5),
    ],
)
def test_figure_widths_in_inches(width: Width, channels: Sequence[str], inches: float) -> None:
    assert compose(over_snr_plan(table(channels=channels)), width=width).get_figwidth() == inches


def test_at_most_eight_schemes_are_shown_by_default() -> None:
    names = (*(f"new_{number}" for number in range(8)), "deep_jscc", "rkd_sc")
    rows = table(channels=("awgn",), schemes=names)
    plan = over_snr_plan(rows)
    assert list(plan.shown) == ["rkd_sc", *names[:7]]  # the user's own before other baselines
    assert "Not shown: deep JSCC; new 7." in plan.all_notes
    (whole,) = replace(sheet(rows), most=None).over_snr(rows)
    assert set(whole.shown) == set(names)


def test_named_schemes_are_drawn_in_the_given_order(tmp_path: Path) -> None:
    def choose(rows: pd.DataFrame) -> pd.DataFrame:
        return chosen(rows, schemes=("label_code", "rkd_sc"), channels=("rayleigh",))

    paths = plot_all(table(), tmp_path, text=TEXT, choose=choose, named=True)
    caption = paths[2].read_text(encoding="utf-8")
    assert caption.index("label code: class") < caption.index("RKD-SC: one nested")
    assert "separate" not in caption


def test_coinciding_curves_are_all_visible(tmp_path: Path) -> None:
    """Each of several equal curves has many pixels of its own colour."""
    snr = tuple(float(value) for value in range(16))
    rows = table(channels=("awgn",), schemes=("rkd_sc", "deep_jscc", "new"), snr_db=snr)
    rows = rows.assign(accuracy=0.5, ci_low=0.5, ci_high=0.5)
    figure = over_snr_figure(rows)
    for legend in figure.legends:
        legend.remove()
    path = save(figure, tmp_path, "figure")[0]
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=float).reshape(-1, 3)
    for style in styles_of(rows["scheme"]).values():
        own = 255 * np.array(to_rgb(style.colour))
        assert (abs(pixels - own).max(axis=1) < 3).sum() > 400


def test_scheme_missing_in_one_panel_is_absent_there_only() -> None:
    rows = table()
    rows = rows[(rows["scheme"] != "separate") | (rows["channel"] == "awgn")]
    first, second = curves(over_snr_figure(rows))
    assert set(first) == set(SCHEMES)
    assert set(second) == set(SCHEMES) - {"separate"}


@pytest.mark.parametrize("measure", ["accuracy", "error"])
def test_single_snr_is_drawn_as_bars(measure: Measure) -> None:
    rows = table(snr_db=(10.0,))
    rows = rows[(rows["scheme"] != "separate") | (rows["channel"] == "awgn")]
    first, second = over_snr_figure(rows, measure).axes
    assert first.get_title("left") == "(a) AWGN"
    plan = over_snr_plan(rows, measure)
    assert " at k = 16, SNR = 10 dB. Panels: (a) AWGN; (b) Rayleigh, one gain" in plan.caption
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names == ["RKD-SC", "deep JSCC", "separate", "label code"]
    ends = [100 * value for value in rows[rows["channel"] == "awgn"]["accuracy"]]
    if measure == "error":
        ends = [100 - end for end in ends]
    assert [bar.get_x() + bar.get_width() for bar in bars(first)] == pytest.approx(ends)
    assert [bar.get_y() + bar.get_height() / 2 for bar in bars(second)] == pytest.approx([0, 1, 3])


def bars(axes: Axes) -> list[Rectangle]:
    """The bars of a panel from the top."""
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_single_point_among_curves_has_an_error_bar() -> None:
    rows = table(channels=("awgn",), uses=(4, 16, 64))
    rows = rows[(rows["scheme"] != "separate") | (rows["channel_uses"] == 64)]
    (plan,) = sheet(rows).over_uses(rows, snr_db=(0.0,))
    axes = compose(plan).axes[0]
    (line,) = [line for line in axes.lines if line.get_label() == "separate"]
    assert np.asarray(line.get_xdata()).tolist() == [64.0]
    (bar,) = [c for c in axes.collections if isinstance(c, LineCollection)]
    assert bar.get_segments()[0][:, 1] == pytest.approx([53.4, 63.4])


def test_each_k_has_its_own_figure_files_and_caption(tmp_path: Path) -> None:
    paths = plot_all(table(uses=(16, 64)), tmp_path / "figures", text=TEXT)
    kinds = ("png", "pdf", "txt", "tex")
    names = [f"accuracy_snr_k{k}.{kind}" for k in (16, 64) for kind in kinds]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(names)
    with Image.open(paths[0]) as image:
        assert image.width == 2148
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert paths[1].read_bytes().startswith(b"%PDF")
    assert paths[2].read_text(encoding="utf-8").startswith("digits: accuracy versus SNR at k = 16.")
    assert paths[3].read_text(encoding="utf-8").startswith(r"\caption[")


def test_column_width_gives_one_figure_per_channel(tmp_path: Path) -> None:
    rows = table(channels=("awgn", "rician:4"))
    paths = plot_all(rows, tmp_path, text=TEXT, width="column")
    names = ["accuracy_snr_k16_awgn.png", "accuracy_snr_k16_rician-4.png"]
    assert [path.name for path in paths if path.suffix == ".png"] == names
    forget_figures(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_accuracy_over_uses_needs_three_k() -> None:
    few, rows = table(uses=(16, 64)), table(uses=(4, 16, 64))
    assert sheet(few).over_uses(few, snr_db=(0.0,)) == []
    both = table(channels=("awgn", "awgn+ls:8"), uses=(16, 64))  # 16, 24, 64, 72 with pilots
    both["pilot_uses"] = 8 * both["channel"].str.endswith("ls:8")
    assert sheet(both).over_uses(both, snr_db=(0.0,)) == []
    plans = sheet(rows).over_uses(rows, snr_db=(-9.0, 1.0, 2.0))
    assert [plan.file_name for plan in plans] == ["accuracy_uses_snr-10", "accuracy_uses_snr0"]
    figure = compose(plans[1])
    assert curves(figure)[0]["rkd_sc"] == pytest.approx([50.4, 51.6, 56.4])
    assert list(figure.axes[0].get_xticks()) == [4, 16, 64]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["4", "16", "64"]
    assert "SNR = Es/N0 per channel use, averaged over fading" in plans[1].all_notes


def test_ticks_over_channel_uses_include_pilots() -> None:
    rows = table(channels=("awgn", "awgn+ls:8"), uses=(16, 32, 64))
    rows["pilot_uses"] = 8 * rows["channel"].str.endswith("ls:8")
    (plan,) = sheet(rows).over_uses(rows, snr_db=(0.0,))
    one, other = compose(plan).axes
    assert one.get_xticks().tolist() == [16, 32, 64]
    assert other.get_xticks().tolist() == [24, 40, 72]
    labels = ["Channel uses per image, k", "Channel uses per image (k + pilots)"]
    assert [axes.get_xlabel() for axes in (one, other)] == labels
    assert "accuracy versus k + pilots at SNR = 0 dB." in plan.caption


def test_long_titles_break_at_a_comma() -> None:
    rows = table(channels=("tdl:A:300ns+lmmse:8",), uses=(16, 32, 64))
    (plan,) = sheet(rows).over_uses(rows, snr_db=(0.0,))
    title = compose(plan, width="column").axes[0].get_title("left")
    assert title == "TDL-A, 300 ns, 3 km/h, LMMSE (8),\nSNR = 0 dB"
    figure = over_snr_figure(table(channels=("awgn", "tdl:A+cfo:1+pa:6+lmmse:8")))
    title = "(b) TDL-A, 1 ppm offset,\namplifier at 6 dB back-off, LMMSE (8)"
    assert figure.axes[1].get_title("left") == title


@pytest.mark.parametrize(("uses", "said"), [(range(1, 12), True), (range(1, 3), False)])
def test_drawing_many_figures_is_announced(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    uses: range,
    said: bool,
) -> None:
    monkeypatch.setattr("benchmarks.figures.draw.save", lambda *_: [])
    plot_all(table(uses=uses, snr_db=(0.0, 1.0)), tmp_path, text=TEXT, width="column")
    told = capsys.readouterr().err
    assert told.startswith("semlink: drawing 26 figures, 104 files, in ") == said
    assert told.count("\n") == said


def test_single_k_models_are_joined_into_one_curve_over_k() -> None:
    nested, own = table(uses=(4, 16, 64)), table(uses=(4, 16, 64))
    mine = own[own["scheme"] == "rkd_sc"]
    single = mine.assign(scheme=[f"rkd_sc:k{k}" for k in mine["channel_uses"]])
    rows = pd.concat([nested, single])
    plan = sheet(rows).over_uses(rows, snr_db=(1.0,))[0]
    curve = plan.curve("awgn", "rkd_sc:one_model_for_each_k")
    assert list(curve["channel_uses"]) == [4, 16, 64]
    assert "RKD-SC, one model for each k: " in plan.all_notes


def test_palette_images_keep_the_colours(tmp_path: Path) -> None:
    figure = over_snr_figure(table())
    path, _ = save(figure, tmp_path, "own")
    figure.savefig(tmp_path / "full.png", dpi=300)
    with Image.open(path) as reduced, Image.open(tmp_path / "full.png") as full:
        assert reduced.mode == "P"
        assert full.size == reduced.size
        pixels = (np.asarray(own.convert("RGB"), dtype=int) for own in (reduced, full))
        assert np.abs(np.subtract(*pixels)).max() < 32


def test_same_rows_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    rows = table(channels=("awgn",))
    here = plot_all(rows, tmp_path / "here", text=TEXT)
    rows.to_parquet(tmp_path / "rows.parquet")  # lossless
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nlines.linewidth: 9\n", encoding="utf-8")
    script = (
        "import sys, pandas as pd; from pathlib import Path;"
        "from benchmarks.figures.draw import plot_all;"
        "from benchmarks.figures.captions import DataText;"
        "plot_all(pd.read_parquet(sys.argv[1]), Path(sys.argv[2]), text=DataText('digits', 64, 10))"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "rows.parquet"), str(tmp_path / "there")],
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


@pytest.mark.parametrize("known", ["digital_semantic", "label_code", "separate"])
def test_automatic_styles_differ_clearly_from_other_styles(known: str) -> None:
    styles = styles_of(["rkd_sc", "adjscc", known, "mine", "yours"])
    for own in ("mine", "yours"):
        for other in styles.keys() - {own}:
            assert apart(styles[own], styles[other]) > 1.0


def test_legend_of_three_channels_fills_the_empty_panel() -> None:
    figure = over_snr_figure(table(channels=("awgn", "rayleigh", "rician:4")))
    assert figure.legends == []
    *panels, spare = figure.axes
    assert len(panels) == 3
    assert not spare.axison
    legend = spare.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [scheme_title(n) for n in SCHEMES]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (("rkd_sc", "adjscc", "vl_vfe"), 3),
        (("rkd_sc", "a" * 9, "b" * 30), 1),
        (("rkd_sc", "adjscc", "vl_vfe", "a", "b"), 3),
        (("rkd_sc", "adjscc", "vl_vfe", "a", "b", "capacity_bound"), 2),
    ],
)
def test_legend_rows_have_similar_lengths(names: tuple[str, ...], columns: int) -> None:
    plan = over_snr_plan(table(channels=("awgn",), schemes=names))
    assert _across(plan, COLUMN) == columns


def test_styles_are_fixed_for_known_schemes_and_differ_for_all() -> None:
    styles = styles_of(["zebra", "label_code", "apple", "rkd_sc"])
    assert list(styles) == ["rkd_sc", "label_code", "apple", "zebra"]
    assert replace(styles["label_code"], title="") == STYLES["label_code"]
    variants = styles_of([*STYLES, *(f"deep_jscc:{number}" for number in range(7))])
    assert len({style.colour for style in variants.values()}) == len(STYLES) + 7
    for aspect in ("colour", "dashes", "marker"):
        assert len({str(getattr(style, aspect)) for style in styles.values()}) == 4


def test_invalid_rows_raise_errors() -> None:
    rows = table()
    with pytest.raises(UserError, match="ci_low"):
        check_rows(rows.drop(columns="ci_low"))
    with pytest.raises(UserError, match="at least one row"):
        check_rows(rows.iloc[:0])
    with pytest.raises(UserError, match="several for scheme rkd_sc, channel awgn, snr_db -10"):
        check_rows(pd.concat([rows, rows.iloc[:1]]))


def test_every_channel_has_a_panel() -> None:
    channels = tuple(f"rician:{factor}" for factor in range(1, 31))
    panels = over_snr_plan(table(channels=channels, schemes=("rkd_sc",))).panels
    assert [*panels] == [*channels]
    assert panels["rician:27"].startswith("(aa) ")


def test_forget_figures_removes_figures_of_every_measure(tmp_path: Path) -> None:
    for name in ("psnr_snr_k64.png", "ssim_uses_snr0.pdf", "error_snr_k16.txt", "psnr_of_mine.png"):
        (tmp_path / name).touch()
    forget_figures(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["psnr_of_mine.png"]
