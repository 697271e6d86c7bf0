"""Comparison of our link with an independent implementation: Sionna 1.2 on TensorFlow.

`make crosscheck`, or `python -m benchmarks.studies.crosscheck --python PATH` with an interpreter
that has the packages of requirements-tensorflow.txt. Takes two minutes and writes crosscheck.csv,
bler.csv and run.json into results/reference/crosscheck; exit status 1 if a check fails.
"""

import argparse
import math
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from channels.awgn import AwgnChannel
from channels.base import Channel, ChannelOutput
from channels.digital.bit_pipe import LONGEST_WITH_CRC16, BitPipe, qam_llr
from channels.digital.uncoded import UncodedPipe
from channels.fading import RayleighChannel
from channels.streams import Streams
from channels.units import db_to_linear, ebn0_db_from_snr_db
from simulator.measures.digital_link import LinkTest, measure_link
from simulator.statistics.intervals import wilson
from simulator.storage.environment import REFERENCE, ROOT, environment
from simulator.storage.files import write_json, write_table

Arrays = dict[str, NDArray[Any]]
STREAMS: Final = Streams(seed=0)
MODULATIONS: Final = (2, 4, 6, 8)

CODES: Final = (  # bits with CRC, coded bits, bits per symbol
    *((20, 60, 2), (64, 320, 2), (128, 256, 2), (292, 584, 8), (528, 1056, 4), (3824, 7648, 4)),
    *((300, 420, 6), (528, 708, 6), (1000, 1200, 2), (3000, 3600, 8), (5000, 12000, 4)),
    (8448, 10560, 8),
)

LINKS: Final = {  # codes as above, with two SNRs in dB around a block error rate of 1e-2
    (128, 256, 2): (2.4, 2.9),
    (272, 544, 4): (7.2, 7.5),
    (528, 708, 6): (16.1, 16.5),
}

BLOCKS: Final = 4000  # at each SNR
WANTED: Final = 1e-2  # block error rate at which SNRs are compared
OURS, LAYERED = "ours, belief propagation", "ours, layered"
THEIRS = "TensorFlow, belief propagation"
EXACT, CLOSE, CLOSE_DB = 0.0, 1e-4, 0.1  # limits
COLUMNS: Final = [
    *("link", "decoder", "snr_db", "blocks", "block_errors", "bler", "ci_low", "ci_high")
]


class Check(NamedTuple):
    """One row: the difference between the two implementations, and its limit."""

    name: str
    inputs: str
    difference: float
    unit: str
    limit: float
    standard_error: float = math.nan  # where the difference is an estimate

    @property
    def verdict(self) -> str:
        """The verdict: "ok" if the difference is within the limit, else "OFF", also for nan."""
        return "ok" if self.difference <= self.limit else "OFF"


class _Remembering(Channel):
    """A channel that changes nothing and keeps what was sent."""

    name = "remembering"
    sent: torch.Tensor

    def __call__(
        self, x: torch.Tensor, *, snr_db: torch.Tensor, generator: torch.Generator
    ) -> ChannelOutput:
        del generator
        self.sent = x
        return ChannelOutput(y=x, h=torch.ones_like(x), noise_power=torch.zeros_like(snr_db))


def flat_channels() -> tuple[Arrays, Arrays]:
    """Symbols over AWGN and over fast Rayleigh fading: the inputs, and our outputs.

    A channel's draws do not depend on x or the SNR, so sending zeros at 0 dB returns its unit
    noise.
    """
    x = torch.view_as_complex(torch.randn((8, 64, 2), generator=STREAMS("symbols"))) / 2**0.5
    snr_db = torch.linspace(-10, 20, 8)[:, None]
    given: Arrays = {"x": x.numpy(), "noise_power": db_to_linear(-snr_db).numpy()}
    ours: Arrays = {}
    for channel in (AwgnChannel(), RayleighChannel(coherence=1)):
        name = channel.name
        noise = channel(0 * x, snr_db=0 * snr_db, generator=STREAMS(name)).y
        received = channel(x, snr_db=snr_db, generator=STREAMS(name))
        given |= {f"noise_{name}": noise.numpy(), "gains": received.h.numpy()}
        ours[f"y_{name}"] = received.y.numpy()
    return given, ours


