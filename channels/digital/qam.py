"""Points of square QAM by their index, for schemes that choose points rather than bits."""

import functools

import torch
from torch import Tensor

from channels.digital.bit_pipe import check_modulation, qam_bits
from channels.streams import sionna_device, sionna_phy


def qam_points(bits_per_symbol: int, device: torch.device) -> Tensor:
    """All points of Gray QAM, mean power 1: [M] complex64; a point's index is its label.

    Raises: ValueError if the modulation is unknown.
    """
    check_modulation(bits_per_symbol)
    return _points(bits_per_symbol, sionna_device(device))


def nearest_points(symbols: Tensor, *, bits_per_symbol: int) -> Tensor:
    """Indices of the points nearest to y/h: [B, k] complex -> [B, k] int64.

    If all points are equally likely, this is maximum-likelihood detection.
    """
    bits = qam_bits(symbols, bits_per_symbol=bits_per_symbol)
    exponents = torch.arange(bits_per_symbol - 1, -1, -1, device=symbols.device)
    places: Tensor = torch.ones_like(exponents) << exponents
    numbers: Tensor = (bits.unflatten(1, (-1, bits_per_symbol)) * places).sum(dim=2)
    return numbers


@functools.cache
def _points(bits_per_symbol: int, device: str) -> Tensor:
    constellation = sionna_phy().mapping.Constellation
    with torch.inference_mode(mode=False):  # training uses them too
        own = constellation("qam", bits_per_symbol, precision="single", device=device)
        points: Tensor = own.points
    return points
