"""Figures from saved rows: accuracy versus SNR and versus channel uses. Never simulates.

Every figure has one panel per channel, one curve per scheme with its 95 % interval, a legend that
says what each scheme charges and takes as known, and the definitions that make numbers comparable.
Figures are 3.5 inches wide for one channel (a print column), else 7.16 inches (a page), with no
type below 7 points. The same rows give the same bytes, whatever the user's Matplotlib settings.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter
from matplotlib.transforms import Affine2D

from benchmarks.figures.plans import (
    AXIS_LABELS,
    FRACTION,
    GUESS,
    DataText,
    FigurePlan,
    Style,
    over_ebn0,
    over_snr,
    over_uses,
)
from benchmarks.figures.published import with_published
from simulator.storage.files import replacing

FONT = "DejaVu Sans"  # comes with Matplotlib: the same on every machine

LOOK = {
    "font.family": FONT,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "pdf.fonttype": 42,  # TrueType, as publishers ask for
}

# All lengths are points, 1/72 inch.
SIZE, SPACING = 7.0, 9.0  # type and lines of legend and footer
HEADING_SIZE, HEADING_SPACING = 9.0, 12.0
HANDLE = 32.0  # room for the piece of curve in the legend

USES_SNR_DB = (-6.0, 0.0, 6.0, 12.0)  # accuracy over k is drawn at the measured SNRs nearest these
LEFT, RIGHT, GAP = 36.0, 8.0, 12.0  # margins of the panels, and the gap between two
TITLE, TICKS = 14.0, 16.0  # room above a panel for its title, below it for its tick labels


def plot_all(
    rows: pd.DataFrame,
    folder: Path,
    *,
    title: str,
    source_values: int,
    num_classes: int,
    published: bool = False,
) -> list[Path]:
    """Every figure that the rows can carry; returns the files written.

    `published` adds the published curves of CIFAR-100 to the figures over SNR.

    Raises: UserError if the rows lack a column, are none, or hold a point twice.
    """
    text = DataText(title, source_values, num_classes)
    over = over_snr(with_published(rows) if published else rows, text)
    return write_figures(over + over_uses(rows, text, snr_db=USES_SNR_DB), folder)


def plot_link(rows: pd.DataFrame, folder: Path, *, title: str, about: str) -> list[Path]:
    """Error rates of `semlink link` over Eb/N0: `link.png` and `link.pdf`.

    Draws nothing where no rate is above 0.
    """
    plan = over_ebn0(rows, title=title, about=about)
    return [] if plan.rows.empty else write_figures([plan], folder)


def compose(plan: FigurePlan) -> Figure:
    """The figure: heading, panels, axis label, legend and footer, from the top down."""
    with look():
        columns = {1: 1, 2: 2, 4: 2}.get(len(plan.panels), 3)
        width = 72 * (3.5 if columns == 1 else 7.16)
        heading = wrap(plan.heading, width=width - 2 * RIGHT, size=HEADING_SIZE)
        footer = wrap(plan.footer, width=width - 2 * RIGHT, size=SIZE)
        legend = _legend(plan, columns=min(columns, 2), width=width - 2 * RIGHT)
        legend_height = max(sum(entry.height for entry in column) for column in legend)
        panel_width = (width - LEFT - RIGHT - (columns - 1) * GAP) / columns
        panel = (panel_width, min(0.8 * panel_width, 165.0))
        panels_height = -(-len(plan.panels) // columns) * (TITLE + panel[1] + TICKS)

        footer_top = 4 + SPACING * len(footer)
        legend_top = footer_top + 5 + legend_height
        label_top = legend_top + 17
        panels_top = label_top + panels_height
        sheet = Sheet(width, panels_top + HEADING_SPACING * len(heading) + 6)
        sheet.text(width / 2, sheet.height - 4, heading, size=HEADING_SIZE, align="center")
        _draw_panels(sheet, plan, columns=columns, panel=panel, top=panels_top)
        middle = width / 2 if columns == 1 else (LEFT + width - RIGHT) / 2
        sheet.text(middle, label_top, [AXIS_LABELS[plan.axis]], size=8, align="center", math=True)
        _draw_legend(sheet, legend, top=legend_top, width=width - 2 * RIGHT)
        sheet.text(RIGHT, footer_top, footer, size=SIZE, colour="#333333")
        return sheet.figure


@dataclass(frozen=True)
class _Entry:
    """One entry of the legend, its words broken into lines."""

    style: Style
    title: str
    settings: list[str]

    @property
    def height(self) -> float:
        return SPACING * (1 + len(self.settings)) + 3


def _legend(plan: FigurePlan, *, columns: int, width: float) -> list[list[_Entry]]:
    """Entries in one or two columns of nearly equal height."""
    room = width / columns - HANDLE - GAP / 2 * (columns - 1)
    entries = [
        _Entry(style, title, wrap(settings, width=room, size=SIZE))
        for style, title, settings in plan.legend
    ]
    if columns == 1:
        return [entries]
    heights = [entry.height for entry in entries]
    cut = min(range(1, len(entries) + 1), key=lambda i: max(sum(heights[:i]), sum(heights[i:])))
    return [entries[:cut], entries[cut:]]


def _draw_legend(
    sheet: "Sheet", legend: Sequence[Sequence[_Entry]], *, top: float, width: float
) -> None:
    for index, column in enumerate(legend):
        x, y = RIGHT + index * (width + GAP) / len(legend), top
        for entry in column:
            sheet.handle(x, y - SIZE * 0.6, entry.style)
            sheet.text(x + HANDLE, y, [entry.title], size=SIZE, weight="bold")
            sheet.text(x + HANDLE, y - SPACING, entry.settings, size=SIZE, colour="#333333")
            y -= entry.height


def _draw_panels(
    sheet: "Sheet", plan: FigurePlan, *, columns: int, panel: tuple[float, float], top: float
) -> None:
    first: Axes | None = None
    width, height = panel
    for index, (channel, title) in enumerate(plan.panels.items()):
        row, column = divmod(index, columns)
        y = top - row * (TITLE + height + TICKS) - TITLE - height
        axes = sheet.axes(LEFT + column * (width + GAP), y, width, height, first)
        first = first or axes
        axes.set_title(title, pad=4)
        _set_vertical_axis(axes, plan)
        axes.tick_params(length=2.5, width=0.6, labelleft=column == 0)
        if column == 0:
            axes.set_ylabel("Error rate" if plan.guess is None else "Accuracy (%)", labelpad=3)
        axes.grid(color="#dddddd", linewidth=0.5)
        axes.set_axisbelow(True)
        _set_axis(axes, plan)
        _draw_curves(axes, plan, channel)


def _set_vertical_axis(axes: Axes, plan: FigurePlan) -> None:
    """Accuracy from 0 to 100 %, or error rates by decades."""
    if plan.guess is None:
        lowest = math.floor(math.log10(plan.rows["accuracy"].min()))
        axes.set_yscale("log")
        axes.set_ylim(10 ** min(lowest, -1), 1)
        return
    axes.set_ylim(0, 100)
    axes.yaxis.set_major_locator(FixedLocator(range(0, 101, 20)))
    axes.axhline(100 * plan.guess, color=GUESS.colour, linewidth=0.8, zorder=1.5)


def _set_axis(axes: Axes, plan: FigurePlan) -> None:
    """Scale, limits and ticks of the horizontal axis."""
    points = sorted(set(plan.rows[plan.axis]))
    if len(points) == 1:
        axes.set_xlim(points[0] - 1, points[0] + 1)
        axes.xaxis.set_major_locator(FixedLocator(points))
    elif plan.axis != "channel_uses":
        margin = 0.03 * (points[-1] - points[0])
        axes.set_xlim(points[0] - margin, points[-1] + margin)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    else:
        axes.set_xscale("log", base=2)
        axes.set_xlim(points[0] / 1.15, points[-1] * 1.15)
        axes.xaxis.set_major_locator(FixedLocator(points[:: -(-len(points) // 8)]))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())


def _draw_curves(axes: Axes, plan: FigurePlan, channel: str) -> None:
    """Every scheme once; a lone point has a bar, and stands aside where all points are alone."""
    unit = 1.0 if plan.guess is None else 100.0
    spread = 1.2 if plan.rows[plan.axis].nunique() == 1 else 0.0
    for number, (name, style) in enumerate(plan.styles.items()):
        rows = plan.curve(channel, name)
        if rows.empty:
            continue
        x = rows[plan.axis].to_numpy(dtype=float)
        mean, low, high = (unit * rows[c].to_numpy() for c in FRACTION)
        if len(x) == 1:
            x = x + spread * ((number + 0.5) / len(plan.styles) - 0.5)
            bars = (mean - low, high - mean)
            axes.errorbar(x, mean, bars, fmt="none", ecolor=style.colour, elinewidth=1, capsize=3)
        else:
            axes.fill_between(x, low, high, color=style.colour, alpha=0.18, linewidth=0)
        (line,) = axes.plot(x, mean, label=name, clip_on=False, zorder=4 - number / 100)
        apply_style(line, style, style.marker)


def write_figures(plans: Sequence[FigurePlan], folder: Path) -> list[Path]:
    """Write every figure as PNG and PDF; returns the files."""
    return [path for plan in plans for path in save(compose(plan), folder, plan.file_name)]


def look() -> AbstractContextManager[None]:
    """Draw as every figure is drawn, whatever the user's Matplotlib settings."""
    return matplotlib.style.context(["default", LOOK])


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write NAME.png and NAME.pdf, each file whole or not at all, without dates."""
    paths = []
    for kind, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
        paths.append(folder / f"{name}.{kind}")
        with look(), replacing(paths[-1]) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
    return paths


class Sheet:
    """A figure on which things are placed in points from the lower left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=200)
        self._points = Affine2D().scale(1 / 72) + self.figure.dpi_scale_trans

    def text(
        self,
        x: float,
        top: float,
        lines: Sequence[str],
        *,
        size: float,
        align: str = "left",
        colour: str = "black",
        weight: str = "normal",
        math: bool = False,
    ) -> None:
        """Lines of text below `top`."""
        spacing = HEADING_SPACING if size == HEADING_SIZE else SPACING
        for number, line in enumerate(lines):
            self.figure.text(
                x,
                top - number * spacing - size,
                line,
                transform=self._points,
                fontsize=size,
                ha=align,
                color=colour,
                fontweight=weight,
                parse_math=math,
            )

    def axes(self, x: float, y: float, width: float, height: float, share: Axes | None) -> Axes:
        """An empty panel, with the y axis of `share`."""
        box = (x / self.width, y / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box, sharey=share)

    def handle(self, x: float, y: float, style: Style) -> None:
        """A piece of curve with one marker."""
        middle = x + (HANDLE - 8) / 2
        for points, marker in (((x, x + HANDLE - 8), ""), ((middle,), style.marker)):
            line = Line2D(points, [y] * len(points), transform=self._points)
            apply_style(line, style, marker)
            self.figure.add_artist(line)


def apply_style(line: Line2D, style: Style, marker: str) -> None:
    """Colour, dashes and marker of a curve."""
    line.set(color=style.colour, linestyle=style.dashes, linewidth=1.3)
    line.set(marker=marker, markersize=3.6, markeredgecolor="white", markeredgewidth=0.4)


def wrap(text: str, *, width: float, size: float) -> list[str]:
    """Break text into lines of at most `width` points."""
    font = FontProperties(family=FONT, size=size)
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        fits = text_to_path.get_text_width_height_descent(longer, font, False)[0] <= width
        if lines and fits:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