def qam() -> tuple[Arrays, Arrays]:
    """Gray QAM of random bits, and exact LLRs of received symbols from -5 to 25 dB."""
    given: Arrays = {}
    ours: Arrays = {}
    for m in MODULATIONS:
        generator = STREAMS("qam", m)
        bits = torch.randint(0, 2, (16, 64 * m), generator=generator, dtype=torch.uint8)
        channel, snr_db = _Remembering(), torch.linspace(-5, 25, 16)[:, None]
        UncodedPipe(channel_uses=64, bits_per_symbol=m)(
            bits,
            channel=channel,
            snr_db=snr_db,
            channel_generator=generator,
            scrambling_generator=generator,
        )
        received = AwgnChannel()(channel.sent, snr_db=snr_db, generator=generator)
        given |= {
            f"bits_{m}": bits.numpy(),
            f"received_{m}": received.y.numpy(),
            f"noise_power_{m}": received.noise_power.expand_as(received.y).numpy(),
        }
        llr = qam_llr(received.y, noise_power=received.noise_power, bits_per_symbol=m)
        ours |= {f"symbols_{m}": channel.sent.numpy(), f"llr_{m}": llr.numpy()}
    return given, ours


def code_words() -> tuple[Arrays, Arrays]:
    """Code words of random payloads for 12 codes on both base graphs."""
    given: Arrays = {"codes": np.array(CODES)}
    ours: Arrays = {}
    for index, (k, n, m) in enumerate(CODES):
        pipe = _pipe(k, n, m)
        shape = (20, pipe.payload_bits)
        payload = torch.randint(0, 2, shape, generator=STREAMS("code", index), dtype=torch.uint8)
        given[f"payload_{index}"] = payload.numpy()
        ours[f"coded_{index}"] = pipe.encode(payload).numpy()
    return given, ours


def lost_blocks(decoder: Literal["layered", "sionna"]) -> NDArray[Any]:
    """Number of blocks that our links lose, [links, SNRs]."""
    lost = []
    for (k, n, m), snrs_db in LINKS.items():
        pipe = replace(_pipe(k, n, m), decoder=decoder)
        rate = pipe.payload_bits / n
        ebn0_db = [ebn0_db_from_snr_db(snr, bits_per_symbol=m, code_rate=rate) for snr in snrs_db]
        test = LinkTest(
            pipe=pipe,
            channel=AwgnChannel(),
            ebn0_db=tuple(ebn0_db),
            errors=BLOCKS + 1,
            max_blocks=BLOCKS,
            seed=0,
        )
        lost.append(measure_link(test)["block_errors"].tolist())
    return np.array(lost)


def compare(ours: Arrays, theirs: Arrays) -> list[Check]:
    """Compare everything that both have computed from the same inputs."""
    checks = [
        Check("AWGN", "8 x 64 symbols", _apart(ours, theirs, "y_awgn"), "", CLOSE),
        Check("Rayleigh", "8 x 64 symbols", _apart(ours, theirs, "y_rayleigh_fast"), "", CLOSE),
    ]
    for m in MODULATIONS:
        name = f"{2**m}-QAM"
        symbols, llr = _apart(ours, theirs, f"symbols_{m}"), _apart(ours, theirs, f"llr_{m}")
        checks.append(Check("mapping", f"{name}, 1,024 symbols", symbols, "", CLOSE))
        checks.append(Check("exact LLR", f"{name}, -5 to 25 dB", llr, "relative above 1", CLOSE))
    for index, (k, n, m) in enumerate(CODES):
        differing = (ours[f"coded_{index}"] != theirs[f"coded_{index}"]).sum()
        inputs = f"({k}, {n}), {2**m}-QAM, base graph {theirs[f'graph_{index}']}, 20 words"
        checks.append(Check("CRC and LDPC", inputs, float(differing), "bits", EXACT))
    return checks


def compare_rates(counts: pd.DataFrame) -> list[Check]:
    """Compare the SNRs at which a block error rate of 1e-2 is reached, ours against theirs."""
    checks = []
    for link, rows in counts.groupby("link", sort=False):
        at = {str(name): snr_at(group) for name, group in rows.groupby("decoder")}
        theirs, their_error = at[THEIRS]
        for name, decoder in (("same decoder", OURS), ("layered, loss", LAYERED)):
            ours, error = at[decoder]
            # a decoder of another kind may be better, but not worse
            apart = ours - theirs if decoder == LAYERED else abs(ours - theirs)
            errors = math.hypot(error, their_error)
            checks.append(Check(f"BLER, {name}", str(link), apart, "dB", CLOSE_DB, errors))
    return checks


