"""The outcome of every image in one realisation, and sums over realisations."""

import base64
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WRONG, RIGHT, OUTAGE = 0, 1, 2
Codes = NDArray[np.uint8]  # [N] of WRONG, RIGHT, OUTAGE
Credits = NDArray[np.float64]  # [N]: mean credit of every image
CreditsOf = Callable[[Any], Credits]  # of a row of results.csv


def outcome_codes(scores: Tensor, labels: Tensor, delivered: Tensor) -> Tensor:
    """Outcomes of a batch: scores [B, num_classes], labels and delivered [B] -> uint8 [B]."""
    right = (scores.argmax(dim=1) == labels).to(torch.uint8)
    return torch.where(delivered, right, torch.full_like(right, OUTAGE))


def pack(codes: Codes) -> str:
    """Codes as compressed text, for `unpack`."""
    planes = np.packbits(np.stack([codes == RIGHT, codes == OUTAGE]), axis=1)
    return base64.b64encode(zlib.compress(planes.tobytes(), level=6)).decode()


def unpack(text: str, images: int) -> Codes:
    """The codes [images] in a text of `pack`. Raises: ValueError if it holds fewer."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
    bits = np.unpackbits(planes.reshape(2, -1), axis=1)[:, :images]
    if bits.shape[1] != images:
        raise ValueError(f"there must be {images} outcomes, got {bits.shape[1]}")
    codes: Codes = (bits[0] * RIGHT + bits[1] * OUTAGE).astype(np.uint8)
    return codes


class Tally(NamedTuple):
    """Correct results and outages of every image over the realisations of a point, int64 [N]."""

    right: NDArray[np.int64]
    outages: NDArray[np.int64]
    realizations: int
    num_classes: int

    @staticmethod
    def of(codes: Iterable[Codes], *, num_classes: int) -> "Tally":
        """The sum of several realisations, one in memory at a time. Raises: ValueError for none."""
        tally: Tally | None = None
        for own in codes:
            tally = (tally or Tally.none(len(own), num_classes=num_classes)).plus(own)
        if tally is None:
            raise ValueError("a tally must be of at least one realisation, got none")
        return tally

    @staticmethod
    def none(images: int, *, num_classes: int) -> "Tally":
        """A tally of no realisations."""
        zeros = np.zeros(images, dtype=np.int64)
        return Tally(zeros, zeros, 0, num_classes)

    def plus(self, codes: Codes) -> "Tally":
        """The tally with one more realisation."""
        return self._replace(
            right=self.right + (codes == RIGHT),
            outages=self.outages + (codes == OUTAGE),
            realizations=self.realizations + 1,
        )

    @property
    def credits_of_images(self) -> NDArray[np.float64]:
        """Mean credit of every image: 1 if correct, 0 if wrong, 1 / num_classes for an outage."""
        return (self.right + self.outages / self.num_classes) / self.realizations

    @property
    def squared_credits(self) -> NDArray[np.float64]:
        """Mean squared credit of every image."""
        return (self.right + self.outages / self.num_classes**2) / self.realizations

    @property
    def correct(self) -> float:
        """Sum of the credits of all transmissions."""
        return float(self.right.sum() + self.outages.sum() / self.num_classes)

    @property
    def transmissions(self) -> int:
        """Images times realisations."""
        return len(self.right) * self.realizations

    @property
    def delivered(self) -> float:
        """Share of transmissions without outage."""
        return 1 - float(self.outages.sum()) / self.transmissions
