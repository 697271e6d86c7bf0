"""
Compare schemes over SNR and bandwidth
======================================

Accuracy over the SNR for two bandwidths, the paired difference from a baseline, and the figures.
"""

# %%
# The bandwidth ratio is k / (C·H·W): 16 uses for 8x8 grey pixels are 1/4, 64 uses are 1.
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt

import semlink

link = semlink.load("digits")
grid = semlink.Grid(snr_db=(-10, -5, 0, 5, 10, 15), channel_uses=(16, 64), channels=("awgn",))
results = semlink.sweep(link, ["rkd_sc", "adjscc", "separate", "label_code"], grid, images=250)

# %%
# A curve per scheme, in one colour at every k, with 95 % intervals over images.
colours = {scheme: f"C{place}" for place, scheme in enumerate(results.table.scheme.unique())}
figure, panels = plt.subplots(1, 2, sharey=True, figsize=(8, 4))
for axes, (k, at_k) in zip(panels, results.table.groupby("channel_uses"), strict=True):
    for scheme, rows in at_k.groupby("scheme", sort=False):
        colour = colours[scheme]
        axes.plot(rows.snr_db, rows.accuracy, color=colour, marker="o", label=scheme)
        axes.fill_between(rows.snr_db, rows.ci_low, rows.ci_high, color=colour, alpha=0.2)
    axes.set(title=f"k = {k}", xlabel="SNR (dB)")
panels[0].set_ylabel("accuracy")
panels[1].legend()
figure.tight_layout()

# %%
# All schemes use the same images and channel draws, so their difference is paired: overlapping
# intervals above do not settle a comparison. `p_holm` is the paired p-value after Holm's adjustment
# for all points of the table.
compared = results.compare(a="rkd_sc", b="label_code")
print(compared)

# %%
# The figures that `semlink sweep` draws, as PNG and PDF.
files = results.plot(Path(mkdtemp()) / "figures")
print(*(path.name for path in files), sep="\n")
