"""Sections (a), (b), (c) and (g): networks in our engine and elsewhere, and their limits.

Images and the weights of `rkd_sc` are random, because speed does not depend on them. Deep JSCC of
images has the committed weights of CIFAR-100, and PSNRs are on its test images with --data.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.recipes.cifar100 import cifar100
from benchmarks.speed.table import (
    REALIZATIONS,
    SNR_DB,
    TRANSMISSIONS,
    Row,
    Size,
    announced,
    of_several,
    rate,
    single,
)
from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.equalize import zero_forcing
from channels.streams import PointStreams, Streams
from channels.symbols import from_symbols
from models import CatConfig, DeepJsccImage, DeepJsccImageConfig, PooledCnnConfig
from simulator.data.dataset import Split, load_dataset
from simulator.device import Precision, autocast
from simulator.engine.evaluate import (
    BLOCK,
    Evaluator,
    Loaded,
    Setting,
    blocks_of,
    prepare_all,
)
from simulator.engine.grid import Point, Task, tasks_of
from simulator.measures.sizes import macs
from simulator.resolve import first_images
from simulator.scheme import Received, Scheme, Tensors, all_delivered
from simulator.schemes.image import ImageJsccConfig, ImageJsccScheme
from simulator.schemes.rkd_sc import RkdScheme
from simulator.statistics.intervals import Z
from simulator.storage.environment import REFERENCE
from simulator.storage.files import load_tensors
from simulator.training.loop import fresh

CPU = torch.device("cpu")
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
EAGER = tuple(Setting(0, CPU, precision) for precision in PRECISIONS)
COMPILED = tuple(setting._replace(compiled=True) for setting in EAGER)
KAIRA = Path(__file__).with_name("kaira_side.py")
TRAINED = REFERENCE / "cifar100/weights/deep_jscc_image_k256.safetensors"

MATRIX_OPS = ("mm", "addmm", "bmm", "baddbmm", "convolution", "scaled_dot_product", "linear")
SIDE = 512  # of the matrices for the peak: three of them fit in the cache of a core
PRODUCTS = 50  # per measurement
PEAK = "multiply-accumulates per core-second"


class ImageJscc(ImageJsccScheme):
    """Deep JSCC of images without a classifier: the scores are the means of the received image.

    Unlike in a sweep, the receiver only divides by the gain, as Kaira's does.
    """

    def __init__(self, model: DeepJsccImage) -> None:
        config = cifar100().one(ImageJsccConfig)
        super().__init__(config.name, {256: model}, config, size=(32, 32), readers={})
        self.model = model

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Rebuild images, and return their means in place of scores."""
        del k
        images = self.arrived(encoded, channel, snr_db, streams("channel"))
        return Received(images.mean(dim=(2, 3)), all_delivered(images))

    def arrived(
        self, encoded: Tensors, channel: Channel, snr_db: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The rebuilt images [B, 3, 32, 32]."""
        received = channel(encoded["x"], snr_db=snr_db, generator=generator)
        return self.model.decode(from_symbols(zero_forcing(received)), height=32, width=32)


def rkd_sc() -> RkdScheme:
    """CAT-64 over D = 512, K = 256, behind a student of 1.2 million parameters."""
    body = PooledCnnConfig(stem=24, widths=(64, 160, 224), projected_dim=512)
    cat = CatConfig(
        feature_dim=512,
        max_uses=256,
        tokens=16,
        width=64,
        blocks=2,
        heads=4,
        mlp_ratio=2,
        use_snr=True,
    )

    student = fresh(lambda: body.build(image_channels=3), seed=0).eval()
    codec = fresh(cat.build, seed=1).eval()
    head = fresh(lambda: nn.Linear(512, 100), seed=2).eval()
    return RkdScheme(student=student, codec=codec, head=head)


def image_jscc() -> ImageJscc:
    """The network of Bourtsoulatze with c = 8, trained: 143 thousand parameters.

    Its weights are in channels-last order, so that convolutions on a CPU need not reorder their
    inputs and outputs.
    """
    config = DeepJsccImageConfig(bottleneck=8)
    model = fresh(lambda: config.build(image_channels=3), seed=0).eval()
    model.load_state_dict(load_tensors(TRAINED)[0])
    return ImageJscc(model.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def pictures(count: int) -> Split:
    """Random images and labels."""
    generator = Streams(seed=0)("pictures")
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return Split(images=images, labels=torch.zeros(count, dtype=torch.int64))


def engine_of(scheme: Scheme, split: Split, setting: Setting) -> Evaluator:
    """The engine with a prepared scheme, compiled if the setting says so."""
    blocks = [*blocks_of(prepare_all(scheme, split, setting))]
    return Evaluator(lambda _: Loaded(scheme, blocks.__getitem__), split.labels, setting)


def prepared_images(scheme: Scheme, split: Split, setting: Setting) -> int:
    """Prepare the images; return their number, including the padding of the last block."""
    return len(next(iter(prepare_all(scheme, split, setting).values())))


def in_engine(evaluator: Evaluator, scheme: Scheme, k: int, channel: str = "awgn") -> int:
    """Sweep ten SNRs with the engine; return the number of transmissions."""
    sent = 0
    for snr_db in SNR_DB:
        for task in tasks_of(Point(scheme.name, channel, snr_db, k), range(REALIZATIONS)):
            sent += sum(len(unit.codes) for unit in evaluator(task))
    return sent


@torch.inference_mode()
def in_plain_loop(scheme: Scheme, k: int, setting: Setting, split: Split) -> int:
    """Compute one realisation of these points, encoding every image anew for each point.

    Returns the number of transmissions.
    """
    sent = 0
    for snr_db in SNR_DB:
        streams = PointStreams(Streams(seed=0), "plain", snr_db)
        for images in split.images.split(256):
            point = {"channel": AwgnChannel(), "snr_db": torch.full((len(images), 1), snr_db)}
            with autocast(setting.device, setting.precision):
                prepared = scheme.prepare(images.float() / 255)
                encoded = scheme.encode(prepared, **point, k=k)  # type: ignore[arg-type]
                scheme.transmit(encoded, **point, k=k, streams=streams)  # type: ignore[arg-type]
            sent += len(images)
    return sent


def networks() -> tuple[tuple[Scheme, int], ...]:
    """The schemes that are measured, with their k."""
    return (rkd_sc(), 64), (image_jscc(), 256)


def engine(size: Size) -> Iterator[Row]:
    """(a): both networks in our engine, in both precisions."""
    for scheme, k in networks():
        split = pictures(size.images if k == 64 else size.few)
        for setting in (*EAGER, *(COMPILED if k == 64 else ())):
            name = f"{scheme.name} k={k} {setting.networks}"
            few = Split(split.images[:250], split.labels[:250])
            prepare = partial(prepared_images, scheme, few, setting)
            run = partial(in_engine, engine_of(scheme, split, setting), scheme, k)
            run()  # warm
            unit = "images per core-second"
            encoded = rate("a", f"{name}, prepare", prepare, unit, repeats=size.repeats)
            points = rate("a", f"{name}, points", run, TRANSMISSIONS, repeats=size.repeats)
            yield from (encoded, points)
            yield with_prepare(name, points, encoded)


def with_prepare(name: str, points: Row, encoded: Row) -> Row:
    """The rate of points, including the preparation of every image."""
    shared = len(SNR_DB) * REALIZATIONS
    value, least, most = (
        1 / (1 / point + 1 / image / shared)
        for point, image in (
            (points.value, encoded.value),
            (points.least, encoded.least),
            (points.most, encoded.most),
        )
    )
    what = f"{name}, sweep of {shared} with prepare"
    return announced(Row("a", what, value, TRANSMISSIONS, least, most, points.repeats))


def plain_loop(size: Size) -> Iterator[Row]:
    """(b): the same networks in a plain loop that encodes anew for every point."""
    for scheme, k in networks():
        split = pictures(256 if k == 64 else size.few)
        for setting in EAGER:
            run = partial(in_plain_loop, scheme, k, setting, split)
            name = f"{scheme.name} k={k} {setting.precision}, plain loop"
            yield rate("b", name, run, TRANSMISSIONS, repeats=size.repeats)


def kaira(size: Size, python: Path, data: Path | None) -> Iterator[Row]:
    """(c): deep JSCC of images in Kaira, run by a separate interpreter, and the PSNR of both."""
    split = pictures(size.few) if data is None else first_images(load_dataset(data).test, size.few)
    scheme = image_jscc()
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        weights = [p.detach().numpy() for p in scheme.model.state_dict().values()]
        arrays = {f"weight{number:02}": array for number, array in enumerate(weights)}
        np.savez(given, images=split.images.numpy(), snr_db=np.array(SNR_DB), **arrays)
        command = [str(python), str(KAIRA), str(given), str(size.repeats)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{python} cannot run Kaira: {done.stderr[-500:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    yield of_several("c", f"Kaira {found['version']} fp32", found["rates"], TRANSMISSIONS)
    for precision in PRECISIONS:
        own = [psnr(scheme, split, snr_db, Setting(0, CPU, precision)) for snr_db in SNR_DB]
        for snr_db, ours, theirs in zip(SNR_DB, own, found["psnr"], strict=True):
            mean, half = float(ours.mean()), Z * float(ours.std()) / len(ours) ** 0.5
            name = f"PSNR at {snr_db:g} dB"
            yield Row("c", f"{name}, ours {precision}", mean, "dB", mean - half, mean + half, 1)
            if precision == "fp32":
                yield Row("c", f"{name}, Kaira", theirs, "dB", theirs, theirs, 1)


@torch.inference_mode()
def psnr(scheme: ImageJscc, split: Split, snr_db: float, setting: Setting) -> Tensor:
    """PSNR in dB of every image, [N]."""
    channel, generator, found = AwgnChannel(), Streams(seed=0)("psnr", snr_db), []
    for pixels in split.images.split(250):
        sent, snr = pixels.float() / 255, torch.full((len(pixels), 1), snr_db)
        with autocast(setting.device, setting.precision):
            encoded = scheme.encode(scheme.prepare(sent), channel=channel, snr_db=snr, k=256)
            images = scheme.arrived(encoded, channel, snr, generator)
        found.append(-10 * (images - sent).square().mean(dim=(1, 2, 3)).log10())
    return torch.cat(found)


def shares(size: Size) -> Iterator[Row]:
    """(g): the measured rates, and the limits set by the peak rate of matrix products."""
    peaks = {precision: peak(precision, repeats=size.repeats) for precision in PRECISIONS}
    yield from peaks.values()
    for scheme, k in networks():
        count = macs_per_transmission(engine_of(scheme, pictures(BLOCK), EAGER[0]), scheme, k)
        yield single("g", f"{scheme.name}, multiply-accumulates per transmission", count, "")
        split = pictures(2 * BLOCK if size.repeats > 1 else BLOCK)
        for setting in (*EAGER, *(COMPILED if k == 64 else ())):
            run = partial(in_engine, engine_of(scheme, split, setting), scheme, k)
            run()  # warm
            name = f"{scheme.name} {setting.networks}"
            limit = peaks[setting.precision].value / count
            measured = rate("g", f"{name}, measured", run, TRANSMISSIONS, repeats=size.repeats)
            share = share_outside(run)
            inside = measured.value / (1 - share)  # profiles are in wall seconds, shares are not
            yield measured
            yield single("g", f"{name}, share outside matrix products", share, "")
            yield single("g", f"{name}, inside matrix products now", inside, TRANSMISSIONS)
            yield single("g", f"{name}, limit at the measured peak", limit, TRANSMISSIONS)
            yield single("g", f"{name}, left to gain", limit / measured.value, "times")


@torch.inference_mode()
def peak(precision: str, *, repeats: int) -> Row:
    """Rate at which one thread multiplies two square matrices that stay in its cache."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b, product = (torch.ones(SIDE, SIDE, dtype=dtype) for _ in range(3))

    def multiplied() -> int:
        for _ in range(PRODUCTS):
            torch.mm(a, b, out=product)
        return PRODUCTS * SIDE**3

    multiplied()  # warm
    return rate("g", f"peak of matrix products {precision}", multiplied, PEAK, repeats=repeats)


def macs_per_transmission(evaluator: Evaluator, scheme: Scheme, k: int) -> float:
    """Multiply-accumulates of decoding, and of encoding, which all draws of a task share."""
    task = Task(Point(scheme.name, "awgn", 0.0, k), tuple(range(REALIZATIONS)))
    sent: list[int] = []
    total = macs(lambda: sent.extend(len(unit.codes) for unit in evaluator(task)))
    return total / sum(sent)


def share_outside(run: Callable[[], object]) -> float:
    """The share of the time in operators that is not spent in products of matrices."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    times = {event.key: event.self_cpu_time_total for event in found.key_averages()}
    matrices = sum(time for key, time in times.items() if any(op in key for op in MATRIX_OPS))
    return 1 - float(matrices / sum(times.values()))
