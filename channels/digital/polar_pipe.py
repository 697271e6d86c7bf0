"""5G polar codes of uplink control channels, for 12 or more payload bits, with list decoding.

Documents: 3GPP TS 38.212, sec. 5.3.1, 5.4.1 and 6.3.1.2.1 (CRC of 6 or 11 bits).
"""

import functools
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from channels.digital.bit_pipe import BitPipeOutput, CodedPipe, check_modulation
from channels.digital.polar_construction import FROZEN, INFORMATION, uplink_polar
from channels.digital.polar_list import list_decode
from channels.streams import sionna_phy

SHORTEST_POLAR_PAYLOAD: Final = 12  # bits; fewer use a small block code
LONGEST_POLAR_PAYLOAD: Final = 359  # from 360 bits on 5G may send two code blocks, sec. 6.3.1.3.1
LONGEST_WITH_CRC6: Final = 19
KNOWN: Final = 1e4  # LLR of code bits that are 0 and not sent


@dataclass(frozen=True, kw_only=True)
class PolarPipe(CodedPipe):
    """CRC, 5G polar code and Gray QAM, one code block per image.

    Up to 19 payload bits, the CRC has 6 bits and the code 3 parity bits; else the CRC has 11 bits.
    Encoding includes sub-block interleaving, rate matching and channel interleaving; the receiver
    runs a list decoder and checks the CRC. All else is as in `CodedPipe`. A CRC this short misses
    some errors: `crc_ok` may be true for wrong bits.

    Raises: ValueError if the modulation is unknown or no polar code has these sizes.
    """

    list_size: int = 16
    code: Literal["polar"] = "polar"

    def __post_init__(self) -> None:
        """Check that there is a polar code of these sizes."""
        check_modulation(self.bits_per_symbol)
        if not SHORTEST_POLAR_PAYLOAD <= self.payload_bits <= LONGEST_POLAR_PAYLOAD:
            raise ValueError(
                f"payload_bits must be {SHORTEST_POLAR_PAYLOAD} to {LONGEST_POLAR_PAYLOAD}, got "
                f"{self.payload_bits}; use a small block code below, LDPC above"
            )
        if min(self.channel_uses, self.list_size) < 1:
            raise ValueError(
                "channel_uses and list_size must be at least 1, got "
                f"{self.channel_uses} and {self.list_size}"
            )
        uplink_polar(self.block_bits, self.coded_bits)

    @property
    def crc_bits(self) -> int:
        """Number of CRC bits, 6 or 11."""
        return polar_crc_bits(self.payload_bits)

    @property
    def block_bits(self) -> int:
        """Number of payload and CRC bits."""
        return self.payload_bits + self.crc_bits

    @torch.no_grad()
    def encode(self, payload: Tensor) -> Tensor:
        """Code words [B, coded_bits] uint8, not yet scrambled; see `CodedPipe`."""
        self._check_payload(payload)
        code = uplink_polar(self.block_bits, self.coded_bits)
        sent = payload.cpu().numpy()
        block = np.concatenate([sent, sent @ _crc(self.payload_bits) % 2], axis=1)
        mother = _transformed(_with_parity(block, code.kinds))
        return torch.from_numpy(mother[:, code.places]).to(payload.device)

    @torch.no_grad()
    def decode(self, llr: Tensor) -> BitPipeOutput:
        """Add the LLRs of repeated bits, run the list decoder, and check the CRC."""
        code = uplink_polar(self.block_bits, self.coded_bits)
        known = torch.zeros((len(llr), len(code.kinds)), dtype=torch.float64)
        known.index_add_(1, torch.from_numpy(code.places), -llr.cpu().double())
        known[:, code.shortened] = KNOWN
        checks = _syndromes(self.payload_bits)
        bits, agrees = list_decode(known.numpy(), code.kinds, checks, self.list_size)
        payload = torch.from_numpy(bits[:, : self.payload_bits]).to(llr.device)
        return BitPipeOutput(payload, torch.from_numpy(agrees).to(llr.device))


def polar_crc_bits(payload_bits: int) -> int:
    """Length of the CRC, sec. 6.3.1.2.1."""
    return 6 if payload_bits <= LONGEST_WITH_CRC6 else 11


@functools.cache
def _crc(payload_bits: int) -> NDArray[np.uint8]:
    """The CRC of each payload with a single 1, [payload_bits, CRC bits]."""
    length = polar_crc_bits(payload_bits)
    encoder = sionna_phy().fec.crc.CRCEncoder(f"CRC{length}", precision="single", device="cpu")
    found = encoder(torch.eye(payload_bits))[:, payload_bits:]
    return np.asarray(found.numpy().astype(np.uint8))


@functools.cache
def _syndromes(payload_bits: int) -> NDArray[np.int64]:
    """Syndrome of an error in each payload or CRC bit, as an integer: [payload_bits + CRC bits]."""
    crc = _crc(payload_bits)
    rows = np.concatenate([crc, np.eye(crc.shape[1], dtype=np.uint8)])
    return np.asarray(rows.astype(np.int64) @ (1 << np.arange(crc.shape[1])))


def _with_parity(block: NDArray[np.uint8], kinds: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Bits before the polar transform [B, N].

    A parity bit is the sum of the information bits 5, 10, 15, ... positions before it.
    """
    bits = np.zeros((len(block), len(kinds)), dtype=np.uint8)
    sums = np.zeros((5, len(block)), dtype=np.uint8)
    columns = iter(block.T)
    for position in np.flatnonzero(kinds != FROZEN):
        if kinds[position] == INFORMATION:
            bits[:, position] = next(columns)
            sums[position % 5] ^= bits[:, position]
        else:
            bits[:, position] = sums[position % 5]
    return bits


def _transformed(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The polar transform of bits [B, N], sec. 5.3.1.2."""
    mother = bits.copy()
    half = 1
    while half < mother.shape[1]:
        pairs = mother.reshape(len(mother), -1, 2, half)
        pairs[:, :, 0] ^= pairs[:, :, 1]
        half *= 2
    return mother