def snr_at(points: pd.DataFrame) -> tuple[float, float]:
    """Where the line through two points (SNR, log rate) reaches 1e-2, and its standard error.

    nan if the rate does not fall. The error is the delta method's, with (1 - p) / (n p) as variance
    of the logarithm of a rate p.
    """
    snr_db, rate = points["snr_db"].to_numpy(), points["bler"].to_numpy()
    if not rate[0] > rate[1] > 0:
        return math.nan, math.nan
    slope = np.log(rate[1] / rate[0]) / (snr_db[1] - snr_db[0])
    share = np.log(WANTED / rate[0]) / np.log(rate[1] / rate[0])  # of the way to the second point
    deviations = np.sqrt((1 - rate) / (rate * points["blocks"].to_numpy()))
    error = np.hypot((1 - share) * deviations[0], share * deviations[1]) / abs(slope)
    return float(snr_db[0] + share * (snr_db[1] - snr_db[0])), float(error)


def table_of(lost: dict[str, NDArray[Any]]) -> pd.DataFrame:
    """Counts, rates and intervals: a row for each link, SNR and decoder."""
    rows = []
    for index, ((k, n, m), snrs_db) in enumerate(LINKS.items()):
        for decoder, counted in lost.items():
            for snr_db, errors in zip(snrs_db, counted[index].tolist(), strict=True):
                link, rate = f"({k}, {n}), {2**m}-QAM, AWGN", errors / BLOCKS
                rows.append((link, decoder, snr_db, BLOCKS, errors, rate, *wilson(rate, BLOCKS)))
    return pd.DataFrame(rows, columns=COLUMNS)


def ask(python: Path, given: Arrays) -> Arrays:
    """The outputs of the other interpreter. Raises: SystemExit if it fails."""
    script = ROOT / "benchmarks/studies/crosscheck/tensorflow_side.py"
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        np.savez(inputs, **given)  # type: ignore[arg-type]
        done = subprocess.run([python, script, inputs, outputs], check=False)
        if done.returncode != 0:
            raise SystemExit(f"{python} {script.name} failed with status {done.returncode}")
        with np.load(outputs, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def _pipe(k: int, n: int, m: int) -> BitPipe:
    """The link whose blocks have k bits with their CRC."""
    crc_bits = 16 if k - 16 <= LONGEST_WITH_CRC16 else 24
    return BitPipe(payload_bits=k - crc_bits, channel_uses=n // m, bits_per_symbol=m)


def _apart(ours: Arrays, theirs: Arrays, name: str) -> float:
    """Largest difference, relative where their value is above 1."""
    difference = np.abs(ours[name] - theirs[name])
    return float((difference / np.maximum(1.0, np.abs(theirs[name]))).max())


def main() -> None:
    """Run both, compare them, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(".venv-tensorflow/bin/python"))
    parser.add_argument("--out", type=Path, default=REFERENCE / "crosscheck")
    options = parser.parse_args()
    torch.set_num_threads(1)
    start, about = time.perf_counter(), environment(torch.device("cpu"))
    given: Arrays = {
        "links": np.array(list(LINKS)),
        "links_snr_db": np.array(list(LINKS.values())),
        "blocks": np.array(BLOCKS),
    }
    ours: Arrays = {}
    for part in (flat_channels, qam, code_words):
        inputs, outputs = part()
        given, ours = given | inputs, ours | outputs
    theirs = ask(options.python, given)
    theirs_seconds = time.perf_counter() - start
    ours_lost = {OURS: lost_blocks("sionna"), LAYERED: lost_blocks("layered")}
    counts = table_of({THEIRS: theirs["lost"], **ours_lost})
    checks = [*compare(ours, theirs), *compare_rates(counts)]
    table = pd.DataFrame([{**check._asdict(), "verdict": check.verdict} for check in checks])
    write_table(options.out / "crosscheck.csv", table)
    write_table(options.out / "bler.csv", counts)
    run = {
        "theirs": theirs["versions"].tolist(),
        "their_seconds": round(theirs_seconds, 1),
        "wall_seconds": round(time.perf_counter() - start, 1),
        "environment": about,
    }
    write_json(options.out / "run.json", run)
    print(table.to_string(index=False), counts.to_string(index=False), sep="\n\n")
    if (table["verdict"] != "ok").any():
        raise SystemExit("some checks have failed: see OFF in the table")


if __name__ == "__main__":
    main()
