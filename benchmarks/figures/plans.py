"""What the figures show and say: rows, styles, names in words, and the fixed definitions.

Plain data and plain words; `benchmarks.figures.draw` draws them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Literal

import pandas as pd

from channels.names import channel_from_name
from simulator.errors import UserError

AXIS_LABELS = {  # in Matplotlib's mathematics
    "snr_db": r"SNR = $E_\mathrm{s}/N_0$ per channel use, averaged over fading (dB)",
    "channel_uses": "k = complex channel uses per image",
    "ebn0_db": r"$E_\mathrm{b}/N_0$ per payload bit, averaged over fading (dB)",
}

KEY = ["scheme", "channel", "snr_db", "channel_uses"]
FRACTION = ["accuracy", "ci_low", "ci_high"]
VALUES = ["images", "realizations", *FRACTION, "settings"]


@dataclass(frozen=True)
class Style:
    """How the curve of one scheme looks, told apart by colour, dashes and marker alike."""

    colour: str  # of the Okabe-Ito palette, which the colour-blind can tell apart
    dashes: Any  # line style in Matplotlib's form: a name or (offset, lengths)
    marker: str


STYLES = {
    "rkd_sc": Style("#0072B2", "-", "o"),
    "deep_jscc": Style("#D55E00", (0, (5, 1.5)), "s"),
    "deep_jscc:distilled": Style("#D55E00", "-", "*"),
    "deep_jscc_image": Style("#D55E00", (0, (1.5, 1.2)), ">"),
    "adjscc": Style("#E69F00", (0, (8, 1.5)), "p"),
    "adjscc:distilled": Style("#E69F00", "-", "d"),
    "dt_jscc": Style("#8B4513", (0, (2, 2)), "h"),
    "dt_jscc:64qam": Style("#A9746E", (0, (4, 1, 1, 1)), "H"),
    "vl_vfe": Style("#7F7F00", (0, (7, 2, 2, 2)), "d"),
    "separate": Style("#009E73", (0, (6, 1.5, 1, 1.5)), "^"),
    "capacity_bound": Style("#56B4E9", (0, (3, 1, 1, 1, 1, 1)), "v"),
    "digital_semantic": Style("#882255", (0, (8, 1.5)), "<"),
    "label_code": Style("#CC79A7", (0, (1.5, 1.2)), "D"),
    "analog_pixels": Style("#7B3294", (0, (4, 1, 1, 1, 1, 1)), "X"),
    "published_figure": Style("#000000", (0, (4, 2)), "x"),
    "published_notebook": Style("#666666", (0, (1, 1)), "+"),
}

# Of other schemes: lists of 5, 7 and 8 members, so that no style comes twice among 280
SPARE_DASHES = ((0, (8, 1.5)), (0, (4, 1, 1, 1, 1, 1)), (0, (2, 1.5)), (0, (3, 1.5, 1, 1.5)), "-")
SPARE_COLOURS = ("#7B3294", "#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#806600")
SPARE_MARKERS = ("<", "X", "P", "s", "^", "v", "D", "h")
OF_ONE_USE, ONE_EACH = r"^rkd_sc:k\d+$", "rkd_sc:one_model_for_each_k"
GUESS = Style("#808080", "-", "")

SCHEME_TITLES = {
    "rkd_sc": "RKD-SC (CAT)",
    "deep_jscc": "deep JSCC",
    "deep_jscc_image": "deep JSCC of images",
    "adjscc": "ADJSCC",
    "dt_jscc": "DT-JSCC",
    "vl_vfe": "VL-VFE",
    "separate": "separate",
    "capacity_bound": "capacity bound of separate",
    "digital_semantic": "digital semantic",
    "label_code": "label code",
    "published_figure": "published: RKD-SC 2025, figure",
    "published_notebook": "published: RKD-SC 2025, notebook",
}


@dataclass(frozen=True)
class DataText:
    """What the rows alone do not tell about their data."""

    title: str
    source_values: int  # n = C·H·W
    num_classes: int


@dataclass(frozen=True, kw_only=True)
class FigurePlan:
    """What one figure shows, before anything is placed."""

    file_name: str  # without ending
    rows: pd.DataFrame
    axis: Literal["snr_db", "channel_uses", "ebn0_db"]
    styles: dict[str, Style]  # of every scheme of the table, in drawing order
    heading: str
    footer: str
    guess: float | None = None  # accuracy of a uniform guess; None: error rates are drawn

    @property
    def panels(self) -> dict[str, str]:
        """The channels in the order of the rows, a panel for each, and its title."""
        return {name: channel_title(name) for name in self.rows["channel"]}

    @property
    def legend(self) -> list[tuple[Style, str, str]]:
        """Style, title and settings of every scheme in drawing order, then the uniform guess."""
        entries = []
        for name, style in self.styles.items():
            settings = self.rows.loc[self.rows["scheme"] == name, "settings"]
            if len(settings):
                entries.append((style, scheme_title(name), shared_settings(list(settings))))
        if self.guess is None:
            return entries
        return [*entries, (GUESS, f"uniform guess, {100 * self.guess:.3g} %", "")]

    def curve(self, channel: str, scheme: str) -> pd.DataFrame:
        """The rows of one curve from left to right."""
        mine = (self.rows["channel"] == channel) & (self.rows["scheme"] == scheme)
        return self.rows[mine].sort_values(self.axis)


def over_snr(rows: pd.DataFrame, text: DataText) -> list[FigurePlan]:
    """Accuracy versus SNR, one figure for each k.

    Raises: UserError if the rows lack a column, are none, or hold a point twice.
    """
    check_rows(rows)
    uses = sorted({int(k) for k in rows["channel_uses"]})
    return [_accuracy(rows, rows[rows["channel_uses"] == k], text, k=k) for k in uses]


def over_uses(rows: pd.DataFrame, text: DataText, *, snr_db: Sequence[float]) -> list[FigurePlan]:
    """Accuracy versus k, one figure for each measured SNR that is nearest to one asked for.

    Variants that were trained for one k alone make one curve. No figure unless the rows hold
    `rkd_sc`, or a variant of it, at three values of k or more. Raises: as `over_snr`.
    """
    check_rows(rows)
    ours = rows[rows["scheme"].str.partition(":")[0] == "rkd_sc"]
    if not (ours.groupby("scheme")["channel_uses"].nunique() >= 3).any():
        return []
    rows = rows.assign(scheme=rows["scheme"].str.replace(OF_ONE_USE, ONE_EACH, regex=True))
    nearest = _nearest(snr_db, among=[float(snr) for snr in rows["snr_db"]])
    return [_accuracy(rows, rows[rows["snr_db"] == snr], text, snr_db=snr) for snr in nearest]


def _accuracy(
    rows: pd.DataFrame,
    chosen: pd.DataFrame,
    text: DataText,
    *,
    k: int | None = None,
    snr_db: float = 0.0,
) -> FigurePlan:
    """The chosen rows over SNR at one k, or over k at one SNR, styled alike in every figure."""
    place = f"SNR = {snr_db:g} dB" if k is None else f"k = {k}"
    return FigurePlan(
        file_name=f"accuracy_uses_snr{snr_db:g}" if k is None else f"accuracy_snr_k{k}",
        rows=chosen,
        axis="channel_uses" if k is None else "snr_db",
        styles=styles_of(rows["scheme"]),
        heading=f"{text.title}: {place}",
        footer=f"{definitions(chosen, text, k=k)} {count_text(chosen)}",
        guess=1 / text.num_classes,
    )


def check_rows(rows: pd.DataFrame) -> None:
    """Whether the rows can be drawn. Raises: UserError if not."""
    missing = [name for name in KEY + VALUES if name not in rows.columns]
    if missing:
        raise UserError(f"results must hold the columns of semlink sweep; not there: {missing}")
    if rows.empty:
        raise UserError("results must hold at least one row, got none; run semlink sweep first")
    twice = rows[rows.duplicated(KEY)]
    if len(twice):
        point = ", ".join(f"{name} {twice.iloc[0][name]}" for name in KEY)
        raise UserError(f"results must hold one row per point, got several for {point}")


def styles_of(schemes: Iterable[str]) -> dict[str, Style]:
    """Style per scheme in drawing order: known schemes first, others by name."""
    present = set(schemes)
    styles = {name: style for name, style in STYLES.items() if name in present}
    others = sorted(present - STYLES.keys())
    spare = map(Style, cycle(SPARE_COLOURS), cycle(SPARE_DASHES), cycle(SPARE_MARKERS))
    return styles | dict(zip(others, spare, strict=False))


def scheme_title(name: str) -> str:
    """A scheme's name in words, with the label of its variant."""
    kind, _, label = name.partition(":")
    title = SCHEME_TITLES.get(kind, kind.replace("_", " "))
    return f"{title}, {label.replace('_', ' ').replace(':', ', ')}" if label else title


