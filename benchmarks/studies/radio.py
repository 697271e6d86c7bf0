"""The loss by a real waveform: recordings through a simulated radio against ideal symbols.

`python -m benchmarks.studies.radio` sends the 500 test digits by rkd_sc and label_code, k = 16 and
64, as one frame through a simulated radio with unknown delay, carrier offset, gain and clock, and
over the AWGN channel of the simulator. It writes to results/reference/digits/radio: radio.csv, a
row per scheme, k and SNR; loss.csv, the loss in dB at equal accuracy; run.json and a figure. Takes
about twelve minutes.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import semlink
from benchmarks.figures.radio import draw_radio
from channels.awgn import AwgnChannel
from channels.radio.frame import Frame
from channels.radio.receive import FrameOutput, receive_frame
from channels.radio.simulated import SimulatedRadio, drawn_radio
from channels.radio.synchronise import NoFrame
from channels.streams import Streams
from channels.units import db_to_linear, linear_to_db, noise_power_from_snr_db
from simulator.engine.send import send_images
from simulator.errors import in_one_line
from simulator.progress import progress
from simulator.radio.ends import Link, receive, transmit
from simulator.scheme import Scheme
from simulator.statistics.intervals import accuracy_interval, mean_interval
from simulator.statistics.paired import paired_difference
from simulator.statistics.tally import Credits
from simulator.statistics.threshold import paired_difference_db
from simulator.storage.environment import REFERENCE, environment
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import check_writable

SCHEMES: Final = ("rkd_sc", "label_code")
USES: Final = (16, 64)
SNR_DB: Final = (-10.0, -8.0, -6.0, -5.0, -4.0, -3.0, -2.0, 0.0, 4.0, 8.0, 12.0, 16.0)
TARGETS: Final = (0.9, 0.95, 0.97)
RECORDINGS: Final = 12  # below 0 dB
FEW: Final = 2  # from 0 dB, where accuracy hardly depends on noise
IDEAL, RADIO = "ideal", "radio"


class Trip(NamedTuple):
    """One recording: the credit of each image, and the noise that the estimates add."""

    right: Credits
    loss_db: float | None  # None: the frame was not found


@dataclass
class Study:
    """The rows of the table, and the credits of every image at each point."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    credits: dict[tuple[str, str, int, float], Credits] = field(default_factory=dict)

    def credits_of(self, row: pd.Series) -> Credits:
        """The credits at a row of a curve."""
        return self.credits[row["link"], row["scheme"], int(row["channel_uses"]), row["snr_db"]]


def measured(link: semlink.Link) -> Study:
    """Measure both links at every point."""
    study, test = Study(), link.data.test
    points = [(name, k, snr_db) for name in SCHEMES for k in USES for snr_db in SNR_DB]
    for name, k, snr_db in progress(points, desc="radio", unit="point"):
        scheme, both = link[name], Link(k=k, snr_db=snr_db)
        x = transmit(scheme, test.images, both)
        numbers = range(transmissions(snr_db))
        trips = [trip(scheme, x, both, test.labels, number) for number in numbers]
        radio = np.mean([own.right for own in trips], axis=0)
        ideal = ideal_credits(scheme, test.images, test.labels, both)
        study.credits[RADIO, name, k, snr_db] = radio
        study.credits[IDEAL, name, k, snr_db] = ideal
        study.rows.append(
            {
                "scheme": name,
                "channel_uses": k,
                "snr_db": snr_db,
                "images": len(test.labels),
                "recordings": len(trips),
                "not_found": sum(own.loss_db is None for own in trips),
                "overhead": Frame(images=len(x), uses=k).overhead,
                **_accuracies(radio, ideal),
                **_noise([own.loss_db for own in trips if own.loss_db is not None]),
            }
        )
    return study


def transmissions(snr_db: float) -> int:
    """Recordings, and realisations of the ideal link, at an SNR."""
    return RECORDINGS if snr_db < 0 else FEW


def ideal_credits(scheme: Scheme, images: Tensor, labels: Tensor, link: Link) -> Credits:
    """The credits of every image over AWGN with known gain and noise power."""
    sent = [
        send_images(
            scheme, images, channel=AwgnChannel(), snr_db=link.snr_db, k=link.k, realization=number
        )
        for number in range(transmissions(link.snr_db))
    ]
    right = torch.stack([(own.classes == labels).double() for own in sent])
    return right.mean(dim=0).numpy()


