"""Pilots: their places among the channel uses, their symbols, and how they are inserted."""

import math
from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PILOT_ROWS: Final = 7  # one OFDM symbol in seven has pilots: two in a slot of 14, as in TS 38.211

Places = NDArray[np.int64]


@cache
def pilot_places(uses: int, pilots: int, row: int | None) -> Places:
    """Places of the pilots among `uses` channel uses, in ascending order.

    They are spread evenly. On an OFDM grid with `row` subcarriers per row, one row in seven has
    pilots (more if they do not fit), spread evenly over its subcarriers. A last row that is not
    full has none.

    Raises: ValueError if there are no pilots, or more pilots than data symbols.
    """
    if not 0 < pilots <= uses - pilots:
        raise ValueError(
            f"pilots must be at least 1 and at most as many as the data symbols, got {pilots} "
            f"pilots for {uses - pilots} data symbols"
        )
    width = uses if row is None else min(row, uses)
    rows = uses // width
    used = max(math.ceil(rows / PILOT_ROWS), math.ceil(pilots / width))
    used = min(used, pilots)
    shares = np.diff(_even(pilots, used, edges=True))
    own = _even(rows, used)
    return np.concatenate(
        [r * width + _even(width, int(n)) for r, n in zip(own, shares, strict=True)]
    )


def _even(places: int, count: int, *, edges: bool = False) -> Places:
    """Middles of `count` equal parts of the range 0 to `places`; or the edges of the parts."""
    if edges:
        return np.arange(count + 1) * places // count
    return (2 * np.arange(count) + 1) * places // (2 * count)


@cache
def data_places(uses: int, pilots: int, row: int | None) -> Places:
    """Places of the data symbols, in ascending order."""
    return np.setdiff1d(np.arange(uses), pilot_places(uses, pilots, row))


@cache
def pilot_symbols(pilots: int, device: torch.device) -> Tensor:
    """Pilots of unit power, a Zadoff-Chu chirp: [pilots] complex64."""
    turns = np.arange(pilots) ** 2 / (2 * pilots)
    with torch.inference_mode(mode=False):
        return torch.from_numpy(np.exp(-2j * np.pi * turns)).to(device, torch.complex64)


def insert_pilots(x: Tensor, pilots: int, row: int | None) -> Tensor:
    """Insert the pilots among the data symbols: [B, k] -> [B, k + pilots]."""
    symbols = pilot_symbols(pilots, x.device).to(x.dtype).expand(len(x), pilots)
    order = _order(x.shape[1] + pilots, pilots, row, x.device)
    return torch.cat([x, symbols], dim=1).index_select(1, order)


@cache
def _order(uses: int, pilots: int, row: int | None, device: torch.device) -> Tensor:
    """Index of the symbol at every place, counting data symbols first, then pilots: [uses]."""
    order = np.empty(uses, dtype=np.int64)
    order[data_places(uses, pilots, row)] = np.arange(uses - pilots)
    order[pilot_places(uses, pilots, row)] = np.arange(uses - pilots, uses)
    with torch.inference_mode(mode=False):
        return torch.from_numpy(order).to(device)
