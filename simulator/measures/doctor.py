"""Is the physics right on this machine? Every channel, measured against closed form."""

import math
import platform
from importlib.metadata import version
from typing import NamedTuple

import pandas as pd
import torch

from channels import theory
from channels.base import Channel, ChannelOutput
from channels.equalize import receive_snr_db, zero_forcing
from channels.fading import RayleighChannel, RicianChannel
from channels.names import channel_from_name
from channels.streams import Streams
from channels.units import db_to_linear
from simulator.data.dataset import Dataset
from simulator.storage.environment import PACKAGES

CHANNELS = ("awgn", "rayleigh", "rayleigh_block:4", "rayleigh_fast", "rician:1", "rician:4")


SNR_DB = 6.0


IMAGES = 20_000


USES = 64


SIGMAS = 5.0  # a right channel fails one of the some 20 measurements once in 80,000 runs


class Measurement(NamedTuple):
    """A measured mean, what theory says, and the standard error of the measurement."""

    channel: str
    quantity: str
    measured: float
    theory: float
    standard_error: float

    @property
    def verdict(self) -> str:
        """Whether theory lies within five standard errors."""
        near = abs(self.measured - self.theory) <= SIGMAS * self.standard_error
        return "ok" if near else "OFF"


def check_channels(
    device: torch.device, channels: tuple[Channel, ...] | None = None
) -> pd.DataFrame:
    """Measure noise power, fading power and bit error rates of channels; one row each.

    QPSK symbols of unit power go to 20,000 images over 64 uses at 6 dB Es/N0.
    Columns: channel, quantity, measured, theory, standard_error, verdict ("ok" or "OFF").
    """
    if channels is None:
        channels = tuple(map(channel_from_name, CHANNELS))
    rows = [row for channel in channels for row in _measure(channel, device)]
    return pd.DataFrame([{**row._asdict(), "verdict": row.verdict} for row in rows])


def versions(device: torch.device) -> str:
    """Versions and device, one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = platform.python_version()
    return f"semlink {version('semlink')}, Python {python}, {packages}; device {device}"


def in_one_line(dataset: Dataset) -> str:
    """A data set in one line."""
    counts = [
        f"{len(split.labels):,} {name}"
        for name, split in (
            ("training", dataset.train),
            ("validation", dataset.validation),
            ("test", dataset.test),
        )
        if split is not None
    ]
    return (
        f"data {dataset.name}: {', '.join(counts)} images {list(dataset.image_shape)}, "
        f"{dataset.num_classes} classes"
    )


def _measure(channel: Channel, device: torch.device) -> list[Measurement]:
    """Send random QPSK symbols and compare what arrives with theory.

    Bits are independent of the noise, so uses of one image are correlated only by a shared gain:
    the image is taken as the sampling unit of every mean.
    """
    streams = Streams(seed=0)
    bits = torch.randint(0, 2, (IMAGES, USES, 2), generator=streams("bits"), dtype=torch.float32)
    x = torch.view_as_complex((1 - 2 * bits) / math.sqrt(2)).to(device)
    snr_db = torch.full((IMAGES, 1), SNR_DB, device=device)
    generator = streams("doctor", channel.name, device=device.type)
    received = channel(x, snr_db=snr_db, generator=generator)

    noise = (received.y - received.h * x).abs().square()  # [B, k]
    gain = received.h.abs().square()
    decided = torch.view_as_real(zero_forcing(received).resolve_conj()) < 0  # [B, k, 2]
    wrong = (decided.cpu() != bits.bool()).double()
    rows = [
        _mean_of(channel, "E|w|^2", noise, float(db_to_linear(-SNR_DB))),
        _mean_of(channel, "N0 told", received.noise_power, float(db_to_linear(-SNR_DB))),
        _mean_of(channel, "E|h|^2", gain, 1.0),
        _variance_of_mean_gain(channel, gain),
        _mean_of(channel, "QPSK bit error rate", wrong, _bit_error_rate(channel)),
    ]
    return [*rows, *_spread(channel, received)]


def _mean_of(channel: Channel, quantity: str, values: torch.Tensor, expected: float) -> Measurement:
    per_image = values.double().flatten(start_dim=1).mean(dim=1)
    error = float(per_image.std()) / math.sqrt(len(per_image))
    # a constant quantity (the gain of AWGN) still has the rounding of single precision
    return Measurement(channel.name, quantity, float(per_image.mean()), expected, max(error, 1e-6))


def _variance_of_mean_gain(channel: Channel, gain: torch.Tensor) -> Measurement:
    """Variance over images of the mean of |h|^2 over an image: tells how long a gain holds."""
    per_image = gain.double().mean(dim=1)
    squares = (per_image - per_image.mean()).square()
    error = float(squares.std()) / math.sqrt(len(squares))
    return Measurement(
        channel.name,
        "var of mean |h|^2",
        float(squares.mean()),
        _gain_variance(channel),
        max(error, 1e-6),
    )


def _gain_variance(channel: Channel) -> float:
    """Closed form: Var |h|^2 over the number of independent gains in an image."""
    if isinstance(channel, RicianChannel):
        return theory.rician_power_variance(channel.k_factor)
    if isinstance(channel, RayleighChannel):
        return (channel.coherence or USES) / USES
    return 0.0


def _bit_error_rate(channel: Channel) -> float:
    """Bit error rate of Gray QPSK in closed form."""
    if isinstance(channel, RicianChannel):
        return theory.qam_bit_error_rate_rician(
            SNR_DB, bits_per_symbol=2, k_factor=channel.k_factor
        )
    if isinstance(channel, RayleighChannel):
        return theory.qam_bit_error_rate_rayleigh(SNR_DB, bits_per_symbol=2)
    return theory.qam_bit_error_rate_awgn(SNR_DB, bits_per_symbol=2)


def _spread(channel: Channel, received: ChannelOutput) -> list[Measurement]:
    """Standard deviation over images of the SNR received, for one Rayleigh gain per image."""
    if channel.name != "rayleigh":
        return []
    snr = receive_snr_db(received).flatten().double()
    deviation = float(snr.std())
    centred = (snr - snr.mean()) ** 2
    error = float(centred.std()) / math.sqrt(len(snr)) / (2 * deviation)  # delta method
    return [
        Measurement(
            channel.name, "SNR spread in dB", deviation, theory.rayleigh_snr_spread_db(), error
        )
    ]
