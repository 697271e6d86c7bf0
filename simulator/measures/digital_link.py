"""The digital link by itself, with given settings: error rates beside the closed form."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from channels.base import Channel
from channels.digital.bit_pipe import (
    HIGHEST_CODE_RATE,
    LONGEST_CODE_BLOCK,
    MODULATIONS,
    SAFE_CODE_RATE,
    BitPipe,
    arrives_without_noise,
    channel_uses_for,
    payload_bits_for,
)
from channels.digital.uncoded import UncodedPipe
from channels.streams import PointStreams, Streams
from channels.units import snr_db_from_ebn0_db
from simulator.engine.grid import check_pilots
from simulator.errors import UserError
from simulator.parse import MOST_USES, in_range
from simulator.progress import progress
from simulator.statistics.intervals import effective_images, wilson

Decoder = Literal["layered", "sionna"]
POINTS: Final = {2**bits: bits for bits in MODULATIONS}  # constellation size: bits per symbol
LONGEST_PAYLOAD: Final = LONGEST_CODE_BLOCK - 24  # one code block, less its CRC
USUAL_PAYLOAD: Final = 512
MOST_BATCH_BLOCKS = 500
MOST_BATCH_SYMBOLS = 2**19  # bounds the memory of a batch of long blocks


@dataclass(frozen=True, kw_only=True)
class LinkTest:
    """A link, its channel, and the number of blocks to send.

    Eb is the energy per payload bit; it includes CRC, parity and pilots. A point is finished after
    the batch that reaches `errors` block errors, or after `max_blocks` blocks.
    """

    pipe: BitPipe | UncodedPipe
    channel: Channel
    ebn0_db: tuple[float, ...]
    errors: int
    max_blocks: int
    seed: int

    def __post_init__(self) -> None:
        """Raises: UserError if the channel has more pilots than the block has symbols."""
        check_pilots(self.channel, self.pipe.channel_uses)

    @property
    def batch(self) -> int:
        """Blocks that are sent at once; depends only on the pipe."""
        return max(1, min(MOST_BATCH_BLOCKS, MOST_BATCH_SYMBOLS // self.pipe.channel_uses))

    def snr_db(self, ebn0_db: float) -> float:
        """Es/N0 in dB, from the payload bits per channel use; pilots count as channel uses."""
        bits_per_symbol = self.pipe.bits_per_symbol
        uses = self.pipe.channel_uses + self.channel.pilots
        return snr_db_from_ebn0_db(
            ebn0_db,
            bits_per_symbol=bits_per_symbol,
            code_rate=self.pipe.payload_bits / (uses * bits_per_symbol),
        )


def measure_link(test: LinkTest) -> pd.DataFrame:
    """One row for each Eb/N0, ascending.

    A block is in error if a payload bit is wrong or the CRC fails. `ci_low, ci_high` is Wilson's
    95 % interval of `bler`; `ber_low, ber_high` that of `ber`, with the block as sampling unit.
    `theory_ber` is the closed-form bit error rate of uncoded QAM with the same constellation at the
    same Eb/N0; it is empty for a channel without a closed form.
    """
    with progress(test.ebn0_db, desc="link", unit="point") as points:
        return pd.DataFrame([_measure_point(test, ebn0_db, points) for ebn0_db in points])


def _measure_point(test: LinkTest, ebn0_db: float, bar: Any) -> dict[str, float]:
    pipe = test.pipe
    sizes = (pipe.payload_bits, pipe.channel_uses, pipe.bits_per_symbol)
    streams = PointStreams(Streams(test.seed), "link", test.channel.name, *sizes, ebn0_db)
    wrong_bits = np.zeros(0, dtype=np.int64)  # of every block
    block_errors = 0
    while block_errors < test.errors and len(wrong_bits) < test.max_blocks:
        blocks = min(test.batch, test.max_blocks - len(wrong_bits))
        bits, failed = _send(test, ebn0_db, blocks, streams)
        wrong_bits = np.concatenate([wrong_bits, bits])
        block_errors += failed
        bar.set_postfix_str(f"{ebn0_db:g} dB: {block_errors} of {len(wrong_bits)} blocks lost")
    return _row(test, ebn0_db, wrong_bits, block_errors)


def _send(
    test: LinkTest, ebn0_db: float, blocks: int, streams: PointStreams
) -> tuple[NDArray[np.int64], int]:
    """Wrong bits of each block, and how many blocks are in error."""
    shape = (blocks, test.pipe.payload_bits)
    payload = torch.randint(0, 2, shape, generator=streams("payload"), dtype=torch.uint8)
    arrived = test.pipe(
        payload,
        channel=test.channel,
        snr_db=torch.full((blocks, 1), test.snr_db(ebn0_db)),
        channel_generator=streams("channel"),
        scrambling_generator=streams("scrambling"),
    )
    wrong = (arrived.payload != payload).sum(dim=1)
    return wrong.numpy(), int(((wrong > 0) | ~arrived.crc_ok).sum())


def _row(
    test: LinkTest, ebn0_db: float, wrong_bits: NDArray[np.int64], block_errors: int
) -> dict[str, float]:
    blocks, payload_bits = len(wrong_bits), test.pipe.payload_bits
    bit_errors, bits = int(wrong_bits.sum()), blocks * payload_bits
    ber, bler = bit_errors / bits, block_errors / blocks
    of_blocks = wilson(bler, blocks)
    of_bits = wilson(ber, min(bits, effective_images(wrong_bits / payload_bits)))
    return {
        "ebn0_db": ebn0_db,
        "bits": bits,
        "bit_errors": bit_errors,
        "ber": ber,
        "blocks": blocks,
        "block_errors": block_errors,
        "bler": bler,
        "ci_low": of_blocks.low,
        "ci_high": of_blocks.high,
        "theory_ber": _uncoded_bit_error_rate(test, ebn0_db),
        "snr_db": test.snr_db(ebn0_db),
        "ber_low": of_bits.low,
        "ber_high": of_bits.high,
    }


def _uncoded_bit_error_rate(test: LinkTest, ebn0_db: float) -> float:
    """Closed form of uncoded QAM at the same Eb/N0; nan if the channel's law has none."""
    rate, bits = test.channel.law.qam_bit_error_rate, test.pipe.bits_per_symbol
    if rate is None:
        return math.nan
    return rate(snr_db_from_ebn0_db(ebn0_db, bits_per_symbol=bits), bits_per_symbol=bits)


