"""Every channel, measured on this machine against its closed form."""

import math
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NamedTuple, TypeVar

import pandas as pd
import torch

from channels.base import Channel, ChannelOutput
from channels.equalize import receive_snr_db, zero_forcing
from channels.estimate import EstimatedChannel
from channels.names import ESTIMATED, EXAMPLES, channel_from_name
from channels.ofdm.waveform import ImpairedChannel
from channels.own import OwnChannel
from channels.streams import Streams
from channels.units import db_to_linear
from simulator.data.dataset import Dataset
from simulator.errors import UserError
from simulator.measures.ofdm_gains import correlations, estimation
from simulator.parse import check_pilots_named
from simulator.storage.environment import PACKAGES

Layer = TypeVar("Layer", bound=Channel)
SNR_DB = 6.0
IMAGES = 20_000
USES = 64
SIGMAS = 5.0  # a correct channel fails one of some 40 measurements once in 40,000 runs


def check_channels(
    device: torch.device, channels: tuple[Channel, ...] | None = None
) -> pd.DataFrame:
    """Measure noise power, fading power and bit error rates of channels; one row each.

    20,000 images are sent as 64 QPSK symbols of unit power each, at 6 dB Es/N0. Quantities that the
    law of a channel does not give are left out. For OFDM the correlation over the band and over
    time is measured too; for an estimated channel, only the error of the estimate.
    Columns: channel, quantity, measured, theory, standard_error, verdict: "ok" if theory lies
    within five standard errors, else "OFF".
    Raises: UserError for an amplifier or a frequency offset, or an open number of pilots.
    """
    if channels is None:
        channels = tuple(map(channel_from_name, (*EXAMPLES, *ESTIMATED)))
    impaired = [own.name for own in channels if _layer(own, ImpairedChannel) is not None]
    if impaired:
        raise UserError(
            f"doctor has no closed form for +pa and +cfo, got {', '.join(impaired)}; leave them out"
        )
    for channel in channels:
        check_pilots_named(channel)
    table = pd.concat([_measure(channel, device) for channel in channels], ignore_index=True)
    near = (table["measured"] - table["theory"]).abs() <= SIGMAS * table["standard_error"]
    return table.assign(verdict=near.map({True: "ok", False: "OFF"}))


def own_channel_remarks(channels: Sequence[Channel], *, snr_db: float, uses: int) -> list[str]:
    """A line for each `OwnChannel` whose gains or noise do not have the power that its SNR states.

    Measured on the CPU, with 1,000 images of `uses` symbols at an average SNR of `snr_db` in dB.
    """
    lines = []
    for channel in channels:
        if not isinstance(channel, OwnChannel):
            continue
        own = _transmitted(channel, images=1000, uses=uses, snr_db=snr_db)
        off = [
            f"{quantity} is {measured:.3g}, not {theory:.3g}"
            for quantity, measured, error, theory in own.powers()
            if abs(measured - theory) > SIGMAS * max(error, 1e-5 * theory)
        ]
        if off:
            lines.append(
                f"channel {channel.name} at {snr_db:g} dB: {', '.join(off)}; so accuracies over it "
                "are not those of the stated SNR"
            )
    return lines


