"""Captions: the definitions and settings that make the numbers of a figure comparable."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.figures.panels import Estimate, estimate_of
from benchmarks.figures.styles import SCHEME_TITLES, Style, channel_title, scheme_title
from simulator.data.remarks import FEWEST_TEST, half_width
from simulator.left_out import LeftOut
from simulator.measures.shown import span

TEX = {  # escapes of characters that LaTeX does not print as they are
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
NAME = re.compile(rf"\b(?:{'|'.join(name for name in SCHEME_TITLES if '_' in name)})\b")
MATHEMATICS = re.compile(r"((?<!\\)\$[^$]+(?<!\\)\$)")
CAPACITY = re.compile(r"^capacity_bound|:bound(?::|$)")  # schemes whose links reach capacity


@dataclass(frozen=True)
class DataText:
    """Facts about the data and the sweep that are not in the rows."""

    title: str
    source_values: int  # n = C·H·W
    num_classes: int
    noiseless: tuple[float, float, float] | None = None  # accuracy without a channel, interval
    left_out: tuple[LeftOut, ...] = ()
    noted: tuple[str, ...] = ()  # remarks about images and weights; a remedy follows "; "

    def refused(self, k: int | None, channels: Collection[str]) -> list[str]:
        """Trained schemes left out at this k on some of the channels, and why; [] if k is None."""
        here = (own for own in self.left_out if own.trained and own.k == k)
        return list(filter(None, (_refusal(own, channels) for own in here)))

    @property
    def untrained(self) -> list[str]:
        """Schemes that are not trained."""
        return [scheme_title(own.scheme) for own in self.left_out if not own.trained]

    @property
    def notes(self) -> list[str]:
        """Remarks about images and weights, without their remedies."""
        return [line.partition("; ")[0] for line in self.noted]


def _refusal(own: LeftOut, channels: Collection[str]) -> str:
    """A scheme and why it is left out; empty if it is left out on none of these channels."""
    words = f"{scheme_title(own.scheme)} {own.why}"
    if not own.channels:
        return words
    there = [channel_title(name) for name in own.channels if name in channels]
    return f"{words} ({'; '.join(there)})" if there else ""


def definitions(rows: pd.DataFrame, text: DataText, *, k: int | None, images: bool = False) -> str:
    """The definitions that every figure needs. `k` is None if it is on the axis."""
    lost = "a black image" if images else f"a uniform guess (1/{text.num_classes})"
    return (
        "SNR = Es/N0 per channel use, averaged over fading; k complex channel uses per image; "
        f"{_ratio(rows, text.source_values, k=k)}. Unit average power per image over the k uses "
        f"(QAM: over its constellation); E|h|² = 1. The receiver {_knowledge(rows)}. Every bit "
        "that is needed is charged; what is taken as known beforehand is named with the scheme. "
        f"An outage counts as {lost}."
    )


def _ratio(rows: pd.DataFrame, n: int, *, k: int | None) -> str:
    """Channel uses per source value, pilots included."""
    counts = sorted(set(pilots_of(rows)))
    if k is None:
        uses = "the axis counts k and pilots; ratio (k + pilots)" if any(counts) else "ratio k"
        return f"{uses}/(C·H·W), C·H·W = {n}"
    ratios = [f"{k + pilots}/{n} = {(k + pilots) / n:.4g}" for pilots in counts]
    if not any(counts):
        return f"ratio k/(C·H·W) = {ratios[0]}"
    if len(counts) > 1:
        ratios = [
            f"{ratio} with {pilots or 'no'} pilots"
            for ratio, pilots in zip(ratios, counts, strict=True)
        ]
    return f"pilots are charged on top of k: ratio (k + pilots)/(C·H·W) = {', '.join(ratios)}"


def _knowledge(rows: pd.DataFrame) -> str:
    """What the receiver knows or estimates of the channel."""
    believed = rows["settings"].str.contains("SNR believed").any()
    unless = ", unless a scheme says otherwise" * bool(believed)
    found = [estimate_of(str(name)) for name in rows["channel"].unique()]
    estimates = sorted({own for own in found if own})
    if not estimates:
        known = f"knows the gain h and the noise power N0 exactly (perfect CSI{unless})"
        return f"{known}, and nothing else of the channel"
    also = " but, for LMMSE, the covariance of its gains" * any(
        "LMMSE" in own.short for own in estimates
    )
    return f"{_estimated(estimates, None in found)}{unless}, and nothing else of the channel{also}"


def _estimated(estimates: Sequence[Estimate], some_perfect: bool) -> str:
    """How the gain is estimated, and on which channels."""
    if not some_perfect and len(estimates) == 1:
        return f"estimates the gain h by {estimates[0].long} and knows the noise power N0"
    ways = "; ".join(f"{own.short}: by {own.long}" for own in estimates)
    if not some_perfect:
        return f"estimates the gain h ({ways}) and knows the noise power N0"
    return (
        "knows the noise power N0, and the gain h exactly (perfect CSI) unless a panel names an "
        f"estimate ({ways})"
    )


def pilots_of(rows: pd.DataFrame) -> "pd.Series[int]":
    """Number of pilots in every row; they are charged on top of k."""
    if "pilot_uses" in rows.columns:
        return rows["pilot_uses"].fillna(0).astype(int)
    return pd.Series(0, index=rows.index)


def counts(rows: pd.DataFrame) -> str:
    """Numbers of images and channel realisations, and the meaning of bands and bars."""
    realizations = span(rows["realizations"])
    plural = "" if realizations == "1" else "s"
    return (
        f"{span(rows['images'])} test images, {realizations} channel realisation{plural} of each; "
        "bands and bars: 95 % interval over images."
    )


def reliability(rows: pd.DataFrame, text: DataText, styles: Mapping[str, Style]) -> str:
    """Limits of the accuracies: few images, the noiseless accuracy, bounds on the rate only."""
    parts = []
    if (fewest := int(rows["images"].min())) < FEWEST_TEST:
        width = f"+-{half_width(fewest):.0f} points"
        parts.append(f"{fewest} test images leave an interval of up to {width}.")
    if text.noiseless is not None:
        value, low, high = (100 * part for part in text.noiseless)
        parts.append(
            f"Noiseless accuracy (student and head, no channel): {value:.1f} % (95 % interval "
            f"{low:.1f} to {high:.1f} %)."
        )
    bounds = [styles[name].title for name in rows["scheme"].unique() if CAPACITY.search(name)]
    if bounds:
        parts.append(
            f"Capacity bounds the rate, not the accuracy ({'; '.join(bounds)}): with few images "
            "such a curve may lie below that of the scheme with real codes, by chance."
        )
    return " ".join(parts)


def settings_text(settings: Iterable[str]) -> str:
    """The settings of a scheme, with names of schemes replaced by their titles."""
    return NAME.sub(lambda name: scheme_title(name[0]), shared_settings(list(settings)))


def shared_settings(settings: Sequence[str]) -> str:
    """One text for the settings at several k: their common parts, and where to find the rest."""
    distinct = list(dict.fromkeys(settings))
    parts = [text.split(", ") for text in distinct]
    shared = ", ".join(part for part in parts[0] if all(part in other for other in parts))
    if len(distinct) == 1:
        return shared
    return "; ".join(filter(None, [shared, "the rest depends on k: see the figures over SNR"]))


def listed(heading: str, items: Iterable[str]) -> str:
    """`Heading: a; b.`, or "" without items."""
    text = "; ".join(items)
    return f"{heading}: {text}." if text else ""


def tex_caption(caption: str, notes: str, name: str) -> str:
    r"""LaTeX of the caption and the notes, for \input below \includegraphics.

    The notes are defined as \figurenotes, so that a paper can print them in the figure or in its
    text.
    """
    long, short, rest = map(_escaped, (caption, caption.partition(". ")[0], notes))
    return (
        f"\\caption[{{{short}}}]{{{long}}}\n\\label{{fig:{name}}}\n"
        "% \\figurenotes prints the notes, below the caption or in the text\n"
        f"\\gdef\\figurenotes{{{rest}}}\n"
    )


def _escaped(text: str) -> str:
    r"""Escape a text for LaTeX, except mathematics between $ signs; \$ is the sign itself."""
    parts = MATHEMATICS.split(text)
    for place in range(0, len(parts), 2):
        plain = parts[place].replace(r"\$", "$")
        parts[place] = "".join(TEX.get(letter, letter) for letter in plain)
    return "".join(parts).replace("$$", "")