def channel_title(name: str) -> str:
    """A channel's name in words; a name that is not known stands for itself."""
    try:
        return channel_from_name(name).law.title or name
    except ValueError:
        return name


def shared_settings(settings: Sequence[str]) -> str:
    """One text for rows of several k: what they share, in order, and where the rest stands."""
    distinct = list(dict.fromkeys(settings))
    parts = [text.split(", ") for text in distinct]
    shared = ", ".join(part for part in parts[0] if all(part in other for other in parts))
    if len(distinct) == 1:
        return shared
    return "; ".join(filter(None, [shared, "the rest depends on k: see accuracy_snr_k*"]))


def definitions(rows: pd.DataFrame, text: DataText, *, k: int | None) -> str:
    """The definitions that every figure prints; k None: k is the axis."""
    snr, ratio = "SNR = Es/N0 per channel use, averaged over fading; ", f"k/{text.source_values}"
    if k is not None:
        snr, ratio = "", f"{k}/{text.source_values} = {k / text.source_values:.3g}"
    imperfect = rows["settings"].str.contains("SNR believed|gain estimated").any()
    unless = ", unless the legend says otherwise" if imperfect else ""
    return (
        f"{snr}k complex channel uses per image; ratio k/(C·H·W) = {ratio}. Unit average power per "
        "image over the k uses (QAM: over its constellation); E|h|² = 1; the receiver knows the "
        f"gain h and the noise power exactly (perfect CSI{unless}), and nothing else of the "
        "channel. Every bit that is needed is charged; what is taken as known beforehand is named "
        f"in the legend. An outage counts as a uniform guess (1/{text.num_classes})."
    )