def versions(device: torch.device) -> str:
    """Versions and device, one line."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    python = platform.python_version()
    return f"semlink {version('semlink')}, Python {python}, {packages}; device {device}"


def in_one_line(dataset: Dataset) -> str:
    """A data set in one line."""
    return repr(dataset)[1:-1].replace("Dataset", "data", 1)


def _measure(channel: Channel, device: torch.device) -> pd.DataFrame:
    """The quantities of a channel with a known theoretical value, measured and in theory."""
    if (estimated := _layer(channel, EstimatedChannel)) is not None:
        compared = estimation(estimated, images=IMAGES, uses=USES, snr_db=SNR_DB, device=device)
    else:
        compared = _powers(channel, device)
        compared += correlations(channel, images=IMAGES, device=device)
    table = pd.DataFrame(compared, columns=["quantity", "measured", "standard_error", "theory"])
    table = table[table["theory"].notna()].assign(channel=channel.name)
    return table[["channel", "quantity", "measured", "theory", "standard_error"]]


def _layer(channel: Channel, kind: type[Layer]) -> Layer | None:
    """The channel itself, or the one of this kind that it wraps; None if there is none."""
    inner: Channel | None = channel
    while inner is not None and not isinstance(inner, kind):
        inner = getattr(inner, "channel", None)
    return inner


def _powers(channel: Channel, device: torch.device) -> list[tuple[str, float, float, Any]]:
    """Send random QPSK symbols and compare the received ones with theory."""
    sent = _transmitted(channel, images=IMAGES, uses=USES, snr_db=SNR_DB, device=device)
    received, law = sent.received, channel.law
    decided = torch.view_as_real(zero_forcing(received).resolve_conj()) < 0  # [B, k, 2]
    wrong = (decided != (torch.view_as_real(sent.x) < 0)).double()
    rate, spread_db = law.qam_bit_error_rate, law.power_spread_db
    return [
        *sent.powers(),
        ("var of mean |h|^2", *_variance(sent.gain), law.mean_power_variance(USES)),
        ("QPSK bit error rate", *_mean(wrong), rate(SNR_DB, bits_per_symbol=2) if rate else None),
        ("SNR spread in dB", *_spread(received), spread_db if law.one_gain(USES) else None),
    ]


class _Sent(NamedTuple):
    """Random QPSK symbols x [B, k] that were sent at an average SNR, as received."""

    x: torch.Tensor
    received: ChannelOutput
    snr_db: float

    @property
    def gain(self) -> torch.Tensor:
        """Power gains |h|^2 [B, k]."""
        return self.received.h.abs().square()

    def powers(self) -> list[tuple[str, float, float, float]]:
        """Powers of noise and gains: name, measured value, its standard error, required value.

        The channel uses of an image may share a gain and are then correlated, so the image is the
        sampling unit of every mean.
        """
        noise = (self.received.y - self.received.h * self.x).abs().square()  # [B, k]
        power = float(db_to_linear(-self.snr_db))
        return [
            ("E|w|^2", *_mean(noise), power),
            ("N0 reported", *_mean(self.received.noise_power), power),
            ("E|h|^2", *_mean(self.gain), 1.0),
        ]


def _transmitted(
    channel: Channel, *, images: int, uses: int, snr_db: float, device: torch.device | None = None
) -> _Sent:
    device, streams = device or torch.device("cpu"), Streams(seed=0)
    bits = torch.randint(0, 2, (images, uses, 2), generator=streams("bits"), dtype=torch.float32)
    x = torch.view_as_complex((1 - 2 * bits) / math.sqrt(2)).to(device)
    generator = streams("doctor", channel.name, device=device.type)
    snr = torch.full((images, 1), snr_db, device=device)
    return _Sent(x, channel(x, snr_db=snr, generator=generator), snr_db)


def _mean(values: torch.Tensor) -> tuple[float, float]:
    """Mean over images, and its standard error."""
    per_image = values.double().flatten(start_dim=1).mean(dim=1)
    error = float(per_image.std()) / math.sqrt(len(per_image))
    # a constant quantity (the gain of AWGN) still has rounding errors of single precision
    return float(per_image.mean()), max(error, 1e-6)


def _variance(gain: torch.Tensor) -> tuple[float, float]:
    """Variance over images of an image's mean |h|^2, which shows how long a gain lasts."""
    per_image = gain.double().mean(dim=1)
    return _mean((per_image - per_image.mean()).square()[:, None])


def _spread(received: ChannelOutput) -> tuple[float, float]:
    """Standard deviation of the received SNR over images; its error is nan for a constant SNR."""
    snr = receive_snr_db(received).flatten().double()
    deviation = snr.std()
    centred = (snr - snr.mean()) ** 2
    error = centred.std() / math.sqrt(len(snr)) / (2 * deviation)  # delta method
    return float(deviation), float(error)
