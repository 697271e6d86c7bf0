"""Published results beside ours, always labelled as published.

Source: the conference precursor of RKD-SC (echojayne/RKD-SC on GitHub): accuracies in percent on
CIFAR-100 with 256 channel uses, read off its figure (to 0.7 points), and printed by its notebook.

Only the notebook's curve is drawn. The figure compares RKD-SC with other schemes, such as deep JSCC
with a ViT-B or a ResNet as encoder, of which only some points are available. To draw RKD-SC without
its competitors would be misleading. The documentation also compares with the figure's RKD-SC curve.
"""

import pandas as pd

SNR_DB = tuple(float(snr) for snr in range(-10, 25, 2))

FIGURE_AWGN = (
    *(25.4, 34.1, 42.2, 48.2, 54.8, 59.7, 62.8, 65.5, 66.5),
    *(67.5, 68.4, 68.8, 69.9, 69.5, 69.7, 69.9, 69.8, 70.0),
)

FIGURE_RAYLEIGH = (
    *(19.4, 25.0, 31.2, 36.4, 41.6, 47.4, 52.5, 55.9, 59.1),
    *(61.9, 63.4, 65.2, 66.9, 67.4, 68.2, 68.7, 69.1, 69.3),
)

NOTEBOOK_AWGN = (
    *(26.76, 35.24, 45.05, 52.05, 57.95, 62.51, 65.05, 67.61, 69.25),
    *(69.81, 70.14, 70.58, 71.00, 71.06, 70.98, 71.00, 71.09, 71.32),
)

CURVES = (
    ("published_figure", "awgn", FIGURE_AWGN),
    ("published_figure", "rayleigh", FIGURE_RAYLEIGH),
    ("published_notebook", "awgn", NOTEBOOK_AWGN),
)

SETTINGS = {  # of the schemes that are drawn
    "published_notebook": "conference version of RKD-SC, as printed by its notebook; teacher CLIP "
    "ViT-B/32 of 87.85 M parameters, student of 2.92 M, codec of 4.2 M a side with attention over "
    "the images of a batch; other test images; no interval",
}

USES = 256


def with_published(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the published curve at k = 256 to rows of CIFAR-100, on the channels of the rows.

    Only SNRs within the range of the rows are added, and nothing if there are no rows at k = 256.
    """
    ours = rows[rows["channel_uses"] == USES]
    added = [
        {
            "scheme": scheme,
            "channel": channel,
            "snr_db": snr,
            "channel_uses": USES,
            "images": ours["images"].iloc[0],
            "realizations": ours["realizations"].iloc[0],
            **dict.fromkeys(("accuracy", "ci_low", "ci_high"), percent / 100),
            "settings": SETTINGS[scheme],
        }
        for scheme, channel, curve in CURVES
        if scheme in SETTINGS and channel in set(ours["channel"])
        for snr, percent in zip(SNR_DB, curve, strict=True)
        if ours["snr_db"].min() <= snr <= ours["snr_db"].max()
    ]
    return pd.concat([rows, pd.DataFrame(added)], ignore_index=True) if added else rows
