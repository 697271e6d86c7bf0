"""
Your own channel
================

Impulsive noise: one channel use in ten has ten times the noise power of the others.
"""

# %%
# A channel is a function of the symbols x [B, k], the SNR in dB [B, 1] and a generator. It returns
# y and h [B, k] and the noise power [B, 1], with E|h|² = 1 and E|w|² = noise power.
import matplotlib.pyplot as plt
import torch

import semlink


def impulsive(
    x: torch.Tensor, snr_db: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The average noise power is that of AWGN at the same SNR."""
    power = 10 ** (-snr_db / 10)
    w = torch.randn(2, *x.shape, generator=generator) * (power / 2) ** 0.5
    strong = torch.rand(x.shape, generator=generator) < 0.1
    w = w * torch.where(strong, 10.0, 1.0).div(1.9).sqrt()
    return x + torch.complex(w[0], w[1]), torch.ones_like(x), power


channel = semlink.own_channel("impulsive", impulsive)

# %%
# Measure it first: `doctor` checks power, gain and noise.
print(semlink.doctor([channel]).to_string(index=False))

# %%
# Existing weights can be swept over it at once. The networks stay as trained on Gaussian noise.
# At -10 dB the impulsive channel is the better one: nine uses in ten have 2.8 dB less noise than
# on AWGN, and the tenth carried little information anyway.
link = semlink.load("digits")
grid = semlink.Grid(snr_db=tuple(range(-10, 11, 4)), channel_uses=(16,), channels=("awgn", channel))
table = semlink.sweep(link, ["rkd_sc", "label_code"], grid, images=250).table

# %%
figure, axes = plt.subplots()
for (scheme, name), rows in table.groupby(["scheme", "channel"], sort=False):
    axes.plot(rows.snr_db, 100 * rows.accuracy, marker="o", label=f"{scheme}, {name}")
axes.set(xlabel="SNR (dB)", ylabel="accuracy (%)")
axes.legend()
figure.tight_layout()
