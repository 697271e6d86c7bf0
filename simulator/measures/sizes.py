"""Teacher and students side by side: size, cost, accuracy, and retention of the teacher's."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from channels.awgn import AwgnChannel
from models import ChannelCodec
from models.blocks import parameter_count
from simulator.data.dataset import Split, to_float
from simulator.device import cpu_threads
from simulator.engine.evaluate import BLOCK
from simulator.engine.grid import Grid, plan
from simulator.engine.run import sweep_here
from simulator.schemes.experiment import Experiment
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.statistics.intervals import Estimate, accuracy_interval
from simulator.statistics.paired import paired_ratio
from simulator.statistics.tally import Credits
from simulator.training.weights import Weights

LINK_SNR_DB = 24.0
WARM_UP, RUNS = 3, 15  # calls before timing, and timed calls


class Row(NamedTuple):
    """One network: its parts, and how it encodes and classifies images."""

    name: str
    encoder: nn.Module
    encode: Callable[[Tensor], Tensor]  # features; of mirror images too if these are used
    codec: ChannelCodec | None
    classify: Callable[[Tensor], Tensor]


def size_table(
    experiment: Experiment, weights: Weights, test: Split, *, realizations: int, seed: int
) -> pd.DataFrame:
    """One row for the teacher if its weights exist, one for every trained student.

    Columns: parameters of encoder, transmitter (encoder and TX codec) and both ends; MACs of
    encoder and TX codec; CPU ms of the encoder per image, singly and in a batch of 64 (teachers
    that also classify mirror images run twice); accuracy without a channel, and through the codec
    at 24 dB on AWGN with k = K; both also as shares of the teacher's accuracy (retention), with
    paired intervals.
    """
    table: list[dict[str, Any]] = []
    taught: Credits | None = None
    if teacher := teacher_row(weights):
        taught = right_answers(teacher.classify, test)
        table.append(clean_entry(teacher, test, right=taught, teacher=taught))
    for name, config in _links(experiment, weights).items():
        body, link = config.modules(weights)
        classifier = weights.classifier(config.student_parts(weights.recipe), config.student)
        row = Row(name, body, body, link.codec, classifier.classify)
        entry = clean_entry(row, test, right=right_answers(row.classify, test), teacher=taught)
        through = _through(config, weights, test, realizations, seed)
        entry |= _accuracy("link_accuracy", through)
        table.append(entry | _retention("link_retention", through, taught))
    return pd.DataFrame(table)


def _links(experiment: Experiment, weights: Weights) -> dict[str, RkdScConfig]:
    """A scheme for each trained student, by its name: the recipe's own and those of ablations."""
    own, recipe = experiment.one(RkdScConfig), weights.recipe
    found = {own.student_parts(recipe).student.name: own}
    for config in experiment.ablations.values():
        if isinstance(config, RkdScConfig) and config.student:
            parts = config.student_parts(recipe)
            if weights.has(*parts, config.codec_part(recipe)):
                found[parts.student.name] = config
    return found


def teacher_row(weights: Weights) -> Row | None:
    """The offline teachers as one network; None if weights are missing."""
    teacher = weights.teacher()
    if teacher is None:
        return None
    outputs = weights.mirrored(teacher)
    encode, classify = (lambda x: outputs(x).features), (lambda x: outputs(x).scores)
    return Row("teacher", teacher.body, encode, None, classify)


def clean_entry(
    row: Row, test: Split, *, right: Credits, teacher: Credits | None
) -> dict[str, Any]:
    """The cost of a network, and its accuracy and retention without a channel."""
    entry = {**_size(row, test.images[:64]), **_accuracy("accuracy", right)}
    return entry | _retention("retention", right, teacher)


def _size(row: Row, images: Tensor) -> dict[str, Any]:
    batch, encoder = to_float(images), parameter_count(row.encoder)
    return {
        "name": row.name,
        "encoder_parameters": encoder,
        "encoder_macs": macs(lambda: row.encode(batch[:1])),
        **(_codec_size(row.codec, encoder) if row.codec else {}),
        "cpu_ms_alone": round(cpu_ms(row.encode, batch[:1]), 3),
        "cpu_ms_batch64": round(cpu_ms(row.encode, batch), 3),
    }


def _codec_size(codec: ChannelCodec, encoder: int) -> dict[str, int]:
    assert isinstance(codec.encoder, nn.Module)
    assert isinstance(codec.decoder, nn.Module)
    tx, rx = parameter_count(codec.encoder), parameter_count(codec.decoder)
    features = torch.zeros(1, codec.config.feature_dim)
    snr_db, uses = torch.zeros(1, 1), torch.full((1, 1), codec.config.max_uses)
    return {
        "tx_parameters": encoder + tx,
        "both_ends_parameters": encoder + tx + rx,
        "tx_codec_macs": macs(lambda: codec.encoder(features, snr_db=snr_db, uses=uses)),
    }


@torch.inference_mode()
def right_answers(classify: Callable[[Tensor], Tensor], test: Split) -> Credits:
    """1 for every correctly classified image, else 0, [N]."""
    right = [
        classify(to_float(images)).argmax(dim=1) == labels
        for images, labels in zip(test.images.split(BLOCK), test.labels.split(BLOCK), strict=True)
    ]
    return torch.cat(right).double().numpy()


def _through(
    config: RkdScConfig, weights: Weights, test: Split, realizations: int, seed: int
) -> Credits:
    """Mean credit of every image, sent by the codec at 24 dB on AWGN."""
    scheme = config.build(weights)
    grid = Grid(
        channels=(AwgnChannel(),),
        snr_db=(LINK_SNR_DB,),
        channel_uses=(config.codec.model.max_uses,),
        realizations=realizations,
        seed=seed,
    )
    points, _ = plan([scheme], grid)
    cpu = torch.device("cpu")
    results = sweep_here([scheme], points, grid, test, cpu, num_classes=weights.dataset.num_classes)
    return results.tally(points[0]).credits_of_images


def _accuracy(name: str, credits_of: Credits) -> dict[str, float]:
    interval = accuracy_interval(credits_of)
    return {
        name: float(credits_of.mean()),
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
    }


def _retention(name: str, credits_of: Credits, teacher: Credits | None) -> dict[str, float]:
    if teacher is None or not teacher.any():
        return {}
    itself = credits_of is teacher
    ratio = Estimate(1, 1, 1) if itself else paired_ratio(credits_of, teacher)
    return {name: ratio.value, f"{name}_low": ratio.low, f"{name}_high": ratio.high}


@torch.inference_mode()
def macs(run: Callable[[], object]) -> int:
    """Multiply-accumulates of one call in convolutions, matrix products and attention."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops()) // 2


@torch.inference_mode()
def cpu_ms(run: Callable[[Tensor], object], batch: Tensor) -> float:
    """Milliseconds per image of the batch: median of 15 calls by one thread."""
    times = []
    with cpu_threads(1):
        for _ in range(WARM_UP + RUNS):
            start = time.perf_counter()
            run(batch)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[WARM_UP:]) / len(batch)
