"""A channel from a function of the user's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput, check_inputs
from channels.names import CHANNELS

__all__ = ["OwnChannel", "Transmit", "WrongChannel"]

Transmit = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor, Tensor]]


class WrongChannel(ValueError):
    """What is wrong with a user's function for a channel, in one line."""


@dataclass(frozen=True)
class OwnChannel(Channel):
    """`transmit(x, snr_db, generator)` gives (y, h, noise_power), as `ChannelOutput` has them.

    It draws from `generator` alone. Its law is not known: digital schemes measure its gains and
    decode every block, because its noise need not be Gaussian. Gains may be real.
    Raises: WrongChannel if the name is taken or unreadable, or if the function fails, or gives
    other shapes, types or no finite numbers.
    """

    own_name: str
    transmit: Transmit

    def __post_init__(self) -> None:
        """Names are read back from tables and options, where + and , have a meaning."""
        kinds = [row.kind for row in CHANNELS]
        name = self.own_name.strip()
        if not name or set("+,") & set(name) or name.lower().partition(":")[0] in kinds:
            raise WrongChannel(
                "name of an own channel must be without + and , and before a colon not be that "
                f"of a built-in channel ({', '.join(kinds)}), got {self.own_name!r}; choose another"
            )

    @property
    def name(self) -> str:
        """As it was given."""
        return self.own_name

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Shapes: x [B, k], snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, 1] or [B, k]."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        y, h, noise_power = self._given(x, snr_db, generator)
        self._check("y", y, ("complex",), x.shape)
        self._check("h", h, ("complex", "real"), x.shape)
        wide = isinstance(noise_power, Tensor) and noise_power.shape == x.shape
        wanted = x.shape if wide else snr_db.shape
        self._check("noise_power", noise_power, ("real",), wanted)
        if bool((noise_power < 0).any()):
            raise WrongChannel(f"noise_power of channel {self.name} must be at least 0, got less")
        return ChannelOutput(y.to(x.dtype), h.to(x.dtype), noise_power.to(snr_db.dtype))

    def _given(self, x: Tensor, snr_db: Tensor, generator: torch.Generator) -> Sequence[Any]:
        """What the function gives, three of whatever."""
        try:
            given = self.transmit(x, snr_db, generator)
        except Exception as error:
            raise WrongChannel(
                f"transmit of channel {self.name} must take x {list(x.shape)}, snr_db "
                f"{list(snr_db.shape)} and a generator, but raised {type(error).__name__}: {error}"
            ) from error
        if isinstance(given, tuple | list) and len(given) == 3:
            return given
        got = len(given) if isinstance(given, tuple | list) else type(given).__name__
        raise WrongChannel(
            f"transmit of channel {self.name} must give three tensors (y, h, noise_power), "
            f"got {got}"
        )

    def _check(self, part: str, given: Any, kinds: tuple[str, ...], shape: torch.Size) -> None:
        """Whether a part of the output is a finite tensor of one of these kinds and this shape."""
        got = type(given).__name__
        if isinstance(given, Tensor):
            right = given.shape == shape and ("complex" if given.is_complex() else "real") in kinds
            if right and bool(torch.isfinite(given).all()):
                return
            got = "nan or inf" if right else f"{given.dtype} {list(given.shape)}"
        raise WrongChannel(
            f"transmit of channel {self.name} must give {part} as a finite {' or '.join(kinds)} "
            f"tensor {list(shape)}, got {got}"
        )
