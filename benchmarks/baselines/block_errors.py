"""Block error rates of digital links, measured once and stored, so that sweeps need not decode.

Every block is scrambled by a fresh pseudo-random sequence that both ends know, and the LLRs are
descrambled. Whether a block fails thus depends on gain and noise, not on its content, and a sweep
needs only a table over the SNR of a block. The table is measured with all-zero code words.

Without a CRC, a receiver decides some blocks correctly at any SNR. The table of such a link begins
at a low SNR and is continued to the rate of a guess among all payloads.

`python -m benchmarks.tools.measure_links` measures the links of all recipes, for
`results/reference/`.
"""

import contextlib
import functools
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from channels.awgn import AwgnChannel
from channels.digital.bit_pipe import CodedPipe
from channels.streams import Streams
from channels.units import linear_to_db
from simulator.data.cache import default_cache
from simulator.errors import UserError
from simulator.progress import progress
from simulator.storage.describe import digest
from simulator.storage.environment import REFERENCE
from simulator.storage.files import write_json

COMMITTED = REFERENCE / "block_errors"
VERSION = 2  # of the measurement; a new number repeats it
STEP_DB, FINE_STEP_DB = 0.5, 0.25
LONG = 2000  # coded bits from which error rates fall so steeply that the fine step is needed
COARSE_DB = 1.0
BEGIN_DB, BEGIN_WITHOUT_CRC_DB = 2.0, 15.0  # start below the SNR at which capacity equals the rate
TO_DB = 40.0
BATCH = 200
BITS = 1_000_000  # coded bits to send at each SNR
FEWEST_BLOCKS, LEAST_BLOCKS = 400, 4000  # bounds of the number of blocks for BITS
MORE = 2.5  # factor by which the number of blocks may grow if errors are few
ENOUGH_ERRORS = 100
RARE = 1e-4  # a rate below this ends the table


@dataclass(frozen=True)
class BlockErrors:
    """Block error rate over the SNR of a block in dB: 1 below the table, 0 above it.

    Without a CRC (`guesses`), the rate approaches `limit` below the table. Its distance to the
    limit is proportional to the amplitude of the signal, as for any code in weak signals. Between
    two points the logarithm of the rate is interpolated. `errors` includes the `undetected` ones,
    which no CRC has found.
    """

    snr_db: tuple[float, ...]
    blocks: tuple[int, ...]
    errors: tuple[int, ...]
    undetected: tuple[int, ...]
    limit: float = 1.0  # rate of a guess among all payloads

    @property
    def guesses(self) -> bool:
        """True if no error was ever detected, as without a CRC."""
        return self.undetected == self.errors

    @property
    def rates(self) -> NDArray[np.float64]:
        """The rate at every point; half an error is assumed if there was none."""
        return np.asarray(np.maximum(self.errors, 0.5) / np.array(self.blocks))

    @property
    def variances(self) -> NDArray[np.float64]:
        """Binomial variance of the rate at every point."""
        return np.asarray(self.rates * (1 - self.rates) / np.array(self.blocks))

    def __call__(self, snr_db: NDArray[np.floating]) -> NDArray[np.float64]:
        """Block error rates at these SNRs in dB."""
        rate = np.exp(np.interp(snr_db, self.snr_db, np.log(self.rates)))
        rate = np.where(snr_db > self.snr_db[-1], 0.0, rate)
        return np.where(snr_db < self.snr_db[0], self._below(snr_db), rate)

    def _below(self, snr_db: NDArray[np.floating]) -> NDArray[np.float64]:
        """Block error rates at SNRs in dB below the table."""
        if not self.guesses:
            return np.ones(np.shape(snr_db))
        return np.asarray(self.limit + (self.rates[0] - self.limit) * self._amplitude(snr_db))

    def _amplitude(self, snr_db: NDArray[np.floating]) -> NDArray[np.float64]:
        """Amplitude relative to that at the lowest SNR of the table; 0 with a CRC."""
        relative = 10.0 ** ((np.asarray(snr_db) - self.snr_db[0]) / 20)
        return np.asarray(self.guesses * relative)

    def variance(self, snr_db: NDArray[np.floating], weights: NDArray[np.floating]) -> float:
        """Variance of the weighted sum of rates, from the finite number of blocks at each point.

        Computed from the derivative of the interpolation with respect to the rate of each point;
        points are independent.

        Shapes: snr_db [M], weights [M].
        """
        units = np.eye(len(self.snr_db))
        shares = np.stack([np.interp(snr_db, self.snr_db, unit, left=0.0) for unit in units])
        slopes = shares @ (weights * self(snr_db)) / self.rates
        below = np.asarray(snr_db) < self.snr_db[0]
        slopes[0] += np.where(below, self._amplitude(snr_db), 0.0) @ weights
        return float(slopes**2 @ self.variances)

    def missed(self, snr_db: NDArray[np.floating]) -> NDArray[np.float64]:
        """Shares of the errors that are not detected, at these SNRs in dB."""
        shares = np.array(self.undetected) / np.maximum(self.errors, 1)
        return np.asarray(np.interp(snr_db, self.snr_db, shares))


