"""Uncoded QAM with symbol-by-symbol detection, the reference for coded links."""

from dataclasses import dataclass

import torch
from torch import Tensor

from channels.base import Channel
from channels.digital.bit_pipe import (
    MODULATIONS,
    BitPipeOutput,
    check_modulation,
    qam_bits,
    qam_mapper,
)
from channels.equalize import zero_forcing
from channels.streams import sionna_device


@dataclass(frozen=True, kw_only=True)
class UncodedPipe:
    """Gray QAM of unit average power without CRC or code; calling it sends payloads.

    The receiver decides for the point nearest to y/h. For equally likely bits its error rate is
    given by the closed forms of `channels.theory`.

    Raises: ValueError if the modulation is unknown or there is no channel use.
    """

    channel_uses: int  # per image, one QAM symbol each
    bits_per_symbol: int  # 2, 4, 6 or 8

    def __post_init__(self) -> None:
        """Check the modulation and the channel uses."""
        check_modulation(self.bits_per_symbol)
        if self.channel_uses < 1:
            raise ValueError(f"channel_uses must be at least 1, got {self.channel_uses}")

    @property
    def payload_bits(self) -> int:
        """Number of bits per image, over all channel uses."""
        return self.channel_uses * self.bits_per_symbol

    @property
    def modulation(self) -> str:
        """Name of the modulation, such as 16-QAM."""
        return MODULATIONS[self.bits_per_symbol]

    @torch.no_grad()
    def __call__(
        self,
        payload: Tensor,
        *,
        channel: Channel,
        snr_db: Tensor,
        channel_generator: torch.Generator,
        scrambling_generator: torch.Generator,  # noqa: ARG002 - the contract of `BitPipe`
    ) -> BitPipeOutput:
        """Send the payload of every image; without a CRC, `crc_ok` is always true.

        Shapes: payload [B, payload_bits] uint8 of 0 and 1, snr_db [B, 1] -> BitPipeOutput.
        Units:  snr_db is Es/N0 in dB, averaged over the fading.
        """
        x = qam_mapper(self.bits_per_symbol, sionna_device(payload.device))(payload)  # [B, k]
        received = channel(x, snr_db=snr_db, generator=channel_generator)
        decided = qam_bits(zero_forcing(received), bits_per_symbol=self.bits_per_symbol)
        nothing_found = torch.ones(len(payload), dtype=torch.bool, device=payload.device)
        return BitPipeOutput(payload=decided, crc_ok=nothing_found)
