"""Closed-form properties of a channel, stated in one place for all other modules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]  # indices of channel uses, from 0


class BitErrorRate(Protocol):
    """Bit error rate of square Gray QAM; snr_db is Es/N0 averaged over the fading."""

    def __call__(self, snr_db: float, *, bits_per_symbol: int) -> float:
        """The rate, from 0 to 1/2."""
        ...


@dataclass(frozen=True, kw_only=True)
class ChannelLaw:
    """The distribution of a channel's gain h, E|h|^2 = 1, and what follows from it.

    None means "not known": other modules then measure the quantity, draw samples, or omit it. A
    channel that states `uses_per_gain` has Gaussian noise. A channel that states nothing may have
    noise of any distribution.
    """

    title: str | None = None  # description of the channel, for figures
    uses_per_gain: float | None = None  # uses per independent gain; inf: one gain per image
    power_variance: float | None = None  # of |h|^2
    power_quantile: Callable[[Floats], Floats] | None = None  # levels in (0, 1) to values of |h|^2
    power_spread_db: float | None = None  # standard deviation of |h|^2 in dB
    qam_bit_error_rate: BitErrorRate | None = None
    covariance_of_uses: Callable[[Places, Places], NDArray[np.complex128]] | None = None
    knowledge: Literal["perfect", "lmmse", "ls"] = "perfect"  # how the receiver knows the gain

    @property
    def stated(self) -> bool:
        """Whether any property is known."""
        return self != ChannelLaw()

    def one_gain(self, uses: int) -> bool | None:
        """Whether one gain holds for all of `uses` channel uses."""
        return None if self.uses_per_gain is None else self.uses_per_gain >= uses

    def mean_power_variance(self, uses: int) -> float | None:
        """Variance over images of the mean |h|^2 over `uses` channel uses.

        Var |h|^2 sum n_i^2 / uses^2, where gain i holds for n_i uses; the last block may be short.
        """
        if self.uses_per_gain is None or self.power_variance is None:
            return None
        length = int(min(self.uses_per_gain, uses))
        blocks, rest = divmod(uses, length)
        return self.power_variance * ((blocks * length**2 + rest**2) / uses**2)

    def covariance(self, a: Places, b: Places) -> NDArray[np.complex128] | None:
        """E[h_i h_j*] of the uses i in a and j in b, [len(a), len(b)].

        E h = 0, because the phase is uniform or unknown to the receiver. None if not known.
        """
        if self.covariance_of_uses is not None:
            return self.covariance_of_uses(a, b)
        if self.uses_per_gain is None:
            return None
        gains = (np.floor_divide(places, self.uses_per_gain) for places in (a, b))
        return np.equal.outer(*gains).astype(np.complex128)
