"""The names under which a user asks for a channel."""

import re
from typing import Final

from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.fading import RayleighChannel, RicianChannel

__all__ = ["CHANNEL_NAMES", "channel_from_name"]

CHANNEL_NAMES: Final = (
    "awgn, rayleigh (one gain per image), rayleigh_block:L (one per L uses), "
    "rayleigh_fast (one per use), rician:K (one per image, K linear)"
)

_WHOLE: Final = re.compile(r"[0-9]+")
_DECIMAL: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def channel_from_name(name: str) -> Channel:
    """Give the channel of this name, such as "awgn", "rayleigh_block:4" or "rician:4".

    Raises: ValueError in one line for any other name.
    """
    kind, _, value = name.partition(":")
    if name == "awgn":
        return AwgnChannel()
    if name == "rayleigh":
        return RayleighChannel(coherence=None)
    if name == "rayleigh_fast":
        return RayleighChannel(coherence=1)
    if kind == "rayleigh_block" and _WHOLE.fullmatch(value) and int(value) > 0:
        return RayleighChannel(coherence=int(value))
    if kind == "rician" and _DECIMAL.fullmatch(value):
        return RicianChannel(k_factor=float(value))
    raise ValueError(f"channel must be one of {CHANNEL_NAMES}; got {name!r}")
