"""A figure on which text and curves are placed in points, type that fits a width, and files."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Affine2D

from benchmarks.figures.plans import Style
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
