"""Gains over an OFDM grid, and their estimates at the receiver, measured against theory."""

import math

import numpy as np
import torch
from torch import Tensor

from channels.base import Channel
from channels.estimate import EstimatedChannel
from channels.pilots import data_places
from channels.streams import Streams

Compared = tuple[str, float, float, float]  # quantity, measured value, its standard error, theory


def correlations(channel: Channel, *, images: int, device: torch.device) -> list[Compared]:
    """The correlation of gains over the band and over time; empty without an OFDM grid.

    It is measured as E|h_i - h_j|^2 / 2 = 1 - Re corr(h_i, h_j), which is more precise for a
    correlation near 1: between the first subcarrier and one an eighth of the band away, between the
    first and the last, and between an OFDM symbol and the next.
    """
    row, law = channel.subcarriers, channel.law
    if row is None or row < 8:
        return []
    places = {"eighth of the band": row // 8, "edge of the band": row - 1, "next symbol": row}
    x = torch.zeros((images, row + 1), dtype=torch.complex64, device=device)
    generator = Streams(seed=0)("doctor, grid", channel.name, device=device.type)
    h = channel(x, snr_db=torch.zeros((images, 1), device=device), generator=generator).h
    found: list[Compared] = []
    for words, place in places.items():
        covariance = law.covariance(np.array([0, place]), np.array([0, place]))
        if covariance is None:
            return []
        apart = (h[:, 0] - h[:, place]).abs().double().square() / 2
        theory = float(covariance[0, 0].real - covariance[0, 1].real)
        found.append((f"1 - corr, {words}", *_mean(apart), theory))
    return found


def estimation(
    channel: EstimatedChannel, *, images: int, uses: int, snr_db: float, device: torch.device
) -> list[Compared]:
    """The mean squared error of estimated gains, and its value as the receiver assumes it."""
    true, pilots = channel.channel, channel.pilots
    x = torch.ones((images, uses), dtype=torch.complex64, device=device)
    snr = torch.full((images, 1), snr_db, device=device)
    name = ("doctor", channel.name)
    estimated = channel(x, snr_db=snr, generator=Streams(seed=0)(*name, device=device.type))
    everything = torch.ones((images, uses + pilots), dtype=torch.complex64, device=device)
    known = true(everything, snr_db=snr, generator=Streams(seed=0)(*name, device=device.type))
    places = torch.from_numpy(data_places(uses + pilots, pilots, true.subcarriers)).to(device)
    missed = (known.h[:, places] - estimated.h).abs().square()
    told = (estimated.noise_power - known.noise_power).mean(dim=1)
    return [("E|h - estimate|^2", *_mean(missed.mean(dim=1)), float(told.double().mean()))]


def _mean(values: Tensor) -> tuple[float, float]:
    """Mean over images, and its standard error."""
    values = values.double()
    return float(values.mean()), float(values.std()) / math.sqrt(len(values))
