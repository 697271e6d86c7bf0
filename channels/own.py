"""A channel from a function of the user's own."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from channels.base import Channel, ChannelOutput, check_inputs
from channels.names import CHANNELS

__all__ = ["OwnChannel", "Transmit"]

Transmit = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class OwnChannel(Channel):
    """`transmit(x, snr_db, generator)` gives (y, h, noise_power), as `ChannelOutput` has them.

    It draws from `generator` alone. Its law is not known: digital schemes measure its gains and
    decode every block, because its noise need not be Gaussian.
    Raises: ValueError if the name is taken or unreadable, or the function gives other shapes.
    """

    own_name: str
    transmit: Transmit

    def __post_init__(self) -> None:
        """Names are read back from tables and options, where + and , have a meaning."""
        kinds = [row.kind for row in CHANNELS]
        name = self.own_name.strip()
        if not name or set("+,") & set(name) or name.lower().partition(":")[0] in kinds:
            raise ValueError(
                "name of an own channel must be without + and , and must not begin with that of a "
                f"built-in channel ({', '.join(kinds)}), got {self.own_name!r}; choose another"
            )

    @property
    def name(self) -> str:
        """As it was given."""
        return self.own_name

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Shapes: x [B, k], snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, 1] or [B, k]."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        output = ChannelOutput(*self.transmit(x, snr_db, generator))
        wanted = {"y": [x.shape], "h": [x.shape], "noise_power": [snr_db.shape, x.shape]}
        for part, shapes in wanted.items():
            if getattr(output, part).shape not in shapes:
                raise ValueError(
                    f"channel {self.name} must give {part} "
                    f"{' or '.join(str(list(shape)) for shape in shapes)}, got "
                    f"{list(getattr(output, part).shape)}"
                )
        return output
