"""The frame: preamble, then pilots and the symbols of many images on one OFDM grid."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from channels.ofdm.multipath import PREFIX
from channels.pilots import PILOT_ROWS, data_places, pilot_places
from channels.radio.preamble import HALF_SYMBOLS, Complexes, half, occupied, pseudo_random_qpsk

LIMITS: Final = {
    "images": (1, 1_000_000),
    "uses": (1, 100_000),
    "subcarriers": (12, 3300),
    "spacing_khz": (1.0, 960.0),
}
SMALLEST_FFT: Final = 128  # the cyclic prefix is then a whole number of samples
LEAST_OVERSAMPLING: Final = 4 / 3
PILOT_SEED: Final = 2


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The format of a frame of `images` times `uses` symbols; both ends know it.

    The grid is that of the `tdl` channels. It is filled row by row; a row is an OFDM symbol of
    `subcarriers` columns, with the cyclic prefix of TS 38.211. The carrier itself stays empty. One
    row in seven holds pilots, but at least two rows if the data fill two. The last row is filled
    with zeros.

    Units:  as the fields are named; numbers of samples are at `sample_rate`.
    Raises: ValueError with a one-line message if a value is not a number in its range, or
            `subcarriers` is odd.
    """

    images: int
    uses: int  # data symbols of an image, k
    subcarriers: int = 72
    spacing_khz: float = 15.0

    def __post_init__(self) -> None:
        """Check every value."""
        for name, (least, most) in LIMITS.items():
            value: Any = getattr(self, name)
            kinds = (int, float) if name == "spacing_khz" else (int,)
            if (
                isinstance(value, bool)
                or not isinstance(value, kinds)
                or not least <= value <= most
            ):
                raise ValueError(f"{name} of a frame must be {least} to {most}, got {value!r}")
        if self.subcarriers % 2:
            raise ValueError(f"subcarriers of a frame must be even, got {self.subcarriers}")

    @property
    def fft_size(self) -> int:
        """Samples of an OFDM symbol without prefix: a power of two."""
        needed = LEAST_OVERSAMPLING * self.subcarriers
        return max(SMALLEST_FFT, 1 << math.ceil(math.log2(needed)))

    @property
    def sample_rate(self) -> float:
        """Sample rate in Hz."""
        return 1e3 * self.spacing_khz * self.fft_size

    @property
    def prefix(self) -> int:
        """Samples of the cyclic prefix."""
        return round(PREFIX * self.fft_size)

    @property
    def row_samples(self) -> int:
        """Samples of an OFDM symbol with its prefix."""
        return self.fft_size + self.prefix

    @property
    def data_rows(self) -> int:
        """Number of OFDM symbols that the data fill."""
        return math.ceil(self.images * self.uses / self.subcarriers)

    @property
    def pilots(self) -> int:
        """Number of pilot uses; they fill whole rows."""
        rows = max(2, math.ceil(self.data_rows / (PILOT_ROWS - 1)))
        return self.subcarriers * min(self.data_rows, rows)

    @property
    def grid_uses(self) -> int:
        """Number of places in the grid: data, pilots, and the zeros that fill the last row."""
        return self.data_rows * self.subcarriers + self.pilots

    @property
    def rows(self) -> int:
        """Number of OFDM symbols after the preamble."""
        return self.grid_uses // self.subcarriers

    @property
    def half_samples(self) -> int:
        """Samples of a half of the preamble."""
        return HALF_SYMBOLS * self.fft_size

    @property
    def preamble_samples(self) -> int:
        """Samples of the preamble with its prefix."""
        return self.prefix + 2 * self.half_samples

    @property
    def samples(self) -> int:
        """Samples of the whole frame."""
        return self.preamble_samples + self.rows * self.row_samples

    @property
    def overhead(self) -> float:
        """Fraction of the samples that carry neither data nor their cyclic prefix."""
        return 1.0 - self.images * self.uses / self.subcarriers * self.row_samples / self.samples

    @property
    def pilot_places(self) -> NDArray[np.int64]:
        """Places of the pilots in the grid, as for `CHANNEL+lmmse:P` if P fills whole rows."""
        return pilot_places(self.grid_uses, self.pilots, self.subcarriers)

    @property
    def data_places(self) -> NDArray[np.int64]:
        """Places of the data in the grid, image by image."""
        free = data_places(self.grid_uses, self.pilots, self.subcarriers)
        return free[: self.images * self.uses]

    @property
    def pilot_symbols(self) -> Complexes:
        """Pilots of unit power, pseudo-random QPSK."""
        return pseudo_random_qpsk(self.pilots, PILOT_SEED)

    @property
    def columns(self) -> NDArray[np.int64]:
        """Frequency of every column in subcarrier spacings from the carrier."""
        return occupied(self.subcarriers)

    @property
    def half(self) -> Complexes:
        """One half of the preamble."""
        return half(self.fft_size, self.subcarriers)

    def signal(self, x: Tensor) -> Complexes:
        """The frame in the time domain; the transform keeps the energy of the symbols.

        Shapes: x [images, uses] complex -> [samples].
        Raises: ValueError for another shape or type.
        """
        if not x.is_complex() or list(x.shape) != [self.images, self.uses]:
            raise ValueError(
                f"x must be complex [images, k] = [{self.images}, {self.uses}], got {x.dtype} "
                f"{list(x.shape)}"
            )
        grid = np.zeros(self.grid_uses, dtype=np.complex128)
        grid[self.data_places] = x.cpu().to(torch.complex128).numpy().reshape(-1)
        grid[self.pilot_places] = self.pilot_symbols
        bins = np.zeros((self.rows, self.fft_size), dtype=np.complex128)
        bins[:, self.columns] = grid.reshape(self.rows, -1)
        symbols = np.fft.ifft(bins, norm="ortho")
        rows = np.concatenate([symbols[:, -self.prefix :], symbols], axis=1)
        known = self.half
        return np.concatenate([known[-self.prefix :], known, known, rows.reshape(-1)])

    def samples_of(self, image: int) -> tuple[int, int]:
        """First sample and number of samples of the OFDM symbols that hold an image."""
        own = self.data_places[image * self.uses : (image + 1) * self.uses] // self.subcarriers
        first, last = int(own[0]), int(own[-1])
        start = self.preamble_samples + first * self.row_samples
        return start, (last + 1 - first) * self.row_samples
