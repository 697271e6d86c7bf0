"""A channel defined by a function of the user."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput, check_inputs
from channels.names import CHANNELS

Transmit = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor, Tensor]]


class WrongChannel(ValueError):
    """A user's channel function is faulty; the message states why in one line."""


@dataclass(frozen=True)
class OwnChannel(Channel):
    """A channel whose `transmit(x, snr_db, generator)` returns (y, h, noise_power).

    These are as in `ChannelOutput`, but gains may be real. `transmit` must draw all its random
    numbers from `generator`. The law of the channel is unknown, and its noise need not be Gaussian.
    Digital schemes therefore measure its gains and decode every block.

    Raises: WrongChannel if the name is taken or contains + or a comma; if the function fails, or
            returns wrong shapes, wrong types or numbers that are not finite.
    """

    own_name: str
    transmit: Transmit

    def __post_init__(self) -> None:
        """Check the name. In tables and options, + and , separate names."""
        kinds = [row.kind for row in CHANNELS]
        name = self.own_name.strip()
        if not name or set("+,") & set(name) or name.lower().partition(":")[0] in kinds:
            raise WrongChannel(
                "name of an own channel must not be empty, contain + or a comma, or be that of a "
                f"built-in channel, with or without a parameter ({', '.join(kinds)}), "
                f"got {self.own_name!r}; choose another"
            )

    @property
    def name(self) -> str:
        """The name given by the user."""
        return self.own_name

    @property
    def identity(self) -> tuple[str, Transmit]:
        """Name and function: another function may have the same name."""
        return (self.own_name, self.transmit)

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
        """Call `transmit` and check that it returns three values."""
        try:
            given = self.transmit(x.clone(), snr_db, generator)  # it may change x in place
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
        """Check that an output is a finite tensor of one of these kinds and of this shape."""
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
