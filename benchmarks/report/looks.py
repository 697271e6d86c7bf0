"""How schemes look on the page: colours for light and dark mode, dashes, markers as SVG paths."""

import math
from collections.abc import Iterable
from typing import Any

from benchmarks.figures.published import SETTINGS
from benchmarks.figures.styles import Style, styles_of

GREY = "#767676"  # of published curves; its contrast on white is 4.5:1
DARK = "#14171c"  # the page's background in dark mode
CONTRAST = 4.0  # minimum for a curve on DARK; [WCAG 2.2, 1.4.11] requires 3


def _polygon(corners: int, turn: float = 0.0) -> str:
    """SVG path of a regular polygon in the unit circle; `turn` rotates it, in units of a corner."""
    angles = (2 * math.pi * (corner + turn) / corners - math.pi / 2 for corner in range(corners))
    points = (f"{math.cos(angle):.2f},{math.sin(angle):.2f}" for angle in angles)
    return f"M{'L'.join(points)}Z"


def _star(points: int) -> str:
    """SVG path of a star in the unit circle."""
    corners = range(2 * points)
    radii = [1.0 if corner % 2 == 0 else 0.45 for corner in corners]
    angles = [math.pi * corner / points - math.pi / 2 for corner in corners]
    both = zip(radii, angles, strict=True)
    return f"M{'L'.join(f'{r * math.cos(a):.2f},{r * math.sin(a):.2f}' for r, a in both)}Z"


PLUS = "M-.3,-1H.3V-.3H1V.3H.3V1H-.3V.3H-1V-.3H-.3Z"
CROSS = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
PATHS = {  # by the marker codes of Matplotlib
    "o": "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z",
    "s": "M-.8,-.8H.8V.8H-.8Z",
    **dict.fromkeys("P+", PLUS),
    **dict.fromkeys("Xx", CROSS),
    "^": _polygon(3),
    ">": _polygon(3, 0.75),
    "v": _polygon(3, 0.5),
    "<": _polygon(3, 0.25),
    "D": _polygon(4),
    "d": "M0,-1L.6,0L0,1L-.6,0Z",
    "p": _polygon(5),
    "h": _polygon(6),
    "H": _polygon(6, 0.5),
    "*": _star(5),
}


def looks_of(schemes: Iterable[str]) -> list[dict[str, Any]]:
    """Name, title, colours, dashes and marker of every scheme, in drawing order."""
    return [_look(name, style) for name, style in styles_of(schemes).items()]


def _look(name: str, style: Style) -> dict[str, Any]:
    published = name in SETTINGS
    light = GREY if published else style.colour
    return {
        "name": name,
        "title": style.title,
        "published": published,
        "light": light,
        "dark": on_dark(light),
        "dashes": [1, 0]
        if style.dashes == "-"
        else [round(1.4 * part, 1) for part in style.dashes[1]],
        "marker": PATHS[style.marker],
    }


def on_dark(colour: str) -> str:
    """The colour, mixed with white until it stands out from the dark background."""
    own = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    shares = (step / 20 for step in range(21))
    mixed = ([round(part + share * (255 - part)) for part in own] for share in shares)
    return next(found for rgb in mixed if contrast(found := _hex(rgb), DARK) >= CONTRAST)


def _hex(rgb: Iterable[int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in rgb)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 [WCAG 2.2, definition of contrast ratio]."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    weights = (0.2126, 0.7152, 0.0722)
    return sum(weight * part for weight, part in zip(weights, linear, strict=True))
