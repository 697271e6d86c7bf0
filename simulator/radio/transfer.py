"""Images to a recording, a recording through a simulated radio, and a recording to scores."""

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from channels.equalize import receive_snr_db
from channels.radio.receive import FrameOutput, receive_frame
from channels.radio.simulated import drawn_radio
from channels.radio.synchronise import NoFrame
from channels.streams import Streams
from simulator.errors import UserError
from simulator.radio.ends import receive, transmit
from simulator.radio.recording import Recording
from simulator.radio.transmission import Transmission
from simulator.scheme import Received, Scheme

LARGEST = 0.9  # magnitude of a written sample; full scale of a device is 1
RATE_TOLERANCE = 1e-6


class Reception(NamedTuple):
    """A received frame, and the decoded results of its images."""

    frame: FrameOutput
    received: Received


def written(
    scheme: Scheme, images: Tensor, transmission: Transmission, classes: list[str] | None
) -> tuple[Transmission, Recording]:
    """Encode uint8 images [N, C, H, W] as a recording, scaled to a peak of 0.9.

    `classes`, if given, are written into the annotations. Returns the transmission with its
    `amplitude` set, and the recording. Raises: UserError as `transmit`.
    """
    frame = transmission.frame
    signal = frame.signal(transmit(scheme, images, transmission.link))
    amplitude = LARGEST / float(np.abs(signal).max())
    own = replace(transmission, amplitude=amplitude)
    samples = (amplitude * signal).astype(np.complex64)
    annotations = list(own.annotations(classes))
    return own, Recording(samples, frame.sample_rate, own.fields, annotations)


def simulated(
    recording: Recording, transmission: Transmission, *, snr_db: float, seed: int
) -> Recording:
    """The recording as a simulated second device receives it, see `drawn_radio`.

    The meta file keeps the description of the transmission, so that it can be read without the
    transmitted file.
    """
    frame = transmission.frame
    generator = Streams(seed=seed)("radio", snr_db)
    radio = drawn_radio(
        snr_db,
        fft_size=frame.fft_size,
        spacing_khz=frame.spacing_khz,
        generator=generator,
    )
    signal = recording.samples.astype(np.complex128) / transmission.amplitude
    samples = radio(signal, generator=generator).astype(np.complex64)
    start = math.ceil(radio.delay)
    annotations = [
        {**own, "core:sample_start": own["core:sample_start"] + start}
        for own in recording.annotations
    ]
    return Recording(samples, recording.sample_rate, transmission.fields, annotations)


def recorded(
    path: Path, recording: Recording, transmission: Transmission, *, snr_db: float | None
) -> FrameOutput:
    """Find the frame of a recording and estimate its gains.

    Raises: UserError if the sample rate is not that of the frame, or no whole frame is found.
    """
    frame = transmission.frame
    if abs(recording.sample_rate / frame.sample_rate - 1) > RATE_TOLERANCE:
        raise UserError(
            f"{path} must have the sample rate of its frame, {frame.sample_rate:g} Hz, got "
            f"{recording.sample_rate:g} Hz; resample it"
        )
    try:
        return receive_frame(recording.samples.astype(np.complex128), frame, snr_db=snr_db)
    except NoFrame as error:
        raise UserError(f"{path}: {error}") from None


def decoded(
    scheme: Scheme, output: FrameOutput, transmission: Transmission, *, image_shape: tuple[int, ...]
) -> Reception:
    """Decode all images of a frame."""
    received = receive(scheme, output.received, transmission.link, image_shape=image_shape)
    return Reception(output, received)


def table_of(
    reception: Reception, transmission: Transmission, classes: tuple[str, ...]
) -> pd.DataFrame:
    """A row per image: decided class, whether it was delivered, SNR in dB, and all scores."""
    scores, delivered, _ = reception.received
    decided = scores.argmax(dim=1).tolist()
    rows = pd.DataFrame(
        {
            "image": range(transmission.images),
            "class": [classes[own] for own in decided],
            "delivered": delivered.tolist(),
            "snr_db": receive_snr_db(reception.frame.received).flatten().tolist(),
        }
    )
    columns = [f"score_{name}" for name in classes]
    return pd.concat([rows, pd.DataFrame(scores.double().numpy(), columns=columns)], axis=1)
