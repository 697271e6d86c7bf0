"""Receivers that do not know the gain, but estimate it from pilots: least squares and Wiener."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from channels.base import Channel, ChannelOutput, check_inputs
from channels.law import ChannelLaw
from channels.pilots import data_places, pilot_places, pilot_symbols, woven

__all__ = ["EstimatedChannel", "Method"]

Method = Literal["ls", "lmmse"]
TITLES = {"ls": "least squares", "lmmse": "LMMSE"}


class Filter(NamedTuple):
    """A linear estimate of the gains at k data symbols from P pilots, for every noise power N0.

    estimate = outer weights inner p, for pilots p as received over pilots as sent, with the weights
    1 / (values + N0), or 1 for a filter that does not know N0; its mean squared error is
    floor + slope N0 - squares weights.
    """

    inner: Tensor  # [P, P] complex64
    outer: Tensor  # [P, k] complex64
    values: Tensor | None  # [P]; None: N0 is not known to the filter
    floor: Tensor  # [k]
    slope: Tensor  # [k], noise in the estimate per noise in a pilot
    squares: Tensor  # [P, k]

    def __call__(self, pilots: Tensor, noise_power: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes: pilots [B, P], noise_power [B, 1] -> estimate [B, k], mean squared error [B, k].

        The error is exact where the covariance of the gains is the true one.
        """
        seen, error = pilots @ self.inner, self.floor + self.slope * noise_power
        if self.values is not None:
            weights = 1.0 / (self.values + noise_power)  # [B, P]
            seen, error = seen * weights, error - weights @ self.squares
        return seen @ self.outer, error.clamp_min(0.0)


@dataclass(frozen=True, kw_only=True)
class EstimatedChannel(Channel):
    """A channel whose gain the receiver estimates from `pilots` uses on top of the k of the data.

    LS divides the pilots received by those sent, e ~ CN(0, N0) each, averages those that meet one
    gain, and on an OFDM grid interpolates linearly over subcarriers, then over time, holding the
    ends. LMMSE is the joint Wiener estimate from all pilots with the true covariance,
    R_dp (R_pp + N0 I)^-1 p [1, sec. 12.5]. Both know N0. `h` of the output is the estimate,
    `noise_power` is N0 + E|h - estimate|^2 of each use, for symbols of unit power.

    Shapes: x [B, k] complex, snr_db [B, 1] -> y [B, k], h [B, k], noise_power [B, k].
    Units:  snr_db is Es/N0 in dB, averaged over the fading, of data symbols and pilots alike.
    Raises: ValueError if a shape, a type or a device is wrong; if the number of pilots is open, or
            above that of data symbols; if LMMSE has no covariance of the gains.

    [1] Kay, Fundamentals of Statistical Signal Processing: Estimation Theory, 1993.
    """

    channel: Channel
    method: Method
    own_pilots: int | None  # None: open, to be chosen for each scheme, SNR and k

    @property
    def name(self) -> str:
        """The channel's name, the method, and the number of pilots, or best."""
        return f"{self.channel.name}+{self.method}:{self.own_pilots or 'best'}"

    @property
    def pilots(self) -> int:
        """Uses beside those of the data; none while their number is open."""
        return self.own_pilots or 0

    @property
    def pilots_open(self) -> bool:
        """Whether their number is still to be chosen."""
        return self.own_pilots is None

    def with_pilots(self, pilots: int) -> "EstimatedChannel":
        """With so many pilots, if their number is open."""
        return replace(self, own_pilots=pilots) if self.pilots_open else self

    @property
    def draws_as(self) -> str:
        """Gains and noise are those of the channel."""
        return self.channel.draws_as

    @property
    def law(self) -> ChannelLaw:
        """What is drawn is the channel's; what is known of it is not."""
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
        sent = woven(x, pilots, row)
        received = self.channel(sent, snr_db=snr_db, generator=generator)
        at = torch.from_numpy(pilot_places(uses, pilots, row)).to(device)
        data = torch.from_numpy(data_places(uses, pilots, row)).to(device)
        heard = received.y[:, at] * pilot_symbols(pilots, device).conj()
        h, error = filter_of(self, uses, device)(heard, received.noise_power)
        return ChannelOutput(received.y[:, data], h, received.noise_power + error)


@cache
def filter_of(channel: EstimatedChannel, uses: int, device: torch.device) -> Filter:
    """The filter for so many uses, pilots among them."""
    inner, pilots, row = channel.channel, channel.pilots, channel.channel.subcarriers
    at, data = pilot_places(uses, pilots, row), data_places(uses, pilots, row)
    of_pilots, crossed = inner.law.covariance(at, at), inner.law.covariance(data, at)
    with torch.inference_mode(mode=False):
        if channel.method == "ls":
            return _least_squares(_interpolation(inner, at, data), of_pilots, crossed, device)
        if of_pilots is not None and crossed is not None:
            return _wiener(of_pilots, crossed, device)
    raise ValueError(
        f"LMMSE needs the covariance of the gains, which {inner.name} does not give; take "
        f"{inner.name}+ls:{pilots}"
    )


def _wiener(
    of_pilots: NDArray[np.complex128], crossed: NDArray[np.complex128], device: torch.device
) -> Filter:
    """By the eigenvalues of the pilots' covariance, so that one filter serves every noise power."""
    values, vectors = np.linalg.eigh(of_pilots)
    seen = crossed @ vectors  # [k, P]
    power = np.full(len(crossed), of_pilots[0, 0].real)
    return Filter(
        inner=_tensor(vectors.conj(), device),
        outer=_tensor(seen.T.copy(), device),
        values=_tensor(np.maximum(values, 0.0), device),
        floor=_tensor(power, device),
        slope=_tensor(np.zeros_like(power), device),
        squares=_tensor((np.abs(seen) ** 2).T.copy(), device),
    )


def _least_squares(
    weights: NDArray[np.float64],
    of_pilots: NDArray[np.complex128] | None,
    crossed: NDArray[np.complex128] | None,
    device: torch.device,
) -> Filter:
    """The error of an interpolation [k, P]: its noise, and what it misses of the gain.

    Without a covariance the gain is taken to be what the interpolation makes of it.
    """
    uses, pilots = weights.shape
    missed = np.zeros(uses)
    if of_pilots is not None and crossed is not None:
        missed = of_pilots[0, 0].real - 2 * (weights * crossed.real).sum(axis=1)
        missed += ((weights @ of_pilots).real * weights).sum(axis=1)
    return Filter(
        inner=_tensor(np.eye(pilots, dtype=np.complex128), device),
        outer=_tensor(weights.T.astype(np.complex128), device),
        values=None,
        floor=_tensor(np.maximum(missed, 0.0), device),
        slope=_tensor((weights**2).sum(axis=1), device),
        squares=_tensor(np.zeros((pilots, uses)), device),
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
    """The mean of the pilots that meet the same gain, else of those that meet the nearest one."""
    if length is None:  # nothing is known: the nearest pilot
        length = 1.0
    if np.isinf(length):
        return np.full((len(data), len(at)), 1 / len(at))
    away = np.abs(np.subtract.outer(data // int(length), at // int(length)))
    nearest = (away == away.min(axis=1, keepdims=True)).astype(np.float64)
    return np.asarray(nearest / nearest.sum(axis=1, keepdims=True))


def _linear(places: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights [places, known] of linear interpolation; beyond the ends the last value holds."""
    return np.stack([np.interp(places, known, unit) for unit in np.eye(len(known))], axis=1)
