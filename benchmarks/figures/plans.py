"""The content of figures: rows, axes, styles and captions. `benchmarks.figures.draw` draws them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase
from typing import Literal

import pandas as pd

from benchmarks.figures.captions import (
    DataText,
    definitions,
    listed,
    measured,
    pilots_of,
    shared_settings,
)
from benchmarks.figures.styles import STYLES, Style, channel_title, scheme_title, styles_of
from simulator.errors import UserError

KEY = ["scheme", "channel", "snr_db", "channel_uses"]
FRACTION = ["accuracy", "ci_low", "ci_high"]
VALUES = ["images", "realizations", *FRACTION, "settings"]
OF_ONE_USE, ONE_EACH = r"^rkd_sc:k\d+$", "rkd_sc:one_model_for_each_k"

MOST_SCHEMES = 8  # in a figure, unless they are selected by name
FIRST = (  # those that are shown first where there are more
    *("rkd_sc", "deep_jscc", "adjscc", "dt_jscc", "vl_vfe", "separate", "digital_semantic"),
    *("label_code", "capacity_bound", "published_figure", "published_notebook"),
)
POINT = {"snr_db": "SNR = {:g} dB", "channel_uses": "k = {:g}", "ebn0_db": "Eb/N0 = {:g} dB"}
MARKERS = {2: "second", 3: "third"}
Measure = Literal["accuracy", "error"]


@dataclass(frozen=True, kw_only=True)
class FigurePlan:
    """The content of one figure, before its layout."""

    file_name: str  # without ending
    rows: pd.DataFrame  # what is drawn, as a fraction, is in the columns `FRACTION`
    axis: Literal["snr_db", "channel_uses", "ebn0_db"]
    measure: Literal["accuracy", "error", "rate"] = "accuracy"  # the last two are logarithmic
    styles: dict[str, Style]  # of every scheme of the table, in drawing order
    heading: str  # the first sentence of the caption, without its full stop
    place: str = ""  # what all panels share, said in their titles
    notes: str
    guess: float | None = None  # what a uniform guess attains
    wide: bool = False  # as wide as the text, even if there is one panel

    @property
    def panels(self) -> dict[str, str]:
        """The channels in the order of the rows, a panel for each, and its title.

        The title of bars says at which point of the axis they stand.
        """
        points = self.rows[self.axis].unique()
        alone = POINT[self.axis].format(points[0]) if len(points) == 1 else ""
        names = [str(name) for name in self.rows["channel"].unique()]
        letters = [f"({letter}) " for letter in ascii_lowercase] if len(names) > 1 else [""]
        return {
            name: ", ".join(filter(None, [letter + channel_title(name), self.place, alone]))
            for letter, name in zip(letters, names, strict=False)
        }

    @property
    def shown(self) -> dict[str, Style]:
        """The schemes that have rows, in drawing order."""
        there = set(self.rows["scheme"])
        return {name: style for name, style in self.styles.items() if name in there}

    @property
    def caption(self) -> str:
        """Everything that the figure itself does not show."""
        settings = {name: list(own) for name, own in self.rows.groupby("scheme")["settings"]}
        schemes = [f"{scheme_title(n)}: {shared_settings(settings[n])}" for n in self.shown]
        titles = self.panels.values() if len(self.panels) > 1 else ()
        parts = [self.heading + ".", listed("Panels", titles), self.notes]
        if self.guess is not None:
            parts.append(f"Dotted, if inside the axes: a uniform guess, {100 * self.guess:.3g} %.")
        if self.marker_step > 1:
            parts.append(f"A marker at every {MARKERS[self.marker_step]} measured point.")
        return " ".join(filter(None, [*parts, listed("Schemes", schemes)]))

    @property
    def marker_step(self) -> int:
        """A marker stands at every point, or at every second or third of many."""
        points = self.rows[self.axis].nunique()
        return 1 + (points > 6) + (points > 12)

    def curve(self, channel: str, scheme: str) -> pd.DataFrame:
        """The rows of one curve from left to right."""
        mine = (self.rows["channel"] == channel) & (self.rows["scheme"] == scheme)
        return self.rows[mine].sort_values(self.axis)

    def by_channel(self) -> list["FigurePlan"]:
        """A figure for each channel in place of a panel for each."""
        return [
            replace(
                self,
                file_name=f"{self.file_name}_{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}",
                rows=self.rows[self.rows["channel"] == name],
                heading=f"{self.heading}, {channel_title(name)}",
            )
            for name in self.panels
        ]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The figures of a sweep's rows."""

    text: DataText
    styles: dict[str, Style]  # of every scheme of the sweep, in drawing order
    measure: Measure = "accuracy"
    most: int | None = MOST_SCHEMES  # schemes of one figure; None: all

    def over_snr(self, rows: pd.DataFrame) -> list[FigurePlan]:
        """Versus SNR, one figure for each k."""
        uses = sorted({int(k) for k in rows["channel_uses"]})
        return [self._plan(rows[rows["channel_uses"] == k], k=k) for k in uses]

    def over_uses(self, rows: pd.DataFrame, *, snr_db: Sequence[float]) -> list[FigurePlan]:
        """Versus k, one figure for each requested SNR, at the nearest measured one.

        Variants that were trained for a single k form one curve. No figure unless the rows hold a
        scheme at three values of k or more.
        """
        rows = rows.assign(
            scheme=rows["scheme"].str.replace(OF_ONE_USE, ONE_EACH, regex=True),
            channel_uses=rows["channel_uses"] + pilots_of(rows),
        )
        if not (rows.groupby("scheme")["channel_uses"].nunique() >= 3).any():
            return []
        own = replace(self, styles=styles_of(rows["scheme"]) | self.styles)
        nearest = _nearest(snr_db, among=[float(snr) for snr in rows["snr_db"]])
        return [own._plan(rows[rows["snr_db"] == snr], snr_db=snr) for snr in nearest]

    def _plan(self, rows: pd.DataFrame, *, k: int | None = None, snr_db: float = 0.0) -> FigurePlan:
        """The rows over SNR at one k, or over k at one SNR."""
        rows, others = self._first(rows)
        place, over = (f"SNR = {snr_db:g} dB", "k") if k is None else (f"k = {k}", "SNR")
        where = f"uses_snr{snr_db:g}" if k is None else f"snr_k{k}"
        what = "error rate" if self.measure == "error" else "accuracy"
        guess = 1 / self.text.num_classes
        notes = [
            definitions(rows, self.text, k=k),
            measured(rows, self.text),
            "Points without an error are left out." if self.measure == "error" else "",
            listed("Note", self.text.notes),
            listed("Left out", self.text.remarks(k)),
            listed("Not shown", others),
        ]
        return FigurePlan(
            file_name=f"{self.measure}_{where}",
            rows=_errors(rows) if self.measure == "error" else rows,
            axis="channel_uses" if k is None else "snr_db",
            measure=self.measure,
            styles=self.styles,
            heading=f"{self.text.title}: {what} versus {over} at {place}",
            place=place,
            notes=" ".join(filter(None, notes)),
            guess=1 - guess if self.measure == "error" else guess,
        )

    def _first(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """The rows of the schemes that are shown, and the names of the others."""
        there = [name for name in self.styles if name in set(rows["scheme"])]
        if self.most is None or len(there) <= self.most:
            return rows, []
        ranks = {name: rank for rank, name in enumerate(dict.fromkeys((*FIRST, *STYLES)))}
        by_rank = sorted(there, key=lambda name: ranks.get(name, len(ranks)))
        shown = set(by_rank[: self.most])
        return rows[rows["scheme"].isin(shown)], [name for name in there if name not in shown]


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
        measure="rate",
        styles=LINK_STYLES,
        heading=title,
        notes=f"{about} Eb/N0 per payload bit, averaged over fading. Bands and bars: 95 % interval "
        "over blocks; points without an error are left out.",
    )


def _rates(rows: pd.DataFrame, panel: str, columns: list[str]) -> pd.DataFrame:
    """One measured curve in the form of every plan; columns are those of `FRACTION`."""
    curve = rows[["ebn0_db"]].assign(channel=panel, scheme=MEASURED)
    curve[FRACTION] = rows[columns].to_numpy()
    return curve.assign(settings="with its 95 % interval")
