"""Accuracy, and the share of a teacher's accuracy, over parameters. Never trains."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from benchmarks.figures.draw import look, save
from benchmarks.figures.plans import FRACTION

FRONT = {  # kind to name, colour, marker
    "kdl_darts": ("KDL-DARTS", "#0072B2", "o"),
    "hand_made": ("hand-made", "#D55E00", "s"),
    "random": ("random", "#999999", "x"),
    "random_best": ("random, best of four", "#000000", "X"),
    "ce_only": ("search by labels alone", "#009E73", "^"),
    "no_penalty": ("lambda = 0, scaled", "#CC79A7", "D"),
    "no_residual": ("without residual cells", "#E69F00", "v"),
}
PUBLISHED_RETENTION = (96.67, 93.3)  # % removed and kept, arXiv 2508.02148


def apart(values: NDArray[np.float64], *, share: float = 0.015) -> NDArray[np.float64]:
    """The nearest values in the same order with gaps of at least this share of their range."""
    order = np.argsort(values, kind="stable")
    gaps = share * float(np.ptp(values)) * np.arange(len(values))
    moved = np.empty(len(values))
    moved[order] = isotonic_regression(values[order] - gaps).x + gaps
    return moved


def draw_front(rows: pd.DataFrame, folder: Path, *, title: str) -> list[Path]:
    """`front.png` and `.pdf`: accuracy with its 95 % interval over parameters.

    Networks of nearly one size are moved apart, so that all can be seen.
    """
    rows = rows.assign(shown=apart(rows["params"].to_numpy() / 1e6))
    with look():
        figure = Figure(figsize=(5.0, 3.4), dpi=200, layout="constrained")
        axes = figure.subplots()
        for kind, (name, colour, marker) in FRONT.items():
            own = rows[rows["kind"] == kind].sort_values("params")
            if own.empty:
                continue
            mean, low, high = (100 * own[c].to_numpy() for c in FRACTION)
            axes.errorbar(
                own["shown"].to_numpy(),
                mean,
                (mean - low, high - mean),
                linestyle="-" if kind == "kdl_darts" else "none",
                color=colour,
                marker=marker,
                markersize=4,
                elinewidth=0.8,
                capsize=2,
                label=name,
            )
        axes.set(
            xlabel="encoder parameters (million; near ones are moved apart)",
            ylabel="test accuracy (%)",
            title=title,
        )
        axes.legend(fontsize=7, frameon=False)
    return save(figure, folder, "front")


def draw_retention(rows: pd.DataFrame, folder: Path) -> list[Path]:
    """`retention.png` and `.pdf`: share of each teacher's accuracy kept over parameters removed.

    A line for every network and teacher, through means over trainings; the paper's point is grey.
    """
    with look():
        figure = Figure(figsize=(5.0, 3.4), dpi=200, layout="constrained")
        axes = figure.subplots()
        for (network, teacher), own in rows.groupby(["network", "teacher"]):
            means = 100 * own.groupby("size")[["removed", "retention", "low", "high"]].mean()
            removed, kept, low, high = means.to_numpy().T
            axes.errorbar(
                removed,
                kept,
                (kept - low, high - kept),
                marker="o",
                markersize=4,
                elinewidth=0.8,
                capsize=2,
                label=f"{network} of {teacher}",
            )
        axes.plot(*PUBLISHED_RETENTION, "D", color="#999999", label="published (other teacher)")
        axes.set(
            xlabel="encoder parameters removed (%)", ylabel="share of the teacher's accuracy (%)"
        )
        axes.legend(fontsize=7, frameon=False)
    return save(figure, folder, "retention")
