"""5G codes for 1 to 11 payload bits without a CRC, decoded by maximum likelihood.

Documents: 3GPP TS 38.212, sec. 5.3.3 (codes) and 5.4.3 (rate matching); the basis sequences are
those of table 5.3.3.3-1.
"""

import functools
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from channels.digital.bit_pipe import BitPipeOutput, CodedPipe

LONGEST_SMALL_BLOCK: Final = 11  # bits
BASIS: Final = (  # M_(i,0) to M_(i,10) of table 5.3.3.3-1, for the coded bits i = 0 to 31
    *("11000000001", "11100000011", "10010010111", "10110000101"),
    *("11110001001", "11001011101", "10101010111", "10011001101"),
    *("11011001011", "10111010011", "10100111011", "11100110101"),
    *("10010101111", "11010101011", "10001101001", "11001111011"),
    *("11101110010", "10011100100", "11011111000", "10000110000"),
    *("10100010001", "11010000011", "10001001101", "11101000111"),
    *("11111011110", "11000111001", "10110100110", "11110101110"),
    *("10101110100", "10111111100", "11111111111", "10000000000"),
)
SHORTEST: Final = {1: ("1",), 2: ("10", "01", "11")}  # sec. 5.3.3.1 and 5.3.3.2


@dataclass(frozen=True, kw_only=True)
class SmallBlockPipe(CodedPipe):
    """A 5G small block code with QPSK; the code word is repeated or cut to fill the channel uses.

    One bit is repeated; two bits are sent with their sum; 3 to 11 bits use the (32, K) code. The
    receiver compares all 2^K words, which is exact maximum likelihood for QPSK. There is no CRC, so
    the receiver always outputs a payload.

    Raises: ValueError if the sizes are wrong, or two words are equal because too few bits are sent.
    """

    bits_per_symbol: int = 2  # higher orders would only repeat the word more often
    code: Literal["small block"] = "small block"

    def __post_init__(self) -> None:
        """Check the sizes, and that all words differ."""
        if not 1 <= self.payload_bits <= LONGEST_SMALL_BLOCK or self.channel_uses < 1:
            raise ValueError(
                f"payload_bits must be 1 to {LONGEST_SMALL_BLOCK} and channel_uses at least 1, got "
                f"{self.payload_bits} and {self.channel_uses}"
            )
        if self.bits_per_symbol != 2:
            raise ValueError(f"bits_per_symbol must be 2 (QPSK), got {self.bits_per_symbol}")
        words = small_block_words(self.payload_bits, self.coded_bits)
        if len(words.unique(dim=0)) < len(words):
            raise ValueError(
                f"{self.coded_bits} coded bits do not distinguish {len(words)} words; "
                "ask for more channel uses"
            )

    @property
    def crc_bits(self) -> int:
        """Number of CRC bits: 0."""
        return 0

    @torch.no_grad()
    def encode(self, payload: Tensor) -> Tensor:
        """Code words [B, coded_bits] uint8, not yet scrambled; see `CodedPipe`."""
        self._check_payload(payload)
        places = 2 ** torch.arange(self.payload_bits, device=payload.device)
        numbers = (payload * places).sum(dim=1)
        return small_block_words(self.payload_bits, self.coded_bits).to(payload.device)[numbers]

    @torch.no_grad()
    def decode(self, llr: Tensor) -> BitPipeOutput:
        """The payload whose word has the largest correlation with the LLRs; see `CodedPipe`."""
        words = small_block_words(self.payload_bits, self.coded_bits).to(llr.device)
        numbers = (llr @ words.to(llr.dtype).T).argmax(dim=1)
        places = torch.arange(self.payload_bits, device=llr.device)
        payload = (numbers[:, None] >> places & 1).to(torch.uint8)
        return BitPipeOutput(payload, torch.ones(len(llr), dtype=torch.bool, device=llr.device))


@functools.lru_cache(maxsize=64)
def small_block_words(payload_bits: int, coded_bits: int) -> Tensor:
    """All code words; word n carries the payload whose bit i is bit i of n.

    The tensor is cached and shared: do not write into it.

    Shapes: [2^payload_bits, coded_bits] uint8.
    """
    rows = SHORTEST.get(payload_bits, BASIS)
    basis = torch.tensor([[int(bit) for bit in row[:payload_bits]] for row in rows])
    payloads = torch.arange(2**payload_bits)[:, None] >> torch.arange(payload_bits) & 1
    mother = (payloads @ basis.T % 2).to(torch.uint8)  # [2^K, 32]
    return mother[:, torch.arange(coded_bits) % mother.shape[1]]
