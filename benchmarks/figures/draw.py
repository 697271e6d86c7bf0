"""Figures for print from saved rows. Never simulates.

A figure is 3.5 inches wide (a print column) or 7.16 inches (the text width of a page), with no type
below 7 points. Its definitions are in notes below its caption. It has one panel per channel and one
curve per scheme with its 95 % interval. By default the channels of one k share a figure of text
width with one legend and one axis, so that the cost of fading is visible at a glance.

Curves that coincide all stay visible: each one is dashed and thinner than those below it and has
smaller markers, and neighbouring curves have their markers at different points. The same rows give
the same bytes, whatever the user's Matplotlib settings.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray
from PIL import Image

from benchmarks.figures.added import checked_curves, within
from benchmarks.figures.captions import DataText, pilots_of, tex_caption
from benchmarks.figures.plans import (
    FRACTION,
    MOST_SCHEMES,
    QUALITY,
    FigurePlan,
    Sheet,
    check_rows,
    measured,
    over_ebn0,
)
from benchmarks.figures.published import with_published
from benchmarks.figures.renamed import renamed
from benchmarks.figures.styles import Style, styles_of
from simulator.names import Measure
from simulator.progress import announce
from simulator.storage.files import replacing

LOOK = {
    "font.family": "DejaVu Sans",  # included in Matplotlib: the same on every machine
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    **{f"{axis}tick.labelsize": 7 for axis in "xy"},
    **{f"{axis}tick.major.size": 2.5 for axis in "xy"},
    **{f"{axis}tick.major.width": 0.6 for axis in "xy"},
    "legend.fontsize": 7,
    "pdf.fonttype": 42,  # TrueType, as publishers require
}
COLUMN, TEXT = 3.5, 7.16  # widths in inches
MOST_TICKS = 8  # of the SNR axis
PANEL, BAR, LINE = 2.3, 0.2, 0.16  # heights: panel, bar, legend line
LEGEND: Any = {"frameon": False, "handlelength": 3.8, "columnspacing": 1.4, "borderpad": 0.1}
AXES = {
    "snr_db": "SNR (dB)",
    "channel_uses": "Channel uses per image, k",
    "ebn0_db": r"$E_\mathrm{b}/N_0$ (dB)",
}
MEASURES = {
    "accuracy": "Accuracy (%)",
    "error": "Error rate (%)",
    "rate": "Error rate",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
}
PERCENT = ("accuracy", "error")
LOGARITHMIC = ("error", "rate")
USES_SNR_DB = (-6.0, 0.0, 6.0, 12.0)  # versus k: at the nearest measured SNRs
MANY, KINDS = 10, 4  # more figures than MANY are announced first; files per figure
Width = Literal["auto", "column", "text"]


def plot_all(
    rows: pd.DataFrame,
    folder: Path,
    *,
    text: DataText,
    published: bool = False,
    added: pd.DataFrame | None = None,
    choose: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    named: bool = False,
    names: Mapping[str, str] | None = None,
    measure: Measure = "accuracy",
    width: Width = "auto",
) -> list[Path]:
    """Draw every figure that the rows allow, with captions; returns the files written.

    `published` adds the published curves of CIFAR-100 to the figures over SNR, and `added` those of
    the user (see `checked_curves`). `choose` selects the rows that are drawn. If the user `named`
    the schemes, all of them are drawn, in the order of the chosen rows. `names` replaces titles of
    schemes in legends and notes.

    Raises: UserError if there are no rows, they lack a column or the measure, a point occurs twice,
    a curve cannot be added, or a name is wrong (see `renamed`).
    """
    check_rows(rows)
    rows = measured(rows, measure)
    accuracies = measure not in QUALITY
    everything = with_published(rows) if published and accuracies else rows
    chosen = everything if choose is None else choose(everything)
    own: list[str] = []
    if added is not None:
        curves = within(checked_curves(added, rows, value=QUALITY.get(measure)), chosen)
        own = list(curves["scheme"].unique())
        check_rows(chosen := pd.concat([chosen, curves], ignore_index=True))
    styles = renamed(styles_of([*everything["scheme"], *own]), names or {})
    if named:
        styles = {name: styles[name] for name in chosen["scheme"].unique()}
    sheet = Sheet(
        text=text,
        styles=styles,
        measure=measure,
        most=None if named else MOST_SCHEMES,
        always=own,
        by_channel=width == "column",
    )
    ours = chosen[chosen["scheme"].isin(set(rows["scheme"]))]
    plans = sheet.over_snr(chosen) + sheet.over_uses(ours, snr_db=USES_SNR_DB)
    return write_figures(plans, folder, width=width)


def plot_link(rows: pd.DataFrame, folder: Path, *, title: str, about: str) -> list[Path]:
    """Draw the error rates of `semlink link` over Eb/N0 as figure `link`, with its caption.

    Nothing is drawn if no rate is above 0.
    """
    plan = over_ebn0(rows, title=title, about=about)
    return [] if plan.rows.empty else write_figures([plan], folder)


def write_figures(
    plans: Sequence[FigurePlan], folder: Path, *, width: Width = "auto"
) -> list[Path]:
    """Write every figure as PNG and PDF, caption and notes as text and LaTeX; returns the files.

    If there are more than `MANY`, a line on stderr first announces their number.
    """
    if (number := len(plans)) > MANY:
        announce(
            f"drawing {number} figures, {number * KINDS} files, in {folder}; a selection of "
            "channels and k gives fewer"
        )
    paths = []
    for plan in plans:
        name, caption, notes = plan.file_name, plan.caption, plan.all_notes
        paths += save(compose(plan, width=width), folder, name)
        written = (f"{caption}\n\nNotes. {notes}\n", tex_caption(caption, notes, name))
        for kind, text in zip(("txt", "tex"), written, strict=True):
            paths.append(folder / f"{name}.{kind}")
            with replacing(paths[-1]) as temporary:
                temporary.write_text(text, encoding="utf-8", newline="\n")
    return paths


def compose(plan: FigurePlan, *, width: Width = "auto") -> Figure:
    """Compose the figure: a panel for each channel, and the legend below or in a free place."""
    with look():
        number = len(plan.panels)
        columns = min(number, 2)
        inches = COLUMN if width == "column" or (width == "auto" and number == 1) else TEXT
        bars = plan.rows[plan.axis].nunique() == 1
        spare = not bars and number > 2 and number % 2 == 1  # the legend takes the free place
        across = 1 if bars or spare else _across(plan, inches)
        legend = 0.0 if bars or spare else LINE * -(-len(plan.shown) // across)
        panel = 0.65 + BAR * len(plan.shown) if bars else PANEL
        lines = -(-number // columns)
        letters = 72 * (inches - (1.2 if bars else 0.7)) / columns / 4.8  # per line of a title
        figure = Figure(figsize=(inches, lines * panel + legend), dpi=300, layout="constrained")
        grid = figure.subplots(lines, columns, sharex=bars, sharey=True, squeeze=False)
        for axes in grid.flat[number:]:
            axes.axis("off")
        for axes, (channel, title) in zip(grid.flat, plan.panels.items(), strict=False):
            axes.set_title(_wrapped(title, int(letters)))
            (_draw_bars if bars else _draw_curves)(axes, plan, channel)
        for axes in grid[:, 1:].flat:
            axes.set_ylabel("")
        if spare:
            grid.flat[-1].legend(handles=_handles(plan), loc="center", **LEGEND)
        elif not bars:
            handles = _handles(plan)
            figure.legend(handles=handles, loc="outside lower center", ncols=across, **LEGEND)
        return figure


def _across(plan: FigurePlan, inches: float) -> int:
    """Number of legend columns, of similar length, whose entries fit into the width at 7 points."""
    letters = [len(style.title) for style in plan.shown.values()]
    number = len(letters)
    for most in range(min(number, 4), 1, -1):
        columns = -(-number // -(-number // most))
        longest = (max(column) for column in np.array_split(letters, columns))
        alone = number == 3 and columns == 2  # never two entries and one
        if not alone and sum(46 + 4 * length for length in longest) <= 72 * inches:
            return columns
    return 1


def _wrapped(title: str, letters: int) -> str:
    """A title in lines, broken only at its commas if its parts are short enough."""
    parts = (
        part.replace(" ", "\xa0") if len(part) < letters else part for part in title.split(", ")
    )
    text = textwrap.fill(", ".join(parts), letters, break_on_hyphens=False)
    return text.replace("\xa0", " ")


def _handles(plan: FigurePlan) -> list[Line2D]:
    """The entries of the legend."""
    handles = []
    for style in plan.shown.values():
        handles.append(Line2D([], [], label=style.title))
        apply_style(handles[-1], style, 0.5)
    return handles


def _draw_curves(axes: Axes, plan: FigurePlan, channel: str) -> None:
    """Draw one curve per scheme, the first at the bottom; a single point has an error bar."""
    _set_values(axes, plan, "y")
    _set_axis(axes, plan, channel)
    step = plan.marker_step
    for number, (name, style) in enumerate(plan.shown.items()):
        rows = plan.curve(channel, name)
        if rows.empty:
            continue
        x, (mean, low, high) = rows[plan.axis].to_numpy(dtype=float), _values(plan, rows)
        if len(x) == 1:
            bars = (mean - low, high - mean)
            axes.errorbar(x, mean, bars, fmt="none", ecolor=style.colour, elinewidth=1, capsize=3)
        else:
            axes.fill_between(x, low, high, color=style.colour, alpha=0.12, linewidth=0)
        (line,) = axes.plot(x, mean, label=name, clip_on=False, zorder=3 + number / 100)
        apply_style(line, style, number / max(1, len(plan.shown) - 1))
        if len(x) > step > 1:
            line.set_markevery((number % step, step))
        else:
            line.set_markerfacecolor("none")  # hollow: markers at one point stay visible


def _draw_bars(axes: Axes, plan: FigurePlan, channel: str) -> None:
    """Draw one horizontal bar per scheme for a single point, the first scheme at the top."""
    _set_values(axes, plan, "x")
    start = axes.get_xlim()[0]
    for number, (name, style) in enumerate(plan.shown.items()):
        rows = plan.curve(channel, name)
        if rows.empty:
            continue
        mean, low, high = _values(plan, rows)
        axes.barh([number], mean - start, 0.65, left=start, color=style.colour, label=name)
        axes.errorbar(
            mean,
            [number],
            xerr=(mean - low, high - mean),
            fmt="none",
            ecolor="black",
            elinewidth=1,
            capsize=2,
        )
    axes.set_yticks(range(len(plan.shown)), [style.title for style in plan.shown.values()])
    axes.set_ylim(len(plan.shown) - 0.5, -0.5)


def _values(plan: FigurePlan, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Mean, low and high as drawn, [3, points]; NaN if not positive on a logarithmic axis.

    Percentages are rounded, so that a table and its copy from a file give the same bytes.
    """
    values = rows[FRACTION].to_numpy(dtype=float).T
    if plan.measure in PERCENT:
        values = np.round(100 * values, 9)
    return np.where(values > 0, values, np.nan) if plan.measure in LOGARITHMIC else values