def count_text(rows: pd.DataFrame) -> str:
    """How much was measured, and what the bands are."""
    realizations = _span(rows["realizations"])
    plural = "" if realizations == "1" else "s"
    return (
        f"{_span(rows['images'])} test images, {realizations} channel realisation{plural} of each; "
        "bands (bars): 95 % interval over images."
    )


def _nearest(wanted: Sequence[float], *, among: Sequence[float]) -> list[float]:
    points = sorted(set(among))
    return sorted({min((abs(point - value), point) for point in points)[1] for value in wanted})


def _span(values: "pd.Series[int]") -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


BITS, BLOCKS = "Bits", "Blocks"  # the panels of `semlink link`
MEASURED, CLOSED_FORM = "measured", "uncoded QAM"
LINK_STYLES = {
    MEASURED: Style("#0072B2", "-", "o"),
    CLOSED_FORM: Style("#666666", (0, (4, 2)), ""),
}


def over_ebn0(rows: pd.DataFrame, *, title: str, about: str) -> FigurePlan:
    """Bit and block error rates of a link over Eb/N0, beside the closed form.

    Points without an error have no place on a logarithmic axis.
    """
    curves = [
        _rates(rows, BITS, ["ber", "ber_low", "ber_high"]),
        _rates(rows, BLOCKS, ["bler", "ci_low", "ci_high"]),
        _rates(rows, BITS, ["theory_ber"] * 3).assign(
            scheme=CLOSED_FORM, settings="closed form at the same Eb/N0"
        ),
    ]
    shown = pd.concat(curves, ignore_index=True)
    return FigurePlan(
        file_name="link",
        rows=shown[shown["accuracy"] > 0],
        axis="ebn0_db",
        styles=LINK_STYLES,
        heading=title,
        footer=f"{about} Bands (bars): 95 % interval over blocks; points without an error are left "
        "out.",
    )


def _rates(rows: pd.DataFrame, panel: str, columns: list[str]) -> pd.DataFrame:
    """One measured curve in the form of every plan; columns are those of `FRACTION`."""
    curve = rows[["ebn0_db"]].assign(channel=panel, scheme=MEASURED)
    curve[FRACTION] = rows[columns].to_numpy()
    return curve.assign(settings="with its 95 % interval")
