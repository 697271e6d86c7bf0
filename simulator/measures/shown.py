"""A table of results as text: accuracies in percent, a column per SNR."""

import pandas as pd

MOST_CHARACTERS = 100  # of a printed line


def in_percent(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in percent, one line per channel, k and scheme, one column per SNR."""
    percent = rows.assign(accuracy=(100 * rows["accuracy"]).round(1))
    index = ["channel", "channel_uses", "scheme"]
    table = percent.pivot_table(index=index, columns="snr_db", values="accuracy")
    table.columns = pd.Index([f"{snr:g}" for snr in table.columns], name="snr_db")
    return table


def results_text(rows: pd.DataFrame) -> str:
    """The accuracies, below a line with the numbers of images and channel draws."""
    images, draws = (span(rows[name]) for name in ("images", "realizations"))
    plural, table = "" if draws == "1" else "s", in_percent(rows)
    shown = fitting(table)
    scarce = "" if len(shown.columns) == len(table.columns) else "; `table` has every SNR"
    return (
        f"accuracy in %, {images} test images, {draws} channel draw{plural} of each; SNR in dB"
        f"{scarce}\n{shown.to_string()}"
    )


def fitting(table: pd.DataFrame) -> pd.DataFrame:
    """Every column, or every second, third, ...: as many as fit into lines of 100 characters."""
    for step in range(1, len(table.columns)):
        shown = table.iloc[:, ::step]
        if max(map(len, shown.to_string().splitlines())) <= MOST_CHARACTERS:
            return shown
    return table.iloc[:, :1]


def span(values: "pd.Series[int]") -> str:
    """The value if all are equal, else the smallest and the largest."""
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
