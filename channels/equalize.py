"""Equalisers for a known gain (zero forcing, MMSE), and the receive SNR of an image."""

import torch
from torch import Tensor

from channels.base import ChannelOutput
from channels.units import linear_to_db

LEAST = 1e-30  # smallest power in a division: an erased symbol without noise would give 0 / 0


def zero_forcing(received: ChannelOutput) -> Tensor:
    """Divide by the gain, y / h, regardless of noise enhancement; 0 where the gain is 0.

    Shapes: y, h [B, k] -> [B, k] complex64.
    """
    erased = received.h == 0
    return torch.where(erased, 0, received.y / torch.where(erased, 1, received.h))


def mmse(received: ChannelOutput) -> Tensor:
    """Estimate x of unit power with minimum mean squared error, `h* y / (|h|^2 + N0)`.

    Shapes: y, h [B, k], noise_power [B, 1] or [B, k] -> [B, k] complex64.
    """
    gain_power = received.h.abs().square()
    power = (gain_power + received.noise_power).clamp(min=LEAST)
    return received.h.conj() * received.y / power


def reliability(received: ChannelOutput) -> Tensor:
    """Coefficient of a symbol in its MMSE estimate, |h|^2 / (|h|^2 + N0), from 0 to 1.

    Shapes: h [B, k], noise_power [B, 1] or [B, k] -> [B, k] float32.
    """
    gain_power = received.h.abs().square()
    return gain_power / (gain_power + received.noise_power).clamp(min=LEAST)


def receive_snr_db(received: ChannelOutput, *, used: Tensor | None = None) -> Tensor:
    """Receive SNR of each image, `10 log10(mean |h|^2 / mean N0)` over its used symbols.

    Shapes: h [B, k], noise_power [B, 1] or [B, k], used [B, k] bool or None (all) -> [B, 1]
    float32.
    Raises: ValueError if `used` has another shape or type, or an image uses no symbol.
    """
    gain_power, noise_power = received.h.abs().square(), received.noise_power
    if used is not None:
        if used.dtype != torch.bool or used.shape != gain_power.shape:
            raise ValueError(
                f"used must be bool [B, k] = {list(gain_power.shape)}, "
                f"got {used.dtype} {list(used.shape)}"
            )
        if not bool(used.any(dim=1).all()):
            raise ValueError("every image must use at least one symbol, got an empty row in used")
    if noise_power.shape[1] > 1:
        noise_power = _mean(noise_power, used)
    gain_power = _mean(gain_power, used).clamp(min=LEAST)
    return linear_to_db(gain_power / noise_power.clamp(min=LEAST))


def _mean(values: Tensor, used: Tensor | None) -> Tensor:
    """Mean over the used symbols: [B, k] -> [B, 1]."""
    if used is None:
        return values.mean(dim=1, keepdim=True)
    return (values * used).sum(dim=1, keepdim=True) / used.sum(dim=1, keepdim=True)
