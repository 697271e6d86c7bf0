"""Figure of retention: the share of a teacher's accuracy kept, versus parameters removed."""

from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.figures.draw import look, save

PUBLISHED_RETENTION = (96.67, 93.3)  # % removed and kept, arXiv 2508.02148
NETWORKS = {"hand_made": "hand-made", "kdl_darts": "KDL-DARTS", "random": "random draws"}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # of networks
DASHES = ("-", "--", ":", "-.")  # of teachers


def draw_retention(rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw `retention.png` and `.pdf`: teacher's accuracy kept, versus parameters removed.

    One line per network (colour) and teacher (dashes), through means over training runs; the
    paper's point is grey.
    """
    colours = dict(zip(rows["network"].unique(), cycle(COLOURS), strict=False))
    dashes = dict(zip(rows["teacher"].unique(), cycle(DASHES), strict=False))
    with look():
        figure = Figure(figsize=(5.0, 4.2), dpi=200, layout="constrained")
        axes = figure.subplots()
        for (network, teacher), own in rows.groupby(["network", "teacher"]):
            means = 100 * own.groupby("size")[["removed", "retention", "low", "high"]].mean()
            removed, kept, low, high = means.to_numpy().T
            axes.errorbar(
                removed,
                kept,
                (kept - low, high - kept),
                color=colours[network],
                linestyle=dashes[teacher],
                linewidth=1,
                marker="o",
                markersize=4,
                elinewidth=0.8,
                capsize=2,
                label=f"{NETWORKS.get(str(network), network)}, {_teacher(str(teacher))}",
            )
        axes.plot(*PUBLISHED_RETENTION, "D", color="#999999", label="published, another teacher")
        axes.set(
            xlabel="encoder parameters removed (%)", ylabel="share of the teacher's accuracy (%)"
        )
        figure.legend(loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    return save(figure, folder, "retention")


def _teacher(name: str) -> str:
    """A teacher in the legend: "all teachers", "teacher 1", "teacher 2"."""
    number = name.removeprefix("teacher").removeprefix("_") or "1"
    return "all teachers" if name == "all" else f"teacher {number}"
