"""Wrong payloads that a receiver decodes in place of those that were sent."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from channels.digital.polar_pipe import LONGEST_POLAR_PAYLOAD
from channels.digital.small_block import LONGEST_SMALL_BLOCK
from channels.streams import PointStreams


@dataclass(frozen=True, eq=False)
class OtherPayloads:
    """Another payload for every image of a batch, each equally likely.

    Shapes: numbers [B] in [0, 1), for up to 11 bits; flips [B, longest] uint8, for more.
    """

    numbers: Tensor
    flips: Tensor

    @classmethod
    def drawn(cls, count: int, streams: PointStreams) -> Self:
        """Draw them for a batch of `count` images, on the CPU."""
        numbers = torch.rand(count, generator=streams("other payload"), dtype=torch.float64)
        shape, draws = (count, LONGEST_POLAR_PAYLOAD), streams("other payload, bits")
        return cls(numbers, torch.randint(0, 2, shape, generator=draws, dtype=torch.uint8))

    def instead_of(self, payload: Tensor, rows: Tensor) -> Tensor:
        """Other payloads [rows, bits] uint8 of some images; `rows` are indices or a mask [B].

        A payload of 12 or more bits may remain the same, with probability 2^-bits.
        """
        size = payload.shape[1]
        if size > LONGEST_SMALL_BLOCK:
            flips = self.flips[rows.cpu(), :size]
        else:
            numbers = 1 + (self.numbers[rows.cpu()] * (2**size - 1)).long()  # at least one flip
            flips = numbers[:, None] >> torch.arange(size) & 1
        return payload.bitwise_xor(flips.to(payload))
