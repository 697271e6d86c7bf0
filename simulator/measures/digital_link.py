"""The digital link by itself: bit and block error rates over Eb/N0, beside the closed form."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from channels.base import Channel
from channels.digital.bit_pipe import BitPipe
from channels.digital.uncoded import UncodedPipe
from channels.streams import PointStreams, Streams
from channels.units import snr_db_from_ebn0_db
from simulator.statistics.intervals import effective_images, wilson

MOST_BATCH_BLOCKS = 500
MOST_BATCH_SYMBOLS = 2**19  # bounds the memory of a batch of long blocks


@dataclass(frozen=True, kw_only=True)
class LinkTest:
    """What to send, over what, and until when.

    Eb is the energy of a payload bit: CRC and parity are paid for. A point is finished after the
    batch that reaches `errors` block errors, or after `max_blocks` blocks.
    """

    pipe: BitPipe | UncodedPipe
    channel: Channel
    ebn0_db: tuple[float, ...]
    errors: int
    max_blocks: int
    seed: int

    @property
    def batch(self) -> int:
        """Blocks that are drawn at once; it follows from the pipe alone."""
        room = MOST_BATCH_SYMBOLS // self.pipe.channel_uses
        return max(1, min(MOST_BATCH_BLOCKS, room))

    def snr_db(self, ebn0_db: float) -> float:
        """Es/N0 in dB, from the payload bits per channel use."""
        bits_per_symbol = self.pipe.bits_per_symbol
        return snr_db_from_ebn0_db(
            ebn0_db,
            bits_per_symbol=bits_per_symbol,
            code_rate=self.pipe.payload_bits / (self.pipe.channel_uses * bits_per_symbol),
        )


def measure_link(test: LinkTest) -> pd.DataFrame:
    """One row for each Eb/N0, ascending.

    A block is in error if a payload bit is wrong or the CRC fails. `ci_low, ci_high` is Wilson's
    95 % interval of `bler`; `ber_low, ber_high` that of `ber`, with the block as sampling unit.
    `theory_ber` is the bit error rate of uncoded QAM of the same points at the same Eb/N0 in closed
    form, empty for a channel whose law does not give it.
    """
    rows = []
    with tqdm(test.ebn0_db, desc="link", unit="point") as points:
        for ebn0_db in points:
            rows.append(_measure_point(test, ebn0_db, points))
    return pd.DataFrame(rows)


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
    """Closed form of uncoded QAM at the same Eb/N0; nan where the channel's law has none."""
    rate, bits = test.channel.law.qam_bit_error_rate, test.pipe.bits_per_symbol
    if rate is None:
        return math.nan
    return rate(snr_db_from_ebn0_db(ebn0_db, bits_per_symbol=bits), bits_per_symbol=bits)
