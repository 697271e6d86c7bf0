"""
A sweep on a cluster
====================

The same sweep on this machine or on a Ray cluster: the table is the same to the last byte.
"""

# %%
# Ray is an optional dependency: ``pip install 'semlink[cluster]'``. ``ray start --head`` makes this
# machine the first node and ``ray start --address HOST:6379`` adds others. All nodes must see the
# same files.
import os
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from simulator.commands.sweep import SweepRequest, sweep
from simulator.storage.environment import ROOT

if find_spec("ray") is None:
    print("Ray is missing: pip install 'semlink[cluster]'. This example runs without it.")
elif "RAY_ADDRESS" not in os.environ:
    print("No cluster: start one with ray start --head and set RAY_ADDRESS=auto.")
on_cluster = find_spec("ray") is not None and "RAY_ADDRESS" in os.environ

# %%
# `cluster="auto"` joins the cluster of RAY_ADDRESS; ``semlink sweep digits --cluster auto`` does
# the same. A lost node costs only time: its work is done again by others.
out = Path(mkdtemp()) / "sweep"
request = SweepRequest(
    recipe="digits",
    weights=ROOT / "results/reference/digits/weights",
    out=out,
    schemes=("rkd_sc", "label_code"),
    channels=("awgn",),
    snr_db=(-10.0, 0.0, 10.0),
    channel_uses=(16,),
    images=100,
    cluster="auto" if on_cluster else None,
)
sweep(request)

# %%
table = pd.read_csv(out / "results.csv")
print(table[["scheme", "snr_db", "accuracy", "ci_low", "ci_high"]].to_string(index=False))
