"""The coded digital link, bits to bits over any channel: CRC, 5G NR LDPC, scrambling, Gray QAM.

`CodedPipe` is the base class of all coded links; those with short codes are in `small_block` and
`polar_pipe`. The blocks are Sionna's except for the LDPC decoder (`channels.digital.ldpc`). The
specifications are 3GPP TS 38.212 (coding) and TS 38.211 (modulation).
"""

import functools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal, NamedTuple

import torch
from torch import Tensor

from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.digital.ldpc import LayeredDecoder
from channels.streams import Streams, sionna_device, sionna_phy

LONGEST_WITH_CRC16: Final = 3824  # payload bits, TS 38.212 sec. 7.2.1
LONGEST_CODE_BLOCK: Final = 8448  # bits with CRC, TS 38.212 sec. 5.2.2; without segmentation
HIGHEST_CODE_RATE: Final = Fraction(948, 1024)  # TS 38.214 table 5.1.3.1-2
SAFE_CODE_RATE: Final = Fraction(9, 10)  # up to it, all blocks are decoded if there is no noise
TRIAL_BLOCKS, TRIAL_SNR_DB = 20, 100.0
MODULATIONS: Final = {2: "QPSK", 4: "16-QAM", 6: "64-QAM", 8: "256-QAM"}


def check_modulation(bits_per_symbol: int) -> None:
    """Raises: ValueError if the modulation is unknown."""
    if bits_per_symbol not in MODULATIONS:
        raise ValueError(
            f"bits_per_symbol must be one of {sorted(MODULATIONS)}, got {bits_per_symbol}"
        )


class BitPipeOutput(NamedTuple):
    """Output of the receiver: its decision for every bit, and whether the CRC check passed.

    Shapes: payload [B, payload_bits] uint8, crc_ok [B] bool.
    """

    payload: Tensor
    crc_ok: Tensor


@dataclass(frozen=True, kw_only=True)
class CodedPipe(ABC):
    """A digital link with one code word per image; calling it sends payloads.

    The steps are encoding, scrambling with fresh bits known to both ends, Gray QAM of unit average
    power, the channel, exact LLRs of y/h with noise power N0/|h|^2, descrambling, and decoding. The
    power is 1 on average over the constellation, not for each image.
    """

    payload_bits: int  # per image, without CRC
    channel_uses: int  # per image, one QAM symbol each
    bits_per_symbol: int  # 2, 4, 6 or 8

    @property
    @abstractmethod
    def crc_bits(self) -> int:
        """Number of CRC bits sent with the payload; if 0, errors are never detected."""

    @abstractmethod
    def encode(self, payload: Tensor) -> Tensor:
        """Code words [B, coded_bits] uint8 of payloads [B, payload_bits], not yet scrambled.

        Raises: ValueError if a shape, a type or a value is wrong.
        """

    @abstractmethod
    def decode(self, llr: Tensor) -> BitPipeOutput:
        """Decode LLRs ln P(1) - ln P(0) of the coded bits, [B, coded_bits]."""

    @property
    def modulation(self) -> str:
        """Name of the modulation, such as 16-QAM."""
        return MODULATIONS[self.bits_per_symbol]

    @property
    def coded_bits(self) -> int:
        """Number of coded bits per image, over all channel uses."""
        return self.channel_uses * self.bits_per_symbol

    @property
    def code_rate(self) -> float:
        """Payload and CRC bits divided by coded bits."""
        return (self.payload_bits + self.crc_bits) / self.coded_bits

    @torch.no_grad()
    def __call__(
        self,
        payload: Tensor,
        *,
        channel: Channel,
        snr_db: Tensor,
        channel_generator: torch.Generator,
        scrambling_generator: torch.Generator,
    ) -> BitPipeOutput:
        """Send the payload of every image.

        Shapes: payload [B, payload_bits] uint8 of 0 and 1, snr_db [B, 1] -> BitPipeOutput.
        Units:  snr_db is Es/N0 in dB, averaged over the fading.
        Raises: ValueError if a shape, a type, a value or a device is wrong.
        """
        return self.send(
            self.encode(payload),
            channel=channel,
            snr_db=snr_db,
            channel_generator=channel_generator,
            scrambling_generator=scrambling_generator,
        )

    @torch.no_grad()
    def send(
        self,
        coded: Tensor,
        *,
        channel: Channel,
        snr_db: Tensor,
        channel_generator: torch.Generator,
        scrambling_generator: torch.Generator,
    ) -> BitPipeOutput:
        """Send given code words [B, coded_bits] uint8, such as all zeros; else as `__call__`."""
        scrambling = torch.randint(
            0, 2, coded.shape, generator=scrambling_generator, device=coded.device
        ).to(torch.uint8)
        mapper = qam_mapper(self.bits_per_symbol, sionna_device(coded.device))
        received = channel(mapper(coded ^ scrambling), snr_db=snr_db, generator=channel_generator)
        erased = received.h == 0
        gain = torch.where(erased, 1, received.h)
        llr = qam_llr(
            received.y / gain,
            noise_power=received.noise_power / gain.abs().square(),
            bits_per_symbol=self.bits_per_symbol,
        )
        llr = llr.masked_fill(erased.repeat_interleave(self.bits_per_symbol, dim=1), 0.0)
        decoded = self.decode(llr * (1.0 - 2.0 * scrambling))  # flipped bits: flip the signs
        if not self.crc_bits:
            return decoded
        # without any LLR the decoder returns zeros, whose CRC is right
        return decoded._replace(crc_ok=decoded.crc_ok & ~erased.all(dim=1))

    def _check_payload(self, payload: Tensor) -> None:
        """Check that payload is uint8 [B, payload_bits] of 0 and 1."""
        shape_fits = payload.dim() == 2 and payload.shape[1] == self.payload_bits
        if payload.dtype != torch.uint8 or not shape_fits or payload.shape[0] == 0:
            raise ValueError(
                f"payload must be uint8 [B, {self.payload_bits}] with B at least 1, "
                f"got {payload.dtype} {list(payload.shape)}"
            )
        if bool((payload > 1).any()):
            raise ValueError(f"payload must hold bits 0 and 1, got {int(payload.max())}")


