"""Receivers that estimate the gain from pilots: least squares (LS) and Wiener filter (LMMSE)."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from channels.base import Channel, ChannelOutput, WrappedChannel, check_inputs
from channels.law import ChannelLaw
from channels.pilots import data_places, insert_pilots, pilot_places, pilot_symbols

Method = Literal["ls", "lmmse"]
LEAST = 1e-12  # of eigenvalue plus N0: without noise, both may be 0
TITLES = {"ls": "least squares", "lmmse": "LMMSE"}


class Filter(NamedTuple):
    """A linear estimator of the gains of k data symbols from P pilots, for any noise power N0.

    estimate = ((p inner) * weights) outer, where p [B, P] holds the received pilots divided by the
    sent ones. The weights are 1 / (values + N0), or 1 if the filter does not use N0. The mean
    squared error is floor + slope N0, plus N0 weights shares if it does; no term is negative, so
    nothing cancels at high SNR.
    """

    inner: Tensor  # [P, P] complex64
    outer: Tensor  # [P, k] complex64
    values: Tensor | None  # [P]; None: the filter does not use N0
    floor: Tensor  # [k], error without noise
    slope: Tensor  # [k], noise power in the estimate per noise power in a pilot
    shares: Tensor  # [P, k], power of the gains along each eigenvector; 0 if N0 is not used

    def __call__(self, pilots: Tensor, noise_power: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes: pilots [B, P], noise_power [B, 1] -> estimate [B, k], mean squared error [B, k].

        The error is exact if the filter was computed from the true covariance of the gains.
        """
        seen, error = pilots @ self.inner, self.floor + self.slope * noise_power
        if self.values is not None:
            weights = 1.0 / (self.values + noise_power).clamp_min(LEAST)  # [B, P]
            seen, error = seen * weights, error + (noise_power * weights) @ self.shares
        return seen @ self.outer, error


@dataclass(frozen=True, kw_only=True)
class EstimatedChannel(WrappedChannel):
    """A channel whose gain the receiver estimates from `pilots` uses on top of the k data uses.

    LS divides the received pilots by the sent ones, with an error CN(0, N0) each, and averages
    pilots that have the same gain (the estimate is 0 if none has). On an OFDM grid it interpolates
    linearly over subcarriers, then over time, and holds the value beyond the outermost pilots.
    LMMSE is the joint Wiener estimate from all pilots with the true covariance,
    R_dp (R_pp + N0 I)^-1 p [1, sec. 12.5]. The receiver knows N0. The output `h` is the estimate,
    and `noise_power` is N0 + E|h - estimate|^2 of each use, for symbols of unit power.

    Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, k].
    Units:  snr_db is Es/N0 in dB, averaged over the fading, of data symbols and pilots alike.
    Raises: ValueError if a shape, a type or a device is wrong; if the number of pilots is open, or
            exceeds the number of data symbols; if LMMSE is used and the covariance is unknown.

    [1] Kay, Fundamentals of Statistical Signal Processing: Estimation Theory, 1993.
    """

    version = 2  # 2: error of LMMSE without cancellation
    channel: Channel
    method: Method
    own_pilots: int | None  # None: open, to be chosen for each scheme, SNR and k

    @property
    def name(self) -> str:
        """The channel's name, the method, and the number of pilots or "best"."""
        return f"{self.channel.name}+{self.method}:{self.own_pilots or 'best'}"

    @property
    def pilots(self) -> int:
        """Number of pilot uses on top of the data uses; 0 while it is open."""
        return self.own_pilots or 0

    @property
    def pilots_open(self) -> bool:
        """Whether the number of pilots is still to be chosen."""
        return self.own_pilots is None

    def with_pilots(self, pilots: int) -> "EstimatedChannel":
        """The channel with `pilots` pilots if their number is open, else the channel unchanged."""
        return replace(self, own_pilots=pilots) if self.pilots_open else self

    @property
    def law(self) -> ChannelLaw:
        """Title and kind of channel knowledge only; no closed form covers estimated gains."""
        title = self.channel.law.title or self.channel.name
        number = self.own_pilots or "the best number of"
        words = f"{title}, {TITLES[self.method]} from {number} pilots"
        return ChannelLaw(title=words, knowledge=self.method)

    def __call__(self, x: Tensor, *, snr_db: Tensor, generator: torch.Generator) -> ChannelOutput:
        """Send x among pilots; differentiable in x."""
        check_inputs(x, snr_db=snr_db, generator=generator)
        if self.own_pilots is None:
            raise ValueError(f"{self.name} must have a number of pilots; take with_pilots(8)")
        pilots, row, device = self.own_pilots, self.channel.subcarriers, x.device
        uses = x.shape[1] + pilots
        sent = insert_pilots(x, pilots, row)
        received = self.channel(sent, snr_db=snr_db, generator=generator)
        at = torch.from_numpy(pilot_places(uses, pilots, row)).to(device)
        data = torch.from_numpy(data_places(uses, pilots, row)).to(device)
        pilot_observations = received.y[:, at] * pilot_symbols(pilots, device).conj()
        noise = of_data = received.noise_power
        if noise.shape[1] > 1:  # it differs from use to use
            noise, of_data = noise[:, at].mean(dim=1, keepdim=True), noise[:, data]
        h, error = filter_of(self, uses, device)(pilot_observations, noise)
        return ChannelOutput(received.y[:, data], h, of_data + error)


