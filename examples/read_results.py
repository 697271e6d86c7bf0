"""
Read a finished sweep
=====================

Questions about the digits sweep in results/reference, answered with pandas.
"""

# %%
# `Results.read` takes the folder of any finished sweep; `results.csv` is the same table.
import semlink
from simulator.storage.environment import ROOT

results = semlink.Results.read(ROOT / "results/reference/digits")
table = results.table
print(len(table), "points;", ", ".join(table.scheme.unique()))

# %%
# Accuracy in percent over Rayleigh fading at k = 64.
at_64 = table.query("channel == 'rayleigh' and channel_uses == 64")
print((100 * at_64.pivot_table("accuracy", "snr_db", "scheme", sort=False)).round(1).to_string())

# %%
# The SNR that each scheme needs for 90 % on AWGN, interpolated, with its 95 % interval.
print(results.threshold(90, channels="awgn"))

# %%
# How often a digital link delivers no image (an outage counts as a uniform guess).
lost = table.query("scheme == 'separate' and channel_uses == 64").assign(
    outage=lambda rows: 1 - rows.delivered
)
print(lost.pivot_table("outage", "snr_db", "channel").round(3).to_string())

# %%
# What was charged at k = 64, and what was known in advance.
for scheme, settings in at_64.groupby("scheme", sort=False).settings.first().items():
    print(f"{scheme}: {settings}")
