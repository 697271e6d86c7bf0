"""Does a polar code carry a class index better? Error rates of the label code's words.

`python -m benchmarks.studies.label_codes` sends 100 classes over k = 16 to 256 uses by the words of
`label_code` and by those of `label_code:polar`, with the same classes, gains and noise, and writes
results/reference/label_codes/label_codes.csv. Both receivers are maximum likelihood. Takes some
minutes.
"""

import argparse
from pathlib import Path
from typing import Final

import pandas as pd
import torch
from torch import Tensor

from benchmarks.baselines.codebook import code_family, label_codebook
from benchmarks.baselines.label_code import log_posteriors
from channels.names import channel_from_name
from channels.streams import PointStreams, Streams
from channels.units import linear_to_db
from simulator.progress import progress
from simulator.statistics.intervals import wilson
from simulator.storage.environment import ROOT, environment
from simulator.storage.files import write_json, write_table

CLASSES: Final = 100
USES: Final = (16, 32, 64, 256)
CHANNELS: Final = ("awgn", "rayleigh", "rayleigh_fast")
ENERGY_DB: Final = (8.0, 10.0, 12.0)  # energy of a word over N0: SNR + 10 log10 k
BATCH, BATCHES = 2000, 20
COLUMNS: Final = [
    *("channel", "channel_uses", "snr_db", "code", "words"),
    *("errors", "error_rate", "ci_low", "ci_high"),
]


def compare_codes() -> pd.DataFrame:
    """A row for each channel, k, energy and code: wrong decisions of so many, and the interval."""
    rows = []
    points = [(c, k, e) for c in CHANNELS for k in USES for e in ENERGY_DB]
    for channel, k, energy_db in progress(points, desc="label codes", unit="point"):
        snr_db = energy_db - linear_to_db(float(k))
        books = {
            str(code_family(CLASSES, k)): label_codebook(CLASSES, k),
            "polar": label_codebook(CLASSES, k, "polar"),
        }
        for code, words in books.items():
            errors, trials = wrong_decisions(words, channel, snr_db), BATCH * BATCHES
            rate = errors / trials
            counted = (trials, errors, rate, *wilson(rate, trials))
            rows.append((channel, k, round(snr_db, 3), code, *counted))
    return pd.DataFrame(rows, columns=COLUMNS)


def wrong_decisions(words: Tensor, channel: str, snr_db: float) -> int:
    """Wrong decisions among random words; equal draws for all codes with as many words and uses."""
    num_words, k = words.shape
    streams = PointStreams(Streams(seed=0), "label codes", channel, num_words, k, snr_db)
    wrong = 0
    for _ in range(BATCHES):
        classes = torch.randint(0, num_words, (BATCH,), generator=streams("classes"))
        received = channel_from_name(channel)(
            words[classes], snr_db=torch.full((BATCH, 1), snr_db), generator=streams("channel")
        )
        wrong += int((log_posteriors(received, words).argmax(dim=1) != classes).sum())
    return wrong


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "results/reference/label_codes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    about = environment(torch.device("cpu"))
    rows = compare_codes()
    write_table(options.out / "label_codes.csv", rows)
    write_json(options.out / "run.json", {"seed": 0, "environment": about})
    print(rows.to_string(index=False))


if __name__ == "__main__":
    main()