@dataclass(frozen=True, kw_only=True)
class BitPipe(CodedPipe):
    """CRC, 5G LDPC and Gray QAM, one code block per image.

    The CRC has 16 bits up to 3824 payload bits, else 24. Encoding includes rate matching and bit
    interleaving; the receiver decodes the LDPC code and checks the CRC. All else is as in
    `CodedPipe`. Below the lowest rate of the base graph (1/5, or 1/3 above 3824 bits with CRC) the
    code word is repeated, and the LLRs of its repetitions are added.

    Raises: ValueError if the modulation is unknown or no 5G LDPC code has these sizes.
    """

    iterations: int = 20  # maximum number of decoder iterations
    decoder: Literal["layered", "sionna"] = "layered"  # sionna: belief propagation, to compare

    def __post_init__(self) -> None:
        """Check that there is a 5G LDPC code of these sizes."""
        check_modulation(self.bits_per_symbol)
        if min(self.payload_bits, self.channel_uses, self.iterations) < 1:
            raise ValueError(
                "payload_bits, channel_uses and iterations must be at least 1, got "
                f"{self.payload_bits}, {self.channel_uses} and {self.iterations}"
            )
        block = self.payload_bits + self.crc_bits
        if block > LONGEST_CODE_BLOCK:
            raise ValueError(
                f"payload and CRC must fit one code block of {LONGEST_CODE_BLOCK} bits, got {block}"
            )
        rate = Fraction(block, self.coded_bits)
        if rate > HIGHEST_CODE_RATE:
            raise ValueError(
                f"the code rate of a block of {block} bits must be at most "
                f"{float(HIGHEST_CODE_RATE):.3f}, got {block}/{self.coded_bits} = "
                f"{float(rate):.3f}; payload_bits_for gives the payload of a wanted rate"
            )

    @property
    def crc_bits(self) -> int:
        """Number of CRC bits, 16 or 24."""
        return _crc_bits(self.payload_bits)

    @property
    def code_word_bits(self) -> int:
        """Length of the LDPC code word; if there are more coded bits, they repeat it cyclically."""
        block = self.payload_bits + self.crc_bits
        longest = block * (5 if block <= LONGEST_WITH_CRC16 else 3)
        return min(self.coded_bits, longest - longest % self.bits_per_symbol)

    @torch.no_grad()
    def encode(self, payload: Tensor) -> Tensor:
        """Code words [B, coded_bits] uint8, interleaved, not yet scrambled."""
        self._check_payload(payload)
        blocks = _blocks(self, sionna_device(payload.device))
        coded: Tensor = blocks.encoder(blocks.crc_encoder(payload.to(torch.float32)))
        return coded.to(torch.uint8)[:, self._places(payload.device)]

    def _places(self, device: torch.device) -> Tensor:
        """Index in the code word of every coded bit, [coded_bits]."""
        return torch.arange(self.coded_bits, device=device) % self.code_word_bits

    @torch.no_grad()
    def decode(self, llr: Tensor) -> BitPipeOutput:
        """Add the LLRs of repeated bits, decode the LDPC code, and check the CRC."""
        blocks = _blocks(self, sionna_device(llr.device))
        word = llr.new_zeros((len(llr), self.code_word_bits))
        word.index_add_(1, self._places(llr.device), llr)
        decided, crc_ok = blocks.crc_decoder(blocks.decoder(word).float())
        return BitPipeOutput(payload=decided.to(torch.uint8), crc_ok=crc_ok.squeeze(-1))


