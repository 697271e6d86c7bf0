"""
Your own images
===============

A folder per class is enough. This example makes a small one: bright and dark squares in noise.
"""

# %%
# Any format that Pillow reads, grey or RGB, all of one size: FOLDER/CLASS/FILE.
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from PIL import Image

import semlink

folder = Path(mkdtemp()) / "my_images"
random = np.random.default_rng(0)
for name, level in {"dark": 40, "bright": 200}.items():
    (folder / name).mkdir(parents=True)
    for number in range(40):
        pixels = random.normal(level, 30, (32, 32, 3)).clip(0, 255).astype("uint8")
        Image.fromarray(pixels).save(folder / name / f"{number}.png")

# %%
# Without train/ and test/ subfolders every class is split: 70 % training, 10 % validation, 20 %
# test. The split depends only on the pixels, so it is the same every time.
data = semlink.load_data(folder)
print(data.classes)
for part in ("train", "validation", "test"):
    split = getattr(data, part)
    print(part, tuple(split.images.shape), split.labels.bincount().tolist())

# %%
# Schemes of your own need no training run. Here the transmitter sends the mean of each colour;
# the receiver compares their average with a threshold.
scheme = semlink.own_scheme(
    "mean_colour",
    lambda x: x.mean(dim=(2, 3)).repeat(1, 2)[:, :4] - 0.5,
    lambda values: values[:, :3].sum(dim=1, keepdim=True) * values.new_tensor([[1.0, -1.0]]),
    k=2,
)
link = semlink.load("images", data=folder)
grid = semlink.Grid(snr_db=(-5, 5, 15), channel_uses=2, channels="awgn")
print(semlink.sweep(link, scheme, grid))

# %%
# The trained schemes need a training run. It takes minutes to hours, depending on the number
# of images; it can be stopped and resumed::
#
#     semlink train images --data my_images --stage stage2 --out images_run
#     semlink sweep images --data my_images --weights images_run/weights --out images_run
#
# From Python: ``semlink.train("images", data="my_images", stage="stage2", out="images_run")``.