@cache
def filter_of(channel: EstimatedChannel, uses: int, device: torch.device) -> Filter:
    """The filter for a codeword of `uses` channel uses, pilots included."""
    inner, pilots, row = channel.channel, channel.pilots, channel.channel.subcarriers
    at, data = pilot_places(uses, pilots, row), data_places(uses, pilots, row)
    covariance = inner.law.covariance
    between_pilots, to_pilots = covariance(at, at), covariance(data, at)
    with torch.inference_mode(mode=False):
        if channel.method == "ls":
            return _least_squares(
                _interpolation(inner, at, data), between_pilots, to_pilots, device
            )
        if between_pilots is not None and to_pilots is not None:
            return _wiener(between_pilots, to_pilots, device)
    raise ValueError(
        f"LMMSE needs the covariance of the gains, which {inner.name} does not give; take "
        f"{inner.name}+ls:{pilots}"
    )


def _wiener(
    between_pilots: NDArray[np.complex128],
    to_pilots: NDArray[np.complex128],
    device: torch.device,
) -> Filter:
    """Wiener filter for any noise power, from the eigenvalues of the pilots' covariance."""
    values, vectors = np.linalg.eigh(between_pilots)
    seen, power = to_pilots @ vectors, between_pilots[0, 0].real  # [k, P], scalar
    known = values > LEAST * len(values) * power  # the others are 0 up to rounding
    shares = np.where(known, np.abs(seen) ** 2 / np.where(known, values, 1.0), 0.0)
    floor = np.maximum(power - shares.sum(axis=1), 0.0)
    return Filter(
        inner=_tensor(vectors.conj(), device),
        outer=_tensor(seen.T.copy(), device),
        values=_tensor(np.maximum(values, 0.0), device),
        floor=_tensor(floor, device),
        slope=_tensor(np.zeros_like(floor), device),
        shares=_tensor(shares.T.copy(), device),
    )


def _least_squares(
    weights: NDArray[np.float64],
    between_pilots: NDArray[np.complex128] | None,
    to_pilots: NDArray[np.complex128] | None,
    device: torch.device,
) -> Filter:
    """Filter that interpolates with `weights` [k, P]; its error is noise plus interpolation error.

    Without a covariance, the interpolation error is unknown and taken as 0.
    """
    uses, pilots = weights.shape
    error = np.zeros(uses)
    if between_pilots is not None and to_pilots is not None:
        error = between_pilots[0, 0].real - 2 * (weights * to_pilots.real).sum(axis=1)
        error += ((weights @ between_pilots).real * weights).sum(axis=1)
    return Filter(
        inner=_tensor(np.eye(pilots, dtype=np.complex128), device),
        outer=_tensor(weights.T.astype(np.complex128), device),
        values=None,
        floor=_tensor(np.maximum(error, 0.0), device),
        slope=_tensor((weights**2).sum(axis=1), device),
        shares=_tensor(np.zeros((pilots, uses)), device),
    )


def _tensor(values: NDArray[Any], device: torch.device) -> Tensor:
    kind = torch.complex64 if np.iscomplexobj(values) else torch.float32
    return torch.from_numpy(values).to(device, kind)


def _interpolation(
    channel: Channel, at: NDArray[np.int64], data: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Weights [k, P] of the pilots in the estimate of every data symbol."""
    row = channel.subcarriers
    if row is None:
        return _of_one_gain(channel.law.uses_per_gain, at, data)
    own = np.unique(at // row)
    over_time = _linear(data // row, own)  # [k, rows with pilots]
    weights = np.zeros((len(data), len(at)))
    for column, place in enumerate(own):
        mine = at // row == place
        over_frequency = _linear(data % row, at[mine] % row)
        weights[:, mine] = over_time[:, [column]] * over_frequency
    return weights


def _of_one_gain(
    length: float | None, at: NDArray[np.int64], data: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Weights [k, P]: the mean of the pilots in the data symbol's block; 0 if it has none.

    A block is the `length` channel uses that have the same gain. If `length` is None (unknown), the
    nearest pilot is used.
    """
    if length is not None and np.isinf(length):
        return np.full((len(data), len(at)), 1 / len(at))
    whole = int(length or 1)
    away = np.abs(np.subtract.outer(data // whole, at // whole))
    nearest = away == (away.min(axis=1, keepdims=True) if length is None else 0)
    return np.asarray(nearest / nearest.sum(axis=1, keepdims=True).clip(min=1))


def _linear(places: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights [places, known] of linear interpolation; the value is held beyond the ends."""
    return np.stack([np.interp(places, known, unit) for unit in np.eye(len(known))], axis=1)