def _set_values(axes: Axes, plan: FigurePlan, axis: Literal["x", "y"]) -> None:
    """Set scale, limits, label and grid of the axis of the measure, according to the data."""
    values = _values(plan, plan.rows)
    least, most = float(np.nanmin(values)), float(np.nanmax(values))
    if plan.measure in LOGARITHMIC:
        axes.set(**{f"{axis}scale": "log"})
        limits = (least / 1.15, min(1.15 * most, 100 if plan.measure == "error" else 1))
        own = axes.xaxis if axis == "x" else axes.yaxis
        own.set_minor_locator(NullLocator())
        if plan.measure == "error":
            own.set_major_locator(LogLocator(subs=(1, 2, 5)))
            own.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        margin = 0.04 * (most - least) or 1.0
        limits = (min(0.0, least) if axis == "x" else least - margin, most + margin)
        axes.locator_params(axis=axis, nbins=6, steps=[1, 2, 5, 10])
    axes.set(**{f"{axis}lim": limits, f"{axis}label": MEASURES[plan.measure]})
    axes.grid(axis=axis)
    if plan.guess is not None and limits[0] <= 100 * plan.guess <= limits[1]:
        line = axes.axvline if axis == "x" else axes.axhline
        line(100 * plan.guess, color="#555555", linestyle=":", linewidth=1, zorder=1.5)


