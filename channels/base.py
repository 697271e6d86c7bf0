"""The interface of every channel: its inputs, its outputs, and what the receiver may know."""

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable
from decimal import Decimal
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from channels.law import ChannelLaw


class ChannelOutput(NamedTuple):
    """All that the receiver knows about a transmission y = h x + w of B images over k uses.

    Shapes: y [B, k] complex64, h [B, k] complex64, noise_power [B, 1] or [B, k] float32.
    Units:  noise_power is E|w|^2 per complex channel use, half of it per real dimension.
    """

    y: Tensor  # received symbols
    h: Tensor  # gain of every use, exact or estimated; usually E|h|^2 = 1 for an exact gain
    noise_power: Tensor  # of noise and interference, and of the error if the gain is estimated


class Channel(ABC):
    """An immutable description of a channel; calling it sends symbols.

    The random draws depend only on the shape [B, k] and on the generator, never on x or the SNR.
    Schemes with equal k thus get the same gains and the same noise. Gains are drawn before noise.
    """

    version: ClassVar[int] = 1  # increases whenever the same draws would give other results

    @property
    def versions(self) -> dict[str, int]:
        """Versions above 1, by class: its own, and those of the channel in its field `channel`."""
        own = {type(self).__name__: self.version} if self.version > 1 else {}
        inner = getattr(self, "channel", None)
        return {**inner.versions, **own} if isinstance(inner, Channel) else own

    @property
    @abstractmethod
    def name(self) -> str:
        """Canonical name, such as "awgn" or "rayleigh_block:4"; see `channel_from_name`."""

    @property
    def identity(self) -> Hashable:
        """Equal for equal channels: the name, and more if two channels may share a name."""
        return self.name

    @property
    def law(self) -> ChannelLaw:
        """Closed-form properties of the channel; by default none is known."""
        return ChannelLaw()

    @property
    def pilots(self) -> int:
        """Number of pilot uses, on top of the k data uses and charged to the scheme; default 0."""
        return 0

    @property
    def pilots_open(self) -> bool:
        """Whether the number of pilots is still to be chosen."""
        return False

    def with_pilots(self, pilots: int) -> "Channel":  # noqa: ARG002 - nothing is open
        """The channel with `pilots` pilots if their number is open, else the channel unchanged."""
        return self

    @property
    def stream_name(self) -> str:
        """Name that selects the random streams over k + pilots uses; by default `name`."""
        return self.name

    @property
    def subcarriers(self) -> int | None:
        """Channel uses per row (OFDM symbol) of the grid; None if there is no grid."""
        return None

    @abstractmethod
    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x through the channel; differentiable in x.

        Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, 1], or [B, k]
        if the noise power differs between uses.
        Units:  snr_db is Es/N0 in dB, averaged over the fading, for unit power of x.
        Raises: ValueError if a shape, a type or a device is wrong.
        """


class WrappedChannel(Channel):
    """A channel that wraps another one and shares its properties; subclasses define the rest."""

    channel: Channel

    @property
    def name(self) -> str:
        """Name of the wrapped channel."""
        return self.channel.name

    @property
    def identity(self) -> Hashable:
        """Identity of the wrapped channel, and the name if the wrapper changes it."""
        inner = self.channel.identity
        return inner if self.name == self.channel.name else (self.name, inner)

    @property
    def law(self) -> ChannelLaw:
        """Law of the wrapped channel."""
        return self.channel.law

    @property
    def pilots(self) -> int:
        """Pilot uses of the wrapped channel."""
        return self.channel.pilots

    @property
    def pilots_open(self) -> bool:
        """Whether the wrapped channel's number of pilots is still to be chosen."""
        return self.channel.pilots_open

    @property
    def stream_name(self) -> str:
        """As for the wrapped channel: both get the same gains and noise."""
        return self.channel.stream_name

    @property
    def subcarriers(self) -> int | None:
        """Channel uses per row of the wrapped channel's grid."""
        return self.channel.subcarriers


def check_symbols(x: Tensor) -> None:
    """Check that x is complex [B, k] with at least one image and one channel use.

    Raises: ValueError if it is not.
    """
    if not x.is_complex() or x.dim() != 2 or x.numel() == 0:
        raise ValueError(
            f"x must be complex [B, k] with B and k at least 1, got {x.dtype} {list(x.shape)}; "
            "pack real features with channels.symbols.to_symbols"
        )


def check_snr_db(snr_db: Tensor, batch: int) -> None:
    """Check that snr_db is real [batch, 1], without nan or minus infinity.

    Raises: ValueError if it is not.
    """
    if not snr_db.is_floating_point() or list(snr_db.shape) != [batch, 1]:
        raise ValueError(
            f"snr_db must be a float tensor [B, 1] = [{batch}, 1], "
            f"got {snr_db.dtype} {list(snr_db.shape)}; one SNR for all is torch.full((B, 1), value)"
        )
    if not bool((snr_db > -math.inf).all()):
        raise ValueError("snr_db must be a number above minus infinity, got nan or -inf")


def check_inputs(x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> None:
    """Check the arguments of a channel call: shapes, types, and one device for all three.

    Raises: ValueError if something is wrong.
    """
    check_symbols(x)
    check_snr_db(snr_db, x.shape[0])
    if not x.device == snr_db.device == generator.device:
        raise ValueError(
            "x, snr_db and generator must be on one device, "
            f"got {x.device}, {snr_db.device} and {generator.device}; "
            "pass the device when creating a stream: streams(..., device=x.device)"
        )


def in_full(number: float) -> str:
    """Format a number for a channel's name: without rounding, exponent or a trailing ".0"."""
    return f"{Decimal(str(number)):f}".removesuffix(".0")