def pipe_of(
    *,
    modulation: int,
    code_rate: str,
    payload_bits: int | None,
    channel_uses: int | None,
    decoder: Decoder,
) -> BitPipe | UncodedPipe:
    """The link; if payload or uses are None, they follow from the rate. Raises: UserError."""
    if payload_bits is not None:
        in_range("--payload-bits", payload_bits, 1, LONGEST_PAYLOAD)
    if channel_uses is not None:
        in_range("--channel-uses", channel_uses, 1, MOST_USES)
    rate = _code_rate(code_rate)
    if modulation not in POINTS:
        known = ", ".join(map(str, POINTS))
        raise UserError(
            f"--modulation must be the points of a QAM constellation, one of {known}, "
            f"got {modulation}"
        )
    bits = POINTS[modulation]
    if rate == 1:
        return _uncoded(bits, payload_bits, channel_uses, decoder)
    return _coded(bits, rate, payload_bits, channel_uses, decoder)


def _code_rate(text: str) -> Fraction:
    """The code rate of an option; 1 is uncoded."""
    hint = (
        f"--code-rate must be above 0 and at most {float(HIGHEST_CODE_RATE):.3f} (5G LDPC), or 1 "
        f"(uncoded), such as 1/2 or 0.75, got {text!r}"
    )
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UserError(hint) from None
    if rate != 1 and not 0 < rate <= HIGHEST_CODE_RATE:
        raise UserError(hint)
    return rate


def _uncoded(bits: int, payload: int | None, uses: int | None, decoder: Decoder) -> UncodedPipe:
    if decoder != "layered":
        raise UserError(
            f"--decoder {decoder} needs a code, but --code-rate 1 has none; leave it out"
        )
    if uses is None:
        payload = USUAL_PAYLOAD // bits * bits if payload is None else payload
        uses = payload // bits
    if payload is not None and payload != uses * bits:
        raise UserError(
            f"--payload-bits must fill whole symbols of {bits} bits without a code, "
            f"{max(uses, 1) * bits} for {max(uses, 1)} channel uses, got {payload}"
        )
    return UncodedPipe(channel_uses=uses, bits_per_symbol=bits)


def _coded(
    bits: int, rate: Fraction, payload: int | None, uses: int | None, decoder: Decoder
) -> BitPipe:
    """A link whose code rate, CRC included, is at most `rate`, and close to it by default."""
    try:
        if uses is None:
            payload = USUAL_PAYLOAD if payload is None else payload
            uses = channel_uses_for(payload_bits=payload, bits_per_symbol=bits, code_rate=rate)
        most = payload_bits_for(channel_uses=uses, bits_per_symbol=bits, code_rate=rate)
        payload = most if payload is None else payload
        if payload > most:
            raise UserError(
                f"--payload-bits must be at most {most} for {uses} channel uses of {bits} bits at "
                f"code rate {rate}, got {payload}"
            )
        if uses > MOST_USES:
            raise UserError(
                f"{payload} payload bits must fit {MOST_USES} channel uses, but at code rate "
                f"{rate} they take {uses}; choose a higher --code-rate"
            )
        pipe = BitPipe(
            payload_bits=payload, channel_uses=uses, bits_per_symbol=bits, decoder=decoder
        )
    except ValueError as error:
        raise UserError(str(error)) from None
    if not arrives_without_noise(pipe):
        raise UserError(
            f"the link must deliver blocks on a noiseless channel, but {payload} payload bits in "
            f"{uses} channel uses of {pipe.modulation} (code rate {pipe.code_rate:.3f}) cannot be "
            f"decoded; --code-rate {SAFE_CODE_RATE} or below always can"
        )
    return pipe
