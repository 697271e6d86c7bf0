"""`semlink iq`: a scheme's symbols as an SigMF recording, and a recording back to scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulator.commands.options import (
    PATH,
    SCHEME,
    Group,
    WeightsRequest,
    argument,
    command,
    data_option,
    flag,
    load_dataset_with_notes,
    number,
    option,
    resize_option,
    seed_option,
    student_option,
    whole,
)
from simulator.errors import UserError

if TYPE_CHECKING:
    from simulator.data.dataset import Dataset
    from simulator.radio.recording import Recording
    from simulator.radio.transfer import Reception
    from simulator.radio.transmission import Transmission
    from simulator.scheme import Scheme
    from simulator.schemes.experiment import Experiment
    from simulator.training.weights import Weights

SHOWN = 10  # rows of the table on the screen
DECIBELS = number("a number of dB from -100 to 100", lambda value: abs(value) <= 100)


@dataclass(frozen=True, kw_only=True)
class WriteRequest(WeightsRequest):
    """The options of `semlink iq write`."""

    scheme: str = option(type=SCHEME, required=True, metavar="NAME", help="One scheme.")
    channel_uses: int = option(
        type=whole(1, 100_000),
        required=True,
        metavar="K",
        help="Complex channel uses per image.",
    )
    snr_db: float = option(
        default=10.0, type=DECIBELS, metavar="S", help="Average SNR that both ends assume."
    )
    subcarriers: int = option(
        default=72, type=whole(12, 3300), metavar="N", help="Subcarriers; an even number."
    )
    spacing_khz: float = option(
        default=15.0,
        type=number("1 to 960 kHz", lambda value: 1 <= value <= 960),
        metavar="F",
        help="Subcarrier spacing.",
    )
    labels: bool = flag(help="Write the true class of every image too.")
    seed: int = seed_option("Seed of the scrambling of digital schemes.")
    out: Path = option(
        type=PATH, required=True, metavar="FILE", help="A new FILE.sigmf-meta; data go beside it."
    )


@dataclass(frozen=True, kw_only=True)
class SimulateRequest:
    """The options of `semlink iq simulate`."""

    file: Path = argument()
    snr_db: float = option(
        type=DECIBELS, required=True, metavar="S", help="Es/N0 of a subcarrier at the receiver."
    )
    seed: int = seed_option("Seed of delay, offsets, gain and noise.")
    out: Path = option(
        type=PATH, required=True, metavar="FILE", help="A new FILE.sigmf-meta; data go beside it."
    )


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """The options of `semlink iq read`."""

    file: Path = argument()
    sent: Path | None = option(
        type=PATH, metavar="FILE", help="The file that was sent.  [default: as described in FILE]"
    )
    data: Path | None = data_option()
    resize: int | None = resize_option()
    student: Path | None = student_option()
    weights: Path | None = option(
        metavar="DIR",
        help="Trained weights.  [default: results/runs/RECIPE/weights, else semlink's own]",
    )
    snr_db: float | None = option(
        type=DECIBELS, metavar="S", help="SNR of the recording.  [default: estimated]"
    )
    csv: Path | None = option(type=PATH, metavar="FILE", help="Also write the table there.")


@click.group("iq")
def _iq() -> None:
    """Write symbols as SigMF recordings, and read recordings back.

    \b
    semlink iq write digits --scheme rkd_sc --channel-uses 16 --out sent.sigmf-meta
    semlink iq simulate sent.sigmf-meta --snr-db 6 --out received.sigmf-meta
    semlink iq read received.sigmf-meta
    """  # noqa: D301 - click wants the backspace itself


@command(WriteRequest)
def write(request: WriteRequest) -> None:
    """Write the OFDM signal of test images: preamble, pilots, and the symbols of a scheme.

    One frame holds all images. FILE.sigmf-meta describes it, with an annotation for every image;
    FILE.sigmf-data holds samples of type cf32_le with a peak of 0.9.
    """
    import torch

    from simulator.radio.recording import check_sigmf, write_recording
    from simulator.radio.transfer import written

    check_sigmf()
    _check_new(request.out)
    experiment = request.experiment().decoding_all()
    (experiment, weights), test = request.loaded(experiment, torch.device("cpu"))
    scheme, hashes = _built(experiment, weights, request.scheme)
    dataset = weights.dataset
    transmission = _transmission(request, dataset, hashes, len(test.labels))
    classes = [dataset.classes[label] for label in test.labels.tolist()] if request.labels else None
    transmission, recording = written(scheme, test.images, transmission, classes)
    write_recording(request.out, recording)
    frame = transmission.frame
    click.echo(
        f"{frame.images} images by {scheme.name}, k = {frame.uses}: preamble of "
        f"{frame.preamble_samples} samples, {frame.rows} OFDM symbols, {frame.pilots} pilots; "
        f"{len(recording.samples)} samples at {frame.sample_rate:.0f} Hz, "
        f"{frame.overhead:.1%} overhead"
    )
    _name_files(request.out)


def _built(
    experiment: "Experiment", weights: "Weights", name: str
) -> "tuple[Scheme, dict[str, str]]":
    """A scheme, and the hashes of the trained parts that it uses."""
    from simulator.schemes.experiment import build_scheme

    scheme, identity = build_scheme(name, experiment, weights, option="--scheme")
    return scheme, dict(identity["weights"])


def _transmission(
    request: WriteRequest, dataset: "Dataset", hashes: dict[str, str], images: int
) -> "Transmission":
    """The description of the frame. Raises: UserError if no such frame is possible."""
    from simulator.radio.transmission import Transmission

    transmission = Transmission(
        recipe=request.recipe,
        scheme=request.scheme,
        data=dataset.key,
        weights=hashes,
        channel_uses=request.channel_uses,
        snr_db=request.snr_db,
        seed=request.seed,
        images=images,
        subcarriers=request.subcarriers,
        spacing_khz=request.spacing_khz,
        amplitude=1.0,
    )
    try:
        _ = transmission.frame
    except ValueError as error:
        raise UserError(str(error)) from None
    return transmission


@command(SimulateRequest)
def simulate(request: SimulateRequest) -> None:
    """Pass a written recording through a simulated radio.

    A delay, a carrier offset within 2 ppm of 3.5 GHz, a gain of -60 to 0 dB with any phase, a clock
    offset within 0.2 ppm, and white noise; all are drawn by --seed.
    """
    from simulator.radio.recording import check_sigmf, read_recording, write_recording
    from simulator.radio.transfer import simulated
    from simulator.radio.transmission import transmission_of

    check_sigmf()
    _check_new(request.out)
    recording = read_recording(request.file)
    transmission = transmission_of(request.file, recording.fields, recording.annotations)
    reception = simulated(recording, transmission, snr_db=request.snr_db, seed=request.seed)
    write_recording(request.out, reception)
    _name_files(request.out)


def _check_new(path: Path) -> None:
    """Raises: UserError if a recording cannot be written there."""
    from simulator.radio.recording import DATA, check_name
    from simulator.storage.folders import check_writable

    check_name(path, "--out")
    if there := next((own for own in (path, path.with_suffix(DATA)) if own.exists()), None):
        raise UserError(f"--out must be a new file, but {there} is there; remove it")
    check_writable(path.parent)


def _name_files(path: Path) -> None:
    from simulator.radio.recording import DATA

    click.echo(f"recording: {path}, {path.with_suffix(DATA)}")


@command(ReadRequest)
def read(request: ReadRequest) -> None:
    """Find the frame in a recording, and classify its images.

    Prints frequency offset, gain and SNR as estimated from preamble and pilots, and a row per
    image; the accuracy too if the images of the recording are the recipe's test images.
    """
    from simulator.radio.recording import check_sigmf, read_recording
    from simulator.radio.transfer import decoded, recorded, table_of
    from simulator.storage.files import write_table
    from simulator.storage.folders import check_writable

    check_sigmf()
    if request.csv is not None:
        check_writable(request.csv.parent, option="--csv")
    recording = read_recording(request.file)
    transmission = _told(request, recording)
    scheme, dataset = _receiver(request, transmission)
    output = recorded(request.file, recording, transmission, snr_db=request.snr_db)
    reception = decoded(scheme, output, transmission, image_shape=dataset.image_shape)
    table = table_of(reception, transmission, dataset.classes)
    offset = output.sync.offset * recording.sample_rate
    click.echo(
        f"frame at sample {output.sync.start}: frequency offset {offset:+.1f} Hz, gain "
        f"{output.gain_db:.1f} dB, SNR {output.snr_db:.1f} dB"
    )
    shown = table[["image", "class", "delivered", "snr_db"]].head(SHOWN)
    click.echo(shown.to_string(index=False, float_format=lambda value: f"{value:.1f}"))
    if len(table) > SHOWN:
        click.echo(f"... and {len(table) - SHOWN} more")
    if request.csv is not None:
        write_table(request.csv, table)
        click.echo(f"table:   {request.csv}")
    if dataset.key == transmission.data:
        _tell_accuracy(reception, dataset)


def _told(request: ReadRequest, recording: "Recording") -> "Transmission":
    """The description of the transmission: from --sent, or else from the recording itself."""
    from simulator.radio.recording import read_meta
    from simulator.radio.transmission import transmission_of

    if request.sent is None:
        return transmission_of(request.file, recording.fields, recording.annotations)
    meta = read_meta(request.sent)
    return transmission_of(request.sent, meta["global"], meta["annotations"])


def _receiver(request: ReadRequest, told: "Transmission") -> "tuple[Scheme, Dataset]":
    """The scheme, with the weights of the transmitter. Raises: UserError if they differ."""
    import torch

    from simulator.resolve import recipe_named, weights_of

    experiment = recipe_named(told.recipe, student=request.student).decoding_all()
    dataset = load_dataset_with_notes(experiment, request.data, request.resize)
    found = weights_of(experiment, dataset, request.weights, torch.device("cpu"))
    scheme, hashes = _built(found.experiment, found.weights, told.scheme)
    if changed := sorted(own for own in told.weights if hashes.get(own) != told.weights[own]):
        raise UserError(
            f"{request.file} was sent with other weights than those of {found.weights.folder} "
            f"({', '.join(changed)}); name theirs with --weights"
        )
    return scheme, dataset


def _tell_accuracy(reception: "Reception", dataset: "Dataset") -> None:
    """Print the accuracy on the recipe's first test images."""
    from simulator.statistics.intervals import accuracy_interval
    from simulator.statistics.tally import Tally, outcome_codes

    scores, delivered, _ = reception.received
    labels = dataset.test.labels[: len(scores)]
    codes = outcome_codes(scores, labels, delivered).numpy()
    right = Tally.of([codes], num_classes=scores.shape[1]).credits_of_images
    low, high = accuracy_interval(right)
    click.echo(
        f"accuracy: {right.mean():.1%} of {len(labels)} images, 95 % interval {low:.1%} to "
        f"{high:.1%}"
    )


for own in (write, simulate, read):
    _iq.add_command(own.click)
iq = Group(_iq)