def payload_bits_for(
    *, channel_uses: int, bits_per_symbol: int, code_rate: Fraction | float
) -> int:
    """Largest payload whose code rate, CRC included, does not exceed `code_rate`.

    floor(code_rate channel_uses bits_per_symbol) minus the CRC bits; a float such as 0.3 stands for
    the decimal fraction 3/10.

    Raises: ValueError if that leaves less than 1 bit.
    """
    rate = code_rate if isinstance(code_rate, Fraction) else Fraction(str(code_rate))
    block = math.floor(rate * channel_uses * bits_per_symbol)
    payload = block - _crc_bits(1)
    if payload > LONGEST_WITH_CRC16:  # the longer CRC may shorten it to the limit
        payload = max(LONGEST_WITH_CRC16, block - _crc_bits(payload))
    if payload < 1:
        raise ValueError(
            f"{channel_uses} uses of {bits_per_symbol} bits at code rate {float(rate):.3f} must "
            f"hold at least {_crc_bits(1) + 1} bits (CRC and one more), got {max(block, 0)}; "
            "ask for more channel uses"
        )
    return payload


def channel_uses_for(*, payload_bits: int, bits_per_symbol: int, code_rate: Fraction) -> int:
    """Fewest channel uses at which the code rate, CRC included, does not exceed `code_rate`."""
    block = payload_bits + _crc_bits(payload_bits)
    return math.ceil(block / (code_rate * bits_per_symbol))


@functools.lru_cache(maxsize=1024)
def arrives_without_noise(pipe: BitPipe) -> bool:
    """Whether a few random blocks are all decoded correctly at 100 dB.

    Above a rate of 9/10, some short codes are punctured so much that they cannot be decoded: their
    rank is below the number of bits, or belief propagation makes no progress.
    """
    streams, shape = Streams(seed=0), (TRIAL_BLOCKS, pipe.payload_bits)
    payload = torch.randint(0, 2, shape, generator=streams("trial"), dtype=torch.uint8)
    arrived = pipe(
        payload,
        channel=AwgnChannel(),
        snr_db=torch.full((TRIAL_BLOCKS, 1), TRIAL_SNR_DB),
        channel_generator=streams("trial, channel"),
        scrambling_generator=streams("trial, scrambling"),
    )
    return bool(arrived.crc_ok.all()) and torch.equal(arrived.payload, payload)


