"""Styles and titles of schemes: colour, dashes, marker and a short name.

The schemes of a figure have different colours as long as there are enough, and no two share colour,
dashes and marker, so that curves can be distinguished in grey and by colour-blind readers.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import cycle, product
from typing import Any

from channels.names import channel_from_name


@dataclass(frozen=True)
class Style:
    """How the curve of one scheme looks, and its name in legends and notes."""

    colour: str
    dashes: Any  # line style in Matplotlib's form: a name or (offset, lengths)
    marker: str
    title: str = ""


STYLES = {  # the first eight colours mostly of Okabe and Ito, the others of Tol
    "rkd_sc": Style("#0072B2", "-", "o"),
    "deep_jscc": Style("#D55E00", (0, (5, 1.5)), "s"),
    "deep_jscc:distilled": Style("#332288", (0, (5, 1.5, 1, 1.5)), "P"),
    "deep_jscc_q:16qam": Style("#0A7A5C", (0, (2, 1.5)), "v"),
    "deep_jscc_q": Style("#C51B7D", (0, (6, 1.5, 1, 1.5)), "D"),
    "deep_jscc_q:256qam": Style("#2B5DA8", (0, (3, 1, 1, 1, 1, 1)), "^"),
    "deep_jscc_image": Style("#EE6677", (0, (1.5, 1.2)), ">"),
    "adjscc": Style("#E69F00", (0, (3, 1)), "p"),
    "adjscc:distilled": Style("#B8A000", (0, (8, 2, 1, 2)), "*"),
    "adjscc:distilled:total": Style("#4B5320", (0, (2, 1, 2, 3)), "<"),
    "dt_jscc": Style("#8B4513", (0, (2, 2)), "h"),
    "dt_jscc:64qam": Style("#A9746E", (0, (4, 1, 1, 1)), "H"),
    "vl_vfe": Style("#6B6B00", (0, (7, 2, 2, 2)), "d"),
    "separate": Style("#009E73", (0, (6, 1.5, 1, 1.5)), "^"),
    "capacity_bound": Style("#56B4E9", (0, (3, 1, 1, 1, 1, 1)), "v"),
    "digital_semantic": Style("#882255", (0, (7, 1.5)), "<"),
    "label_code": Style("#CC79A7", (0, (1.5, 1.2)), "D"),
    "analog_pixels": Style("#7B3294", (0, (4, 1, 1, 1, 1, 1)), "X"),
    "published_notebook": Style("#666666", (0, (1, 1)), "+"),
}

# For other schemes; once these colours are used up, the free ones of STYLES follow
SPARE_COLOURS = ("#117733", "#AA4499", "#44AA99", "#A00000", "#4477AA", "#AA7700", "#303060")
SPARE_DASHES = tuple(
    (0, lengths)
    for lengths in ((6, 2), (4, 1, 1, 1, 1, 1), (2, 1.5), (3, 1.5, 1, 1.5), (9, 2, 2, 2))
)
SPARE_MARKERS = ("<", "X", "P", "s", "^", "v", "D", "h")
ALIKE = ("<>^v", "PX+x*", "sDd", "ohHp")  # markers that look alike when small

SCHEME_TITLES = {
    "rkd_sc": "RKD-SC",
    "deep_jscc": "deep JSCC",
    "deep_jscc_q": "DeepJSCC-Q",
    "deep_jscc_image": "deep JSCC, images",
    "deep_jscc_q_image": "DeepJSCC-Q, images",
    "adjscc": "ADJSCC",
    "dt_jscc": "DT-JSCC",
    "vl_vfe": "VL-VFE",
    "separate": "separate",
    "capacity_bound": "image file at capacity",
    "digital_semantic": "digital semantic",
    "label_code": "label code",
    "published_notebook": "published notebook",
}


def styles_of(schemes: Iterable[str]) -> dict[str, Style]:
    """Style of each scheme in drawing order: known schemes first, then others by name."""
    present = set(schemes)
    styles = {name: style for name, style in STYLES.items() if name in present}
    others = sorted(present - STYLES.keys())
    free = [style.colour for name, style in STYLES.items() if name not in present]
    for name, colour in zip(others, cycle([*SPARE_COLOURS, *free]), strict=False):
        styles[name] = _farthest(colour, styles.values())
    return {name: replace(style, title=scheme_title(name)) for name, style in styles.items()}


def _farthest(colour: str, taken: Iterable[Style]) -> Style:
    """The spare style of this colour whose nearest taken style is farthest away."""
    spare = (Style(colour, *form) for form in product(SPARE_DASHES, SPARE_MARKERS))
    there = tuple(taken)
    return max(spare, key=lambda own: min((apart(own, other) for other in there), default=0.0))


def apart(one: Style, other: Style) -> float:
    """How different two styles look, 0 if they are equal. Colour counts less than the form."""
    colours = sum((a - b) ** 2 for a, b in zip(*map(_rgb, (one.colour, other.colour)), strict=True))
    return _markers_apart(one, other) + _dashes_apart(one, other) + 0.3 * math.sqrt(colours)


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))


def _markers_apart(one: Style, other: Style) -> float:
    if one.marker == other.marker:
        return 0.0
    return 0.5 if any({one.marker, other.marker} <= set(alike) for alike in ALIKE) else 1.0


def _dashes_apart(one: Style, other: Style) -> float:
    """Compare the number of strokes per period, and the share of the period that is drawn."""
    (strokes, drawn), (others, share) = map(_rhythm, (one, other))
    return min(1.0, 0.5 * abs(strokes - others) + abs(drawn - share))


def _rhythm(style: Style) -> tuple[int, float]:
    if style.dashes == "-":
        return 0, 1.0
    lengths = style.dashes[1]
    return len(lengths) // 2, sum(lengths[::2]) / sum(lengths)


def scheme_title(name: str) -> str:
    """A scheme's short name, with the label of its variant."""
    kind, _, label = name.partition(":")
    title = SCHEME_TITLES.get(kind, kind.replace("_", " "))
    return f"{title}, {label.replace('_', ' ').replace(':', ', ')}" if label else title


def channel_title(name: str) -> str:
    """A channel's name in words; an unknown name is returned unchanged."""
    try:
        return channel_from_name(name).law.title or name
    except ValueError:
        return name
