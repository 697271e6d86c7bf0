"""Captions: the definitions and settings that make the numbers of a figure comparable."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from simulator.data.remarks import FEWEST_TEST, half_width
from simulator.measures.shown import span

TEX = {  # what LaTeX does not print as it stands
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "²": "$^2$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "|": "$|$",
    "<": "$<$",
    ">": "$>$",
}
LEFT_OUT = re.compile(r"(?::| with) k = (\d+) left out$")  # ends a remark about one k


@dataclass(frozen=True)
class DataText:
    """Facts about the data and the sweep that the rows do not hold."""

    title: str
    source_values: int  # n = C·H·W
    num_classes: int
    noiseless: tuple[float, float, float] | None = None  # accuracy without a channel, interval
    left_out: tuple[str, ...] = ()  # remarks of the sweep
    noted: tuple[str, ...] = ()  # remarks about images and weights, a way out behind a semicolon

    def remarks(self, k: int | None) -> list[str]:
        """What was left out of the sweep at this k; None: at every k."""
        found = [(line, LEFT_OUT.search(line)) for line in self.left_out]
        return [
            line[: match.start()] if match else line
            for line, match in found
            if match is None or (k is not None and int(match[1]) == k)
        ]

    @property
    def notes(self) -> list[str]:
        """What a reader should know of images and weights."""
        return [line.partition("; ")[0] for line in self.noted]


def definitions(rows: pd.DataFrame, text: DataText, *, k: int | None) -> str:
    """The definitions that every caption holds; k None: k is the axis."""
    n, pilots = text.source_values, pilots_of(rows)
    ratio = f"k/{n}" if k is None else f"{k}/{n} = {k / n:.3g}"
    believed = rows["settings"].str.contains("SNR believed").any()
    unless = ", unless a scheme says otherwise" if believed else ""
    unless += ", unless a panel names an estimate" if pilots.any() else ""
    return f"{_charged(rows, n, k=k)} " * bool(pilots.any()) + (
        "SNR = Es/N0 per channel use, averaged over fading; k complex channel uses per image; "
        f"ratio k/(C·H·W) = {ratio}. Unit average power per image over the k uses (QAM: over its "
        "constellation); E|h|² = 1; the receiver knows the gain h and the noise power exactly "
        f"(perfect CSI{unless}), and nothing else of the channel. Every bit that is needed is "
        "charged; what is taken as known beforehand is named with the scheme. An outage counts as "
        f"a uniform guess (1/{text.num_classes})."
    )


def pilots_of(rows: pd.DataFrame) -> "pd.Series[int]":
    """Pilots of every row, charged on top of k."""
    if "pilot_uses" in rows.columns:
        return rows["pilot_uses"].fillna(0).astype(int)
    return pd.Series(0, index=rows.index)


def _charged(rows: pd.DataFrame, n: int, *, k: int | None) -> str:
    """What pilots add to the channel uses."""
    if k is None:
        return "The axis counts data symbols and pilots."
    counts = sorted(set(pilots_of(rows)) - {0})
    found = ", ".join(f"{k} + {p} uses, ratio {k + p}/{n} = {(k + p) / n:.3g}" for p in counts)
    return f"Pilots are charged on top of k: {found}."


def measured(rows: pd.DataFrame, text: DataText) -> str:
    """The counts, the meaning of the bands, and the accuracy without a channel."""
    realizations = span(rows["realizations"])
    plural = "" if realizations == "1" else "s"
    counts = (
        f"{span(rows['images'])} test images, {realizations} channel realisation{plural} of each; "
        "bands and bars: 95 % interval over images."
    )
    if (fewest := int(rows["images"].min())) < FEWEST_TEST:
        counts += f" So few images leave an interval of up to +-{half_width(fewest):.0f} points."
    if text.noiseless is None:
        return counts
    value, low, high = (100 * part for part in text.noiseless)
    return (
        f"{counts} Noiseless accuracy (student and head, no channel): {value:.1f} % (95 % interval "
        f"{low:.1f} to {high:.1f} %)."
    )


def shared_settings(settings: Sequence[str]) -> str:
    """One text for rows of several k: their common parts in order, and where to find the rest."""
    distinct = list(dict.fromkeys(settings))
    parts = [text.split(", ") for text in distinct]
    shared = ", ".join(part for part in parts[0] if all(part in other for other in parts))
    if len(distinct) == 1:
        return shared
    return "; ".join(filter(None, [shared, "the rest depends on k: see the figures over SNR"]))


def listed(heading: str, items: Iterable[str]) -> str:
    """`Heading: a; b.`, empty without items."""
    text = "; ".join(items)
    return f"{heading}: {text}." if text else ""


def tex_caption(caption: str, name: str) -> str:
    r"""The caption as LaTeX, to be read by \input below \includegraphics."""
    heading = caption.partition(". ")[0]
    long, short = (
        "".join(TEX.get(letter, letter) for letter in own).replace("$$", "")
        for own in (caption, heading)
    )
    return f"\\caption[{{{short}}}]{{{long}}}\n\\label{{fig:{name}}}\n"