@functools.lru_cache(maxsize=256)
def block_errors(pipe: CodedPipe) -> BlockErrors:
    """The table of a link: the committed or the cached one, else one that is measured and cached.

    The cache folder is that of data sets; without a cache, the table is measured every time.
    """
    name = file_name(pipe)
    folders = [COMMITTED]
    with contextlib.suppress(RuntimeError):  # no home folder
        folders.append(default_cache() / "block_errors")
    for folder in folders:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # missing or damaged
            kept = json.loads((folder / name).read_text(encoding="utf-8"))["table"]
            columns: dict[str, Any] = {key: tuple(values) for key, values in kept.items()}
            return BlockErrors(**columns, limit=guessed(pipe))
    table = measure(pipe)
    with contextlib.suppress(OSError, RuntimeError):
        keep(table, pipe, default_cache() / "block_errors")
    return table


def guessed(pipe: CodedPipe) -> float:
    """Block error rate of a guess among all payloads of a link."""
    return 1.0 - 2.0**-pipe.payload_bits


def keep(table: BlockErrors, pipe: CodedPipe, folder: Path) -> None:
    """Write a table where `block_errors` finds it."""
    columns = {name: own for name, own in asdict(table).items() if name != "limit"}
    record = {"link": asdict(pipe), "version": VERSION, "table": columns}
    write_json(folder / file_name(pipe), record)


def file_name(pipe: CodedPipe) -> str:
    """The name of a link's table."""
    return f"{digest({**asdict(pipe), 'version': VERSION})}.json"


def measure(pipe: CodedPipe) -> BlockErrors:
    """Measure at increasing SNRs until errors are rare.

    Raises: UserError if errors are still frequent at the highest SNR.
    """
    rows: list[tuple[float, int, int, int]] = []
    snr_db = _first_success(pipe) - COARSE_DB
    step = FINE_STEP_DB if pipe.coded_bits >= LONG else STEP_DB
    with progress(desc=f"block errors at k = {pipe.channel_uses} (once)", unit="block") as bar:
        while not rows or rows[-1][2] / rows[-1][1] > RARE:
            if snr_db > TO_DB:
                raise UserError(
                    f"the link of {pipe.payload_bits} bits over k = {pipe.channel_uses} must have "
                    f"few block errors at {TO_DB:g} dB, but more than {RARE:g} of its blocks fail; "
                    "use a lower rate or modulation"
                )
            rows.append((snr_db, *_at(pipe, snr_db)))
            bar.update(rows[-1][1])
            snr_db += step
    snrs, blocks, errors, undetected = zip(*rows, strict=True)
    return BlockErrors(snrs, blocks, errors, undetected, guessed(pipe))


def _at(pipe: CodedPipe, snr_db: float) -> tuple[int, int, int]:
    """Blocks, errors and undetected errors at one SNR; few if all of them fail."""
    least = min(max(BITS // pipe.coded_bits, FEWEST_BLOCKS), LEAST_BLOCKS)
    blocks = errors = undetected = 0
    while blocks < least or (errors < ENOUGH_ERRORS and blocks < MORE * least):
        wrong, unseen = _errors(pipe, snr_db, blocks, BATCH)
        blocks, errors, undetected = blocks + BATCH, errors + wrong, undetected + unseen
        if errors == blocks >= 2 * BATCH:
            break
    return blocks, errors, undetected


def _first_success(pipe: CodedPipe) -> float:
    """The first SNR of a coarse grid at which at least one of 50 blocks arrives.

    The grid begins below the SNR at which the capacity equals the rate of the link.
    """
    needed = linear_to_db(2 ** (pipe.payload_bits / pipe.channel_uses) - 1)
    snr_db = math.floor(needed) - (BEGIN_DB if pipe.crc_bits else BEGIN_WITHOUT_CRC_DB)
    while snr_db < TO_DB and _errors(pipe, snr_db, -1, 50)[0] == 50:
        snr_db += COARSE_DB
    return snr_db


def _errors(pipe: CodedPipe, snr_db: float, done: int, batch: int) -> tuple[int, int]:
    """Block errors among `batch` blocks on AWGN, and those that the CRC missed."""
    streams = Streams(seed=0)
    name = (pipe.payload_bits, pipe.channel_uses, pipe.bits_per_symbol, snr_db, done)
    arrived = pipe.send(
        torch.zeros((batch, pipe.coded_bits), dtype=torch.uint8),
        channel=AwgnChannel(),
        snr_db=torch.full((batch, 1), snr_db),
        channel_generator=streams("block errors", *name),
        scrambling_generator=streams("block errors, scrambling", *name),
    )
    wrong = arrived.payload.any(dim=1)
    undetected = int((wrong & arrived.crc_ok).sum())
    return int((wrong | ~arrived.crc_ok).sum()), undetected
