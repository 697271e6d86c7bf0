"""
Your own SNR-aware scheme
=========================

Train a transmitter and a receiver that know the SNR over several channels, compare them with the
baselines, and make a figure and a table for a paper.
"""

# %%
# Two networks that get the SNR in dB as second argument: the encoder the average SNR, the decoder
# the receive SNR of each image, after fading.
from pathlib import Path
from tempfile import mkdtemp

import torch
from safetensors.torch import save_model

import semlink
from channels.equalize import mmse, receive_snr_db
from channels.names import channel_from_name
from channels.symbols import from_symbols, to_symbols

torch.manual_seed(0)
K = 16
OUT = Path(mkdtemp())
CHANNELS = ("awgn", "rayleigh", "tdl:A:300ns+lmmse:8")
link = semlink.load("digits")
train = link.data.train
assert train is not None  # a data set may hold only test images


class SnrAware(torch.nn.Module):
    """Two layers, whose hidden values are scaled by a function of the SNR."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Linear(inputs, 128), torch.nn.Linear(128, outputs)
        self.scale = torch.nn.Sequential(
            torch.nn.Linear(1, 16), torch.nn.ReLU(), torch.nn.Linear(16, 128), torch.nn.Sigmoid()
        )

    def forward(self, values: torch.Tensor, snr_db: torch.Tensor) -> torch.Tensor:
        """Shapes: values [B, ...], snr_db [B, 1] -> [B, outputs]."""
        hidden: torch.Tensor = torch.relu(self.first(values.flatten(1)))
        scaled: torch.Tensor = self.last(hidden * self.scale(snr_db / 20))
        return scaled


encoder, decoder = SnrAware(64, 2 * K), SnrAware(2 * K, 10)

# %%
# Train through the channels, which take turns. This is what a sweep does with the two networks:
# unit power per image, the channel, an MMSE estimate, and the receive SNR.
channels = [channel_from_name(name) for name in CHANNELS]
generator = torch.Generator().manual_seed(0)
optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-3)
for step in range(900):
    batch = torch.randint(len(train.labels), (128,), generator=generator)
    snr_db = torch.rand(128, 1, generator=generator) * 30 - 10
    x = to_symbols(encoder(train.images[batch] / 255, snr_db))
    received = channels[step % len(channels)](x, snr_db=snr_db, generator=generator)
    scores = decoder(from_symbols(mmse(received)), receive_snr_db(received))
    loss = torch.nn.functional.cross_entropy(scores, train.labels[batch])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
for name, network in {"encoder": encoder, "decoder": decoder}.items():
    save_model(network, str(OUT / f"{name}.safetensors"))  # load_model reads it again

# %%
# All schemes see the same images, fading and noise. Differences are paired, image by image.
mine = semlink.own_scheme(
    "mine", encoder, decoder, k=K, uses_snr=True, settings="two layers, average SNR known"
)
grid = semlink.Grid(snr_db=(-5, 0, 5, 10), channel_uses=K, channels=CHANNELS, realizations=4)
results = semlink.sweep(link, ["rkd_sc", "adjscc", "label_code", mine], grid, images=250)
print(results)
print(results.compare(a="mine", b="adjscc"))

# %%
# The saved sweep can be drawn, compared and reported later, from the shell too. With one sweep per
# training seed, ``semlink seeds`` gives mean and spread over training runs.
results.save(OUT / "seed0")
for figure in results.plot(OUT / "figures", channel_uses=K, width="column"):
    print(figure.name)
rows = results.table.query("snr_db == 0")
table = 100 * rows.pivot_table("accuracy", "scheme", "channel")
print(table.to_latex(float_format="%.1f"))
