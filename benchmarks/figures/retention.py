"""Figure of retention: the share of a teacher's accuracy kept, versus parameters removed."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.figures.draw import look, save

PUBLISHED_RETENTION = (96.67, 93.3)  # % removed and kept, arXiv 2508.02148


def draw_retention(rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw `retention.png` and `.pdf`: teacher's accuracy kept, versus parameters removed.

    One line per network and teacher, through means over training runs; the paper's point is grey.
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
