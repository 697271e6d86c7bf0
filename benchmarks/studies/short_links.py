"""How far are the links of short payloads from maximum likelihood?

`python -m benchmarks.studies.short_links` sends 8 to 48 bits over 16 uses on AWGN and
writes results/reference/short_links/short_links.csv. For each payload and SNR it has our links,
exhaustive maximum likelihood over the symbols of the same words and of Reed-Muller words (up to 16
bits), and the normal approximation of the best code: for the payload, and for as many bits as a
polar link sends with its CRC. Takes a minute or two.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.baselines.codebook import label_codebook
from benchmarks.baselines.label_code import log_posteriors
from channels.awgn import AwgnChannel
from channels.digital.bit_pipe import BitPipe, CodedPipe
from channels.digital.polar_pipe import SHORTEST_POLAR_PAYLOAD, PolarPipe, polar_crc_bits
from channels.digital.small_block import LONGEST_SMALL_BLOCK, SmallBlockPipe, small_block_words
from channels.streams import PointStreams, Streams
from channels.theory import normal_approximation_bits
from simulator.progress import progress
from simulator.statistics.intervals import wilson
from simulator.storage.environment import REFERENCE, environment
from simulator.storage.files import write_json, write_table

USES: Final = 16
POINTS: Final = {
    8: (-2.0, 0.0, 1.0),
    11: (-1.0, 1.0, 2.0),
    16: (0.0, 2.0, 4.0),
    24: (4.0, 6.0, 8.0),
    32: (6.0, 8.0, 10.0),
    48: (10.0, 12.0, 14.0),
}
LONG_LIST: Final = 64  # paths of another polar decoder, for comparison
BATCH, BATCHES = 500, 20
LONG_BATCHES: Final = 1  # of exhaustive search among more than 2^11 words
RATES: Final = np.logspace(-6, 0, 601)[:-1]  # at which the normal approximation is evaluated


def measured() -> pd.DataFrame:
    """A row for each payload, SNR and receiver: wrong blocks, their rate and its interval."""
    rows: list[dict[str, Any]] = []
    points = [(bits, snr_db) for bits, own in POINTS.items() for snr_db in own]
    for bits, snr_db in progress(points, desc="short links", unit="point"):
        best = best_error_rate(bits, snr_db)
        with_crc = best_error_rate(bits + polar_crc_bits(bits), snr_db) if bits >= 12 else best
        for code, (wrong, blocks) in receivers(bits, snr_db).items():
            rate = wrong / blocks
            interval = wilson(rate, blocks)
            rows.append(
                {
                    "payload_bits": bits,
                    "snr_db": snr_db,
                    "code": code,
                    "blocks": blocks,
                    "errors": wrong,
                    "error_rate": rate,
                    "ci_low": interval.low,
                    "ci_high": interval.high,
                    "normal_approximation": best,
                    "with_polar_crc": with_crc,
                }
            )
    return pd.DataFrame(rows)


def receivers(bits: int, snr_db: float) -> dict[str, tuple[int, int]]:
    """Numbers of wrong blocks and of blocks, for every link and reference for a payload."""
    order = next(own for own, most in ((2, 13), (4, 32), (6, 64)) if bits <= most)
    ldpc = BitPipe(payload_bits=bits, channel_uses=USES, bits_per_symbol=order)
    found = {f"LDPC with CRC16, {ldpc.modulation}": by_link(ldpc, snr_db)}
    if bits <= LONGEST_SMALL_BLOCK:
        small = SmallBlockPipe(payload_bits=bits, channel_uses=USES)
        found["small block, our link"] = by_link(small, snr_db)
        found["small block, exhaustive ML"] = by_search(qpsk_words(bits), snr_db)
    if bits >= SHORTEST_POLAR_PAYLOAD:
        found |= by_polar(bits, snr_db)
    if bits <= 16:  # more words do not fit in memory
        found["Reed-Muller, exhaustive ML"] = by_search(label_codebook(2**bits, USES), snr_db)
    return found


def by_polar(bits: int, snr_db: float) -> dict[str, tuple[int, int]]:
    """Polar links with the lowest modulation that carries the payload, for two list sizes."""
    order = next(own for own, most in ((2, 19), (4, 42), (6, 69)) if bits <= most)
    ours = PolarPipe(payload_bits=bits, channel_uses=USES, bits_per_symbol=order)
    return {
        f"polar, {pipe.modulation}, list of {pipe.list_size}": by_link(pipe, snr_db)
        for pipe in (ours, replace(ours, list_size=LONG_LIST))
    }


def qpsk_words(bits: int) -> Tensor:
    """Symbols [2^bits, USES] complex64 of all small block words."""
    signs = 1 - 2 * small_block_words(bits, 2 * USES).float()
    return torch.view_as_complex(signs.reshape(-1, USES, 2)) / 2**0.5


def by_link(pipe: CodedPipe, snr_db: float) -> tuple[int, int]:
    """Number of blocks that a link delivers wrongly or not at all, and number of blocks."""

    def wrong(streams: PointStreams) -> int:
        shape = (BATCH, pipe.payload_bits)
        payload = torch.randint(0, 2, shape, generator=streams("payload"), dtype=torch.uint8)
        arrived = pipe(
            payload,
            channel=AwgnChannel(),
            snr_db=torch.full((BATCH, 1), snr_db),
            channel_generator=streams("channel"),
            scrambling_generator=streams("scrambling"),
        )
        return int(((arrived.payload != payload).any(dim=1) | ~arrived.crc_ok).sum())

    return _counted(wrong, BATCHES, "link", pipe.payload_bits, snr_db)


def by_search(words: Tensor, snr_db: float) -> tuple[int, int]:
    """Number of wrong blocks of exhaustive search among words [M, USES], and number of blocks."""

    def wrong(streams: PointStreams) -> int:
        numbers = torch.randint(0, len(words), (BATCH,), generator=streams("payload"))
        snr = torch.full((BATCH, 1), snr_db)
        received = AwgnChannel()(words[numbers], snr_db=snr, generator=streams("channel"))
        prior = torch.zeros(len(words))  # equally likely
        return int((log_posteriors(received, words, prior).argmax(dim=1) != numbers).sum())

    long = len(words) > 2**LONGEST_SMALL_BLOCK
    return _counted(wrong, LONG_BATCHES if long else BATCHES, "search", len(words), snr_db)


def _counted(
    wrong: Callable[[PointStreams], int], batches: int, *name: str | int | float
) -> tuple[int, int]:
    streams = PointStreams(Streams(seed=0), "short links", *name)
    return sum(wrong(streams) for _ in range(batches)), batches * BATCH


def best_error_rate(bits: int, snr_db: float) -> float:
    """The least error rate at which the normal approximation carries `bits` over USES."""
    carried = [
        float(normal_approximation_bits(np.array(snr_db), uses=USES, block_error_rate=float(rate)))
        for rate in RATES
    ]
    return float(RATES[min(int(np.searchsorted(carried, bits)), len(RATES) - 1)])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REFERENCE / "short_links")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = measured()
    write_table(options.out / "short_links.csv", rows)
    about = environment(torch.device("cpu"))
    write_json(options.out / "run.json", {"seed": 0, "environment": about})
    print(rows.to_string(index=False))


if __name__ == "__main__":
    main()
