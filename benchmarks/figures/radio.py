"""Figure of the waveform study: accuracy over a simulated radio and over ideal symbols."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.figures.draw import LEGEND, look, save
from benchmarks.figures.styles import styles_of


def draw_radio(rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw a panel per k: each scheme over the radio (line, interval) and ideal symbols (dots).

    `rows` has scheme, channel_uses, snr_db, and accuracies radio, radio_low, radio_high and ideal.
    """
    with look():
        figure = Figure(figsize=(7.16, 2.7), dpi=300, layout="constrained")
        sizes = sorted(rows["channel_uses"].unique())
        styles = styles_of(rows["scheme"])
        for axes, k in zip(figure.subplots(1, len(sizes), squeeze=False)[0], sizes, strict=True):
            for scheme, own in rows[rows["channel_uses"] == k].groupby("scheme", sort=False):
                colour, title = styles[str(scheme)].colour, styles[str(scheme)].title
                snr_db = own["snr_db"]
                axes.fill_between(
                    snr_db,
                    100 * own["radio_low"],
                    100 * own["radio_high"],
                    color=colour,
                    alpha=0.15,
                )
                axes.plot(snr_db, 100 * own["radio"], color=colour, label=f"{title}, radio")
                axes.plot(
                    snr_db, 100 * own["ideal"], "o", ms=3.5, color=colour, label=f"{title}, ideal"
                )
            axes.set(title=f"k = {k}", xlabel="SNR (dB)", ylabel="Accuracy (%)")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, **LEGEND)
        return save(figure, folder, "radio")