def _set_axis(axes: Axes, plan: FigurePlan, channel: str) -> None:
    """Set scale, limits, ticks and label of the axis of SNRs or channel uses."""
    points = sorted(set(plan.rows[plan.axis]))
    axes.set_xlabel(AXES[plan.axis])
    axes.grid(axis="x")
    if plan.axis == "channel_uses":
        _set_uses(axes, points, plan.rows[plan.rows["channel"] == channel])
        return
    margin = 0.03 * (points[-1] - points[0])
    axes.set_xlim(points[0] - margin, points[-1] + margin)
    few = FixedLocator(points) if len(points) <= MOST_TICKS else None
    axes.xaxis.set_major_locator(few or MaxNLocator(nbins=MOST_TICKS, steps=[1, 2, 5, 10]))


def _set_uses(axes: Axes, points: Sequence[float], rows: pd.DataFrame) -> None:
    """Set the axis of channel uses: limits from all panels, ticks and label from these rows."""
    if pilots_of(rows).any():
        axes.set_xlabel("Channel uses per image (k + pilots)")
    axes.set_xscale("log", base=2)
    axes.set_xlim(points[0] / 1.15, points[-1] * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(_apart(sorted(set(rows["channel_uses"])))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda k, _: f"{k:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _apart(points: Sequence[float]) -> list[float]:
    """The points that have room for a label on a logarithmic axis."""
    least = (points[-1] / points[0]) ** 0.1
    kept = [points[0]]
    for point in points[1:]:
        kept += [point] if point >= least * kept[-1] else []
    return kept


def apply_style(line: Line2D, style: Style, height: float) -> None:
    """Set colour, dashes and marker; `height` is 0 for the lowest, widest curve, 1 for the top."""
    line.set(color=style.colour, linestyle=style.dashes, linewidth=1.9 - 0.9 * height)
    line.set(marker=style.marker, markersize=5 - 2 * height)
    if style.marker in ("x", "+"):
        line.set(markeredgewidth=0.9)
    else:
        line.set(markerfacecolor="white", markeredgewidth=0.8)


def look() -> AbstractContextManager[None]:
    """A context with the style of all figures, whatever the user's Matplotlib settings."""
    return matplotlib.style.context(["default", LOOK])


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write NAME.png and NAME.pdf, each atomically and without dates; returns the files."""
    paths = []
    for kind, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
        paths.append(folder / f"{name}.{kind}")
        with look(), replacing(paths[-1]) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
            if kind == "png":
                with_palette(temporary)
    return paths


def with_palette(path: Path) -> None:
    """Rewrite a PNG with a palette of 256 colours: a quarter of the size, visually equal."""
    with Image.open(path) as image:
        dpi = image.info["dpi"]
        reduced = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    reduced.save(path, "png", optimize=True, dpi=dpi)
