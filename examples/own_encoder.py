"""
Your own encoder and decoder
============================

Train a transmitter and a receiver through the channel in a few seconds, and compare.
"""

# %%
# Two networks: an image to 2k real values, and their estimate to class scores.
import torch

import semlink
from channels.equalize import mmse
from channels.names import channel_from_name
from channels.symbols import from_symbols, to_symbols

torch.manual_seed(0)
K = 16
link = semlink.load("digits")
train = link.data.train
assert train is not None  # a data set may hold only test images
encoder = torch.nn.Sequential(
    torch.nn.Flatten(), torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 2 * K)
)
decoder = torch.nn.Sequential(
    torch.nn.Linear(2 * K, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
)

# %%
# Train through the channel at random SNRs. `transmit` does what the simulator will do: unit power
# per image, the channel, an MMSE estimate.
channel = channel_from_name("awgn")
generator = torch.Generator().manual_seed(0)


def transmit(values: torch.Tensor, snr_db: torch.Tensor) -> torch.Tensor:
    """Shapes: values [B, 2k], snr_db [B, 1] -> estimates [B, 2k]."""
    received = channel(to_symbols(values), snr_db=snr_db, generator=generator)
    return from_symbols(mmse(received))


optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-3)
for _ in range(600):
    batch = torch.randint(len(train.labels), (128,), generator=generator)
    snr_db = torch.rand(128, 1, generator=generator) * 25 - 5
    scores = decoder(transmit(encoder(train.images[batch] / 255), snr_db))
    loss = torch.nn.functional.cross_entropy(scores, train.labels[batch])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

# %%
# Both schemes see the same images, fading and noise.
mine = semlink.own_scheme("mine", encoder, decoder, k=K)
grid = semlink.Grid(snr_db=(-5, 0, 5, 10), channel_uses=(K,), channels=("awgn", "rayleigh"))
table = semlink.sweep(link, ["rkd_sc", mine], grid).table
print(table.pivot_table("accuracy", ["channel", "snr_db"], "scheme").round(3))
