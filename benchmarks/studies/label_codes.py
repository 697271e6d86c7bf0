"""Which words carry a class index best? Error rates of the words of the label code and of others.

`python -m benchmarks.studies.label_codes` sends 10 classes over k = 3 to 64 uses and 100 classes
over k = 16 to 256 by the words of `label_code`, `label_code:regular` and `label_code:polar`, with
the same classes, gains and noise. All receivers are maximum likelihood. Writes
results/reference/label_codes/label_codes.csv; takes some minutes.
"""

import argparse
from pathlib import Path
from typing import Final

import pandas as pd
import torch
from torch import Tensor

from benchmarks.baselines.codebook import Code, code_family, label_codebook
from benchmarks.baselines.label_code import log_posteriors
from channels.names import channel_from_name
from channels.streams import PointStreams, Streams
from channels.units import linear_to_db
from simulator.progress import progress
from simulator.statistics.intervals import wilson
from simulator.storage.environment import REFERENCE, environment
from simulator.storage.files import write_json, write_table

SIZES: Final = (
    *((10, k) for k in (3, 8, 16, 64)),
    *((100, k) for k in (16, 32, 64, 256)),
)  # classes, channel uses
CODES: Final[tuple[Code, ...]] = ("own", "regular", "polar")
CHANNELS: Final = ("awgn", "rayleigh", "rayleigh_fast")
ENERGY_DB: Final = (8.0, 10.0, 12.0)  # energy of a word over N0: SNR + 10 log10 k
BATCH, BATCHES = 2000, 20
COLUMNS: Final = [
    *("classes", "channel", "channel_uses", "snr_db", "code", "words"),
    *("errors", "error_rate", "ci_low", "ci_high"),
]


def compare_codes() -> pd.DataFrame:
    """A row for each size, channel, energy and code: wrong decisions and their rate."""
    rows = []
    points = [(*size, channel, e) for size in SIZES for channel in CHANNELS for e in ENERGY_DB]
    for classes, k, channel, energy_db in progress(points, desc="label codes", unit="point"):
        snr_db = energy_db - linear_to_db(float(k))
        families = {code_family(classes, k, code): code for code in CODES}
        for family, code in families.items():
            if family is None:
                continue
            trials = BATCH * BATCHES
            errors = wrong_decisions(label_codebook(classes, k, code), channel, snr_db)
            rate = errors / trials
            counted = (trials, errors, rate, *wilson(rate, trials))
            rows.append((classes, channel, k, round(snr_db, 3), family, *counted))
    return pd.DataFrame(rows, columns=COLUMNS)


def wrong_decisions(words: Tensor, channel: str, snr_db: float) -> int:
    """Number of wrong decisions on random words; codes of one size share all draws."""
    num_words, k = words.shape
    streams = PointStreams(Streams(seed=0), "label codes", channel, num_words, k, snr_db)
    wrong = 0
    for _ in range(BATCHES):
        classes = torch.randint(0, num_words, (BATCH,), generator=streams("classes"))
        received = channel_from_name(channel)(
            words[classes], snr_db=torch.full((BATCH, 1), snr_db), generator=streams("channel")
        )
        scores = log_posteriors(received, words, torch.zeros(num_words))
        wrong += int((scores.argmax(dim=1) != classes).sum())
    return wrong


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REFERENCE / "label_codes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    about = environment(torch.device("cpu"))
    rows = compare_codes()
    write_table(options.out / "label_codes.csv", rows)
    write_json(options.out / "run.json", {"seed": 0, "environment": about})
    print(rows.to_string(index=False))


if __name__ == "__main__":
    main()