def qam_llr(symbols: Tensor, *, noise_power: Tensor, bits_per_symbol: int) -> Tensor:
    """Exact LLRs ln P(b = 1 | r) - ln P(b = 0 | r) of r = x + w with x Gray QAM of unit power.

    Square Gray QAM is one Gray PAM in the real part (bits 0, 2, ...) and one in the imaginary part
    (bits 1, 3, ...), with independent noise. The sum over all points with b = 1 splits into a
    product and the other part cancels, so only sqrt(M) levels are summed per real dimension.

    Shapes: symbols [B, k] complex, noise_power [B, k] or [B, 1] -> [B, k bits_per_symbol].
    Units:  noise_power is E|w|^2 per complex use.
    """
    levels, marginalise = _gray_pam(bits_per_symbol // 2, sionna_device(symbols.device))
    parts = torch.view_as_real(symbols.resolve_conj()).unsqueeze(-1)  # [B, k, 2, 1]
    smallest = torch.finfo(parts.dtype).tiny  # avoids 0 / 0 on a noiseless link
    exponents = -(parts - levels).square() / noise_power.clamp_min(smallest)[..., None, None]
    llr: Tensor = marginalise(exponents)  # [B, k, 2, bits_per_symbol / 2]
    return llr.transpose(2, 3).flatten(start_dim=1)  # real and imaginary bits alternate


def qam_bits(symbols: Tensor, *, bits_per_symbol: int) -> Tensor:
    """Bits of the nearest points of Gray QAM of unit power.

    Shapes: symbols [B, k] complex -> [B, k bits_per_symbol] uint8.
    """
    half = bits_per_symbol // 2  # the index of a level in Sionna's list, in binary, is its label
    levels, _ = _gray_pam(half, sionna_device(symbols.device))
    parts = torch.view_as_real(symbols.resolve_conj()).unsqueeze(-1)  # [B, k, 2, 1]
    nearest = (parts - levels).abs().argmin(dim=-1)  # [B, k, 2]
    bits = [nearest >> place & 1 for place in range(half - 1, -1, -1)]
    return torch.stack(bits, dim=2).flatten(start_dim=1).to(torch.uint8)


def _crc_bits(payload_bits: int) -> int:
    """Length of the CRC, TS 38.212 sec. 7.2.1."""
    return 16 if payload_bits <= LONGEST_WITH_CRC16 else 24


class _Blocks(NamedTuple):
    """Sionna's blocks for one pipe on one device."""

    crc_encoder: Any
    encoder: Any
    decoder: Any
    crc_decoder: Any


@functools.lru_cache(maxsize=64)
def _blocks(pipe: BitPipe, device: str) -> _Blocks:
    """Blocks of a pipe, built once and cached."""
    phy = sionna_phy()
    where = {"precision": "single", "device": device}
    crc_encoder = phy.fec.crc.CRCEncoder({16: "CRC16", 24: "CRC24A"}[pipe.crc_bits], **where)
    encoder = phy.fec.ldpc.LDPC5GEncoder(
        k=pipe.payload_bits + pipe.crc_bits,
        n=pipe.code_word_bits,
        num_bits_per_symbol=pipe.bits_per_symbol,
        **where,
    )
    return _Blocks(
        crc_encoder=crc_encoder,
        encoder=encoder,
        decoder=_decoder(pipe, encoder, where),
        crc_decoder=phy.fec.crc.CRCDecoder(crc_encoder, **where),
    )


def _decoder(pipe: BitPipe, encoder: Any, where: dict[str, str]) -> Any:
    if pipe.decoder == "layered":
        return LayeredDecoder(encoder, iterations=pipe.iterations)
    return sionna_phy().fec.ldpc.LDPC5GDecoder(encoder, num_iter=pipe.iterations, **where)


@functools.cache
def qam_mapper(bits_per_symbol: int, device: str) -> Any:
    """Sionna's Gray QAM: bits [B, k bits_per_symbol] to symbols [B, k] of unit average power."""
    return sionna_phy().mapping.Mapper("qam", bits_per_symbol, precision="single", device=device)


@functools.cache
def _gray_pam(bits: int, device: str) -> tuple[Tensor, Any]:
    """Levels [2^bits] of one real dimension of QAM, power 1/2, and Sionna's block for bit LLRs."""
    mapping = sionna_phy().mapping
    points = mapping.Constellation("pam", bits, precision="single", device=device).points
    marginalise = mapping.SymbolLogits2LLRs("app", bits, precision="single", device=device)
    return points.real / math.sqrt(2.0), marginalise
