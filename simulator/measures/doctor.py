"""Is the physics right on this machine? Every channel, measured against closed form."""

import math
import platform
from importlib.metadata import version
from typing import NamedTuple

import pandas as pd
import torch

from channels.base import Channel, ChannelOutput
from channels.equalize import receive_snr_db, zero_forcing
from channels.names import EXAMPLES, channel_from_name
from channels.streams import Streams
from channels.units import db_to_linear
from simulator.data.dataset import Dataset
from simulator.storage.environment import PACKAGES

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

    QPSK symbols of unit power go to 20,000 images over 64 uses at 6 dB Es/N0. What the law of a
    channel does not give is left out.
    Columns: channel, quantity, measured, theory, standard_error, verdict ("ok" or "OFF").
    """
    if channels is None:
        channels = tuple(map(channel_from_name, EXAMPLES))
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
    law, noise_power = channel.law, float(db_to_linear(-SNR_DB))
    rate, spread_db = law.qam_bit_error_rate, law.power_spread_db
    compared = [
        ("E|w|^2", _mean(noise), noise_power),
        ("N0 told", _mean(received.noise_power), noise_power),
        ("E|h|^2", _mean(gain), 1.0),
        ("var of mean |h|^2", _variance(gain), law.mean_power_variance(USES)),
        ("QPSK bit error rate", _mean(wrong), rate(SNR_DB, bits_per_symbol=2) if rate else None),
        ("SNR spread in dB", _spread(received), spread_db if law.one_gain(USES) else None),
    ]
    return [
        Measurement(channel.name, quantity, estimate.value, expected, estimate.standard_error)
        for quantity, estimate, expected in compared
        if expected is not None
    ]


class _Estimate(NamedTuple):
    value: float
    standard_error: float


def _mean(values: torch.Tensor) -> _Estimate:
    per_image = values.double().flatten(start_dim=1).mean(dim=1)
    error = float(per_image.std()) / math.sqrt(len(per_image))
    # a constant quantity (the gain of AWGN) still has the rounding of single precision
    return _Estimate(float(per_image.mean()), max(error, 1e-6))


def _variance(gain: torch.Tensor) -> _Estimate:
    """Variance over images of the mean of |h|^2 over an image: tells how long a gain holds."""
    per_image = gain.double().mean(dim=1)
    squares = (per_image - per_image.mean()).square()
    error = float(squares.std()) / math.sqrt(len(squares))
    return _Estimate(float(squares.mean()), max(error, 1e-6))


def _spread(received: ChannelOutput) -> _Estimate:
    """Standard deviation over images of the SNR received; its error is nan for a constant SNR."""
    snr = receive_snr_db(received).flatten().double()
    deviation = snr.std()
    centred = (snr - snr.mean()) ** 2
    error = centred.std() / math.sqrt(len(snr)) / (2 * deviation)  # delta method
    return _Estimate(float(deviation), float(error))