def trip(scheme: Scheme, x: Tensor, link: Link, labels: Tensor, number: int) -> Trip:
    """Send symbols through a simulated radio; if the frame is not found, images are guessed."""
    frame = Frame(images=len(x), uses=link.k)
    draws = Streams(seed=0)("radio", link.snr_db, link.k, number)
    radio = drawn_radio(
        link.snr_db, fft_size=frame.fft_size, spacing_khz=frame.spacing_khz, generator=draws
    )
    try:
        output = receive_frame(radio(frame.signal(x), generator=draws), frame)
    except NoFrame:
        return Trip(np.full(len(x), 0.1), None)
    scores = receive(scheme, output.received, link, image_shape=scheme.image_shape or ()).scores
    right = (scores.argmax(dim=1) == labels).double().numpy()
    return Trip(right, noise_added_db(output, x, radio))


def noise_added_db(output: FrameOutput, x: Tensor, radio: SimulatedRadio) -> float:
    """Power of y - h x, with the receiver's estimate of h, over the power of the noise, in dB."""
    y, h, _ = output.received
    error = float((y - h * x).abs().square().mean()) * db_to_linear(output.gain_db)
    noise = abs(radio.gain) ** 2 * noise_power_from_snr_db(radio.snr_db)
    return linear_to_db(error / noise)


def _accuracies(radio: Credits, ideal: Credits) -> dict[str, float]:
    """Accuracies with their intervals, and the paired difference."""
    row: dict[str, float] = {}
    for name, own in ((RADIO, radio), (IDEAL, ideal)):
        low, high = accuracy_interval(own)
        row |= {name: float(own.mean()), f"{name}_low": low, f"{name}_high": high}
    apart = paired_difference(radio, ideal)
    return {**row, "difference": apart.value, "difference_low": apart.low} | {
        "difference_high": apart.high
    }


def _noise(losses: list[float]) -> dict[str, float]:
    """Mean of the added noise in dB, with Student's interval over recordings."""
    if len(losses) < 2:
        return {}
    low, high = mean_interval(np.array(losses))
    return {"added_db": float(np.mean(losses)), "added_low": low, "added_high": high}


def losses(study: Study) -> Iterator[dict[str, Any]]:
    """SNR through the radio minus SNR of the ideal link, at equal accuracy."""
    rows = pd.DataFrame(study.rows)
    for (scheme, k), own in rows.groupby(["scheme", "channel_uses"], sort=False):
        radio, ideal = (_curve(own, name) for name in (RADIO, IDEAL))
        for target in TARGETS:
            found = paired_difference_db(radio, ideal, target, study.credits_of)
            if np.isnan(found.value):  # reached at every SNR
                continue
            yield {
                "scheme": scheme,
                "channel_uses": k,
                "accuracy": target,
                "loss_db": found.value,
                "ci_low": found.low,
                "ci_high": found.high,
            }


def _curve(rows: pd.DataFrame, link: str) -> pd.DataFrame:
    """One link's accuracies, with the column names of a sweep."""
    names = {link: "accuracy", f"{link}_low": "ci_low", f"{link}_high": "ci_high"}
    kept = ["scheme", "channel_uses", "snr_db", *names]
    return rows[kept].rename(columns=names).assign(link=link)


def main() -> None:
    """Measure, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REFERENCE / "digits/radio")
    options = parser.parse_args()
    with in_one_line("radio"):
        check_writable(options.out)
    torch.set_num_threads(1)
    link = semlink.load("digits", weights=REFERENCE / "digits/weights")
    study = measured(link)
    table, lost = pd.DataFrame(study.rows), pd.DataFrame(losses(study))
    write_table(options.out / "radio.csv", table.round(6))
    write_table(options.out / "loss.csv", lost.round(4))
    about = {"seed": 0, "weights": link.weights.hashes}
    write_json(options.out / "run.json", {**about, "environment": environment(torch.device("cpu"))})
    draw_radio(table, options.out)
    print(lost.to_string(index=False))


if __name__ == "__main__":
    main()
