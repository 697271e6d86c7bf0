"""The content of figures: rows, axes, styles and captions. `benchmarks.figures.draw` draws them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase
from typing import Final, Literal

import pandas as pd

from benchmarks.figures.captions import (
    DataText,
    counts,
    definitions,
    listed,
    pilots_of,
    reliability,
    settings_text,
)
from benchmarks.figures.panels import estimate_of, panel_titles, shared_parts
from benchmarks.figures.styles import STYLES, Style, channel_title, styles_of
from simulator.errors import UserError
from simulator.names import SCHEMES, Measure

KEY = ["scheme", "channel", "snr_db", "channel_uses"]
FRACTION = ["accuracy", "ci_low", "ci_high"]
VALUES = ["images", "realizations", *FRACTION, "settings"]
OF_ONE_USE, ONE_EACH = r"^rkd_sc:k\d+$", "rkd_sc:one_model_for_each_k"

MOST_SCHEMES = 8  # in a figure, unless they are selected by name
FIRST = (  # schemes that are shown first if there are more; the user's own follow rkd_sc
    *("rkd_sc", "deep_jscc", "adjscc", "dt_jscc", "vl_vfe", "separate", "digital_semantic"),
    *("label_code", "capacity_bound", "published_notebook"),
)
POINT = {"snr_db": "SNR = {:g} dB", "channel_uses": "k = {:g}", "ebn0_db": "Eb/N0 = {:g} dB"}
MOST_PANELS = 4  # that a caption lists; if there are more, only the notes do
MARKERS = {2: "second", 3: "third"}
QUALITY: Final[Mapping[Measure, str]] = {"psnr": "psnr_db", "ssim": "ssim"}  # columns of a sweep
NAMES: Final[Mapping[Measure, str]] = {
    "accuracy": "accuracy",
    "error": "error rate",
    "psnr": "PSNR",
    "ssim": "SSIM",
}


@dataclass(frozen=True, kw_only=True)
class FigurePlan:
    """The content of one figure, before its layout."""

    file_name: str  # without ending
    rows: pd.DataFrame  # the drawn values are in the columns `FRACTION`
    axis: Literal["snr_db", "channel_uses", "ebn0_db"]
    measure: Measure | Literal["rate"] = "accuracy"  # "error" and "rate" are logarithmic
    styles: dict[str, Style]  # of every scheme of the table, in drawing order
    heading: str  # the first sentence of the caption, without its full stop
    place: str = ""  # what all points share; part of the title if there is one panel
    counts: str = ""  # the last sentence of the caption: how much was measured, the intervals
    notes: str
    guess: float | None = None  # value of a uniform guess, as a fraction

    @property
    def panels(self) -> dict[str, str]:
        """The title of each channel's panel, in the order of the rows.

        The title of a single panel includes what all its points share. If there are several, the
        caption states it.
        """
        titles = panel_titles(self._channels)
        if len(titles) == 1:
            return {
                name: ", ".join(filter(None, [title, self.place, self._alone]))
                for name, title in titles.items()
            }
        return _lettered(titles)

    @property
    def _channels(self) -> list[str]:
        return [str(name) for name in self.rows["channel"].unique()]

    @property
    def _alone(self) -> str:
        """The only point of the axis, drawn as bars; empty if there are several."""
        points = self.rows[self.axis].unique()
        return POINT[self.axis].format(points[0]) if len(points) == 1 else ""

    @property
    def shown(self) -> dict[str, Style]:
        """The schemes that have rows, in drawing order."""
        there = set(self.rows["scheme"])
        return {name: style for name, style in self.styles.items() if name in there}

    @property
    def caption(self) -> str:
        """What is drawn, over which channels, and the intervals: two or three sentences."""
        channels = self._channels
        point = "" if self._alone in self.heading else self._alone
        alone = channel_title(channels[0]) if len(channels) == 1 else ""
        heading = ", ".join(filter(None, [self.heading, point, alone]))
        return " ".join(filter(None, [f"{heading}.", self._said_of_panels, self.counts]))

    @property
    def _said_of_panels(self) -> str:
        """The channels of the panels, if there are several."""
        channels, titles = self._channels, list(self.panels.values())
        if len(titles) > MOST_PANELS:
            return f"A panel for each of {len(titles)} channels."
        pilots = ["pilots in brackets"] * any(map(estimate_of, channels))
        return listed("Panels", titles + shared_parts(channels) + pilots) if titles[1:] else ""

    @property
    def all_notes(self) -> str:
        """Definitions, settings and whatever else the figure and its caption do not state."""
        settings = dict(list(self.rows.groupby("scheme")["settings"]))
        schemes = [f"{own.title}: {settings_text(settings[n])}" for n, own in self.shown.items()]
        parts = [self.notes, listed("Panels in full", self._full_titles)]
        if self.guess is not None:
            parts.append(f"Dotted, if inside the axes: a uniform guess, {100 * self.guess:.3g} %.")
        if self.marker_step > 1:
            parts.append(f"A marker at every {MARKERS[self.marker_step]} measured point.")
        return " ".join(filter(None, [*parts, listed("Schemes", schemes)]))

    @property
    def _full_titles(self) -> list[str]:
        """Full titles of several panels, if the panels shorten them or the caption omits them."""
        full = _lettered({name: channel_title(name) for name in self._channels})
        said = full == self.panels and len(full) <= MOST_PANELS
        return [] if said or len(full) == 1 else list(full.values())

    @property
    def marker_step(self) -> int:
        """1 for a marker at every point; 2 or 3 for one at every second or third of many points."""
        points = self.rows[self.axis].nunique()
        return 1 + (points > 6) + (points > 12)

    def curve(self, channel: str, scheme: str) -> pd.DataFrame:
        """The rows of one curve from left to right."""
        mine = (self.rows["channel"] == channel) & (self.rows["scheme"] == scheme)
        return self.rows[mine].sort_values(self.axis)


def _lettered(titles: dict[str, str]) -> dict[str, str]:
    """Titles with (a), (b), ..., (aa), ... before them."""
    pairs = (a + b for a in ("", *ascii_lowercase) for b in ascii_lowercase)
    named = zip(pairs, titles.items(), strict=False)
    return {name: f"({letters}) {title}" for letters, (name, title) in named}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Settings shared by the figures of a sweep, and the plans of these figures."""

    text: DataText
    styles: dict[str, Style]  # of every scheme of the sweep, in drawing order
    measure: Measure = "accuracy"
    most: int | None = MOST_SCHEMES  # schemes of one figure; None: all
    always: Sequence[str] = ()  # schemes that no figure leaves out
    by_channel: bool = False  # a figure for each channel instead of a panel for each

    def over_snr(self, rows: pd.DataFrame) -> list[FigurePlan]:
        """Versus SNR, one figure for each k."""
        uses = sorted({int(k) for k in rows["channel_uses"]})
        return [plan for k in uses for plan in self._plans(rows[rows["channel_uses"] == k], k=k)]

    def over_uses(self, rows: pd.DataFrame, *, snr_db: Sequence[float]) -> list[FigurePlan]:
        """Versus k, one figure for each requested SNR, at the nearest measured one.

        Variants that were trained for a single k form one curve. There is no figure unless some
        scheme has three or more values of k on one channel.
        """
        rows = rows.assign(
            scheme=rows["scheme"].str.replace(OF_ONE_USE, ONE_EACH, regex=True),
            channel_uses=rows["channel_uses"] + pilots_of(rows),
        )
        if not (rows.groupby(["scheme", "channel"])["channel_uses"].nunique() >= 3).any():
            return []
        own = replace(self, styles=styles_of(rows["scheme"]) | self.styles)
        nearest = _nearest(snr_db, among=[float(snr) for snr in rows["snr_db"]])
        return [
            plan for snr in nearest for plan in own._plans(rows[rows["snr_db"] == snr], snr_db=snr)
        ]

    def _plans(
        self, rows: pd.DataFrame, *, k: int | None = None, snr_db: float = 0.0
    ) -> list[FigurePlan]:
        """One figure, or one for each channel with the channel in its file name."""
        if not self.by_channel:
            return [self._plan(rows, k=k, snr_db=snr_db)]
        plans = []
        for name, own in rows.groupby("channel", sort=False):
            plan = self._plan(own, k=k, snr_db=snr_db)
            ending = re.sub(r"[^A-Za-z0-9_.-]", "-", str(name))
            plans.append(replace(plan, file_name=f"{plan.file_name}_{ending}"))
        return plans

    def _plan(self, rows: pd.DataFrame, *, k: int | None, snr_db: float) -> FigurePlan:
        """The plan of a figure over SNR at one k, or over k at one SNR."""
        rows, others = self._first(rows)
        uses = "k + pilots" if pilots_of(rows).any() else "k"
        place, over = (f"SNR = {snr_db:g} dB", uses) if k is None else (f"k = {k}", "SNR")
        where = f"uses_snr{snr_db:g}" if k is None else f"snr_k{k}"
        what, guess = NAMES[self.measure], self._guess
        axis: Literal["snr_db", "channel_uses"] = "channel_uses" if k is None else "snr_db"
        points = rows[axis].unique()
        versus = f" versus {over} at {place}"
        if len(points) == 1:
            versus = f" at {place}, {POINT[axis].format(points[0])}"
        return FigurePlan(
            file_name=f"{self.measure}_{where}",
            rows=_errors(rows) if self.measure == "error" else rows,
            axis=axis,
            measure=self.measure,
            styles=self.styles,
            heading=f"{self.text.title}: {what}{versus}",
            place=place,
            counts=counts(rows),
            notes=self._notes(rows, k, others),
            guess=guess,
        )

    @property
    def _guess(self) -> float | None:
        """Accuracy or error rate of a uniform guess; None for image quality."""
        right = 1 / self.text.num_classes
        return {"accuracy": right, "error": 1 - right}.get(self.measure)

    def _notes(self, rows: pd.DataFrame, k: int | None, others: list[str]) -> str:
        """Definitions, limits of the accuracies, and schemes that are missing."""
        notes = [
            definitions(rows, self.text, k=k, images=self.measure in QUALITY),
            "" if self.measure in QUALITY else reliability(rows, self.text, self.styles),
            "Points without an error are left out." if self.measure == "error" else "",
            listed("Note", self.text.notes),
            listed("Left out", self.text.refused(k, set(rows["channel"]))),
            listed("Not trained", self.text.untrained),
            listed("Not shown", (self.styles[name].title for name in others)),
        ]
        return " ".join(filter(None, notes))

    def _first(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """The rows of the schemes that are shown, and the names of the others."""
        there = [name for name in self.styles if name in set(rows["scheme"])]
        if self.most is None or len(there) <= self.most:
            return rows, []
        ranked = by_rank([name for name in there if name not in self.always])
        shown = {*ranked[: self.most], *self.always}
        return rows[rows["scheme"].isin(shown)], [name for name in there if name not in shown]


def by_rank(names: Sequence[str]) -> list[str]:
    """The schemes in the order in which a selection takes them; own ones follow the first."""
    ranks = {name: rank for rank, name in enumerate(dict.fromkeys((*FIRST, *STYLES)))}
    others = len(ranks)

    def rank(name: str) -> float:
        own = name.partition(":")[0] not in SCHEMES
        return ranks.get(name, 0.5 if own else others)

    return sorted(names, key=rank)


def check_rows(rows: pd.DataFrame) -> None:
    """Check that the rows can be drawn. Raises: UserError if not."""
    missing = [name for name in KEY + VALUES if name not in rows.columns]
    if missing:
        raise UserError(f"results must hold the columns of semlink sweep; missing: {missing}")
    if rows.empty:
        raise UserError("results must hold at least one row, got none; run semlink sweep first")
    twice = rows[rows.duplicated(KEY)]
    if len(twice):
        point = ", ".join(f"{name} {twice.iloc[0][name]}" for name in KEY)
        raise UserError(f"results must hold one row per point, got several for {point}")


def measured(rows: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """The rows that have the measure, with its values in the columns `FRACTION`.

    Raises: UserError if no row has it.
    """
    if measure not in QUALITY:
        return rows
    name = QUALITY[measure]
    own = rows.dropna(subset=[name]) if name in rows else rows.iloc[:0]
    if own.empty:
        raise UserError(
            f"--axis {measure} needs rows with {name}; sweep schemes that rebuild images, such as "
            "deep_jscc_image and separate, with --quality"
        )
    changed = own.copy()
    changed[FRACTION] = own[[name, f"{name}_low", f"{name}_high"]].to_numpy()
    return changed


def _errors(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with error rates in place of accuracies."""
    changed = rows.copy()
    changed[FRACTION] = 1 - rows[["accuracy", "ci_high", "ci_low"]].to_numpy()
    return changed


def _nearest(wanted: Sequence[float], *, among: Sequence[float]) -> list[float]:
    points = sorted(set(among))
    return sorted({min((abs(point - value), point) for point in points)[1] for value in wanted})


BITS, BLOCKS = "Bits", "Blocks"  # the panels of `semlink link`
MEASURED, CLOSED_FORM = "measured", "uncoded QAM"
LINK_STYLES = {
    MEASURED: Style("#0072B2", "-", "o", MEASURED),
    CLOSED_FORM: Style("#666666", (0, (4, 2)), "", CLOSED_FORM),
}


def over_ebn0(rows: pd.DataFrame, *, title: str, about: str) -> FigurePlan:
    """Bit and block error rates of a link over Eb/N0, beside the closed form.

    Points without an error are left out, because the axis is logarithmic.
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
        measure="rate",
        styles=LINK_STYLES,
        heading=title,
        counts="Bands and bars: 95 % interval over blocks; points without an error are left out.",
        notes=f"{about} Eb/N0 per payload bit, averaged over fading.",
    )


def _rates(rows: pd.DataFrame, panel: str, columns: list[str]) -> pd.DataFrame:
    """One curve in the form of a plan's rows; `columns` become the columns `FRACTION`."""
    curve = rows[["ebn0_db"]].assign(channel=panel, scheme=MEASURED)
    curve[FRACTION] = rows[columns].to_numpy()
    return curve.assign(settings="with its 95 % interval")
