"""How fast the simulator is: core-seconds, medians, and ratios measured in one run.

`python -m benchmarks.speed --out results/reference/speed` (about 10 minutes on two quiet
cores). Weights are random: speed does not depend on them. Rates are per core-second of one thread.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from channels.awgn import AwgnChannel
from channels.base import Channel
from channels.bit_pipe import qam_llr
from channels.equalize import mmse
from channels.ldpc import LayeredDecoder
from channels.streams import PointStreams, Streams, sionna_phy
from channels.symbols import from_symbols, to_symbols
from models import (
    CatCodec,
    CatConfig,
    DeepJsccImage,
    DeepJsccImageConfig,
    PooledCnn,
    PooledCnnConfig,
)
from simulator.data import Split
from simulator.evaluate import BLOCK, Evaluator, Setting, prepare_all
from simulator.link import Received, RkdScheme, Scheme, Tensors, in_pieces
from simulator.points import Point, tasks_of
from simulator.records import environment, write_json, write_table
from simulator.train import fresh

IMAGES, REALIZATIONS, REPEATS = 5000, 5, 3
SNR_DB = tuple(float(snr) for snr in range(-6, 14, 2))
SWEEP = (sys.executable, "-m", "simulator", *["sweep", "digits", "--schemes", "rkd_sc", "--fresh"])
CPU = torch.device("cpu")
MATRIX_OPS = ("mm", "addmm", "bmm", "baddbmm", "convolution", "scaled_dot_product", "linear")


@dataclass(frozen=True)
class Row:
    """One measured number."""

    what: str
    value: float
    unit: str
    least: float
    most: float
    repeats: int


class ImageJscc:
    """Deep JSCC of images; what counts here is the image that arrives, the scores are its means."""

    name, version, channel_uses = "deep_jscc_image", 1, "k = 256"

    def __init__(self, model: DeepJsccImage) -> None:
        self._model = model

    def serves(self, k: int) -> bool:
        """Only the k of the network."""
        return k == 256

    def settings(self, k: int) -> str:
        """Nothing to say."""
        return f"k = {k}"

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensors:
        """Values [B, 2k]."""
        return {"values": in_pieces(self._model.encode, images)}

    @torch.inference_mode()
    def encode(self, prepared: Tensors, **_: object) -> Tensors:
        """Symbols [B, k]."""
        return {"x": to_symbols(prepared["values"])}

    @torch.inference_mode()
    def transmit(
        self, encoded: Tensors, *, channel: Channel, snr_db: Tensor, k: int, streams: PointStreams
    ) -> Received:
        """Images, and their means in place of scores."""
        del k
        received = channel(encoded["x"], snr_db=snr_db, generator=streams("channel"))
        images = self._model.decode(from_symbols(mmse(received)), height=32, width=32)
        return Received(images.mean(dim=(2, 3)), torch.ones(len(images), dtype=torch.bool))


def rkd_sc() -> RkdScheme:
    """CAT-64 over D = 512, K = 256, behind a student of 1.2 million parameters."""

    def parts() -> tuple[PooledCnn, CatCodec, nn.Linear]:
        student = PooledCnnConfig(stem=24, widths=(64, 160, 224), projected_dim=512)
        codec = CatConfig(
            feature_dim=512,
            max_uses=256,
            tokens=16,
            width=64,
            blocks=2,
            heads=4,
            mlp_ratio=2,
            use_snr=True,
        )
        return student.build(image_channels=3), codec.build(), nn.Linear(512, 100)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        student, codec, head = parts()
    return RkdScheme(student=student.eval(), codec=codec.eval(), head=head)


def image_jscc() -> ImageJscc:
    """The network of Bourtsoulatze with c = 8: 143 thousand parameters."""
    config = DeepJsccImageConfig(bottleneck=8)
    return ImageJscc(fresh(lambda: config.build(image_channels=3), seed=0).eval())


def pictures(count: int = IMAGES) -> Split:
    """Random images and labels."""
    generator = Streams(seed=0)("pictures")
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return Split(images=images, labels=torch.zeros(count, dtype=torch.int64))


def in_engine(scheme: Scheme, k: int, precision: str, split: Split) -> int:
    """A sweep over ten SNRs as the engine does it; how many transmissions."""
    setting = Setting(0, CPU, precision)
    evaluator = Evaluator(
        lambda _: (scheme, prepare_all(scheme, split, setting)), split.labels, setting
    )
    sent = 0
    for snr_db in SNR_DB:
        for task in tasks_of(Point(scheme.name, "awgn", snr_db, k), range(REALIZATIONS)):
            sent += sum(len(unit.codes) for unit in evaluator(task))
    return sent


@torch.inference_mode()
def in_plain_loop(scheme: Scheme, k: int, precision: str, split: Split) -> int:
    """The same sweep, every image encoded anew for every point and realisation."""
    sent = 0
    for snr_db in SNR_DB:
        for realization in range(REALIZATIONS):
            streams = PointStreams(Streams(seed=0), "plain", snr_db, realization)
            for images in split.images.split(256):
                point = {"channel": AwgnChannel(), "snr_db": torch.full((len(images), 1), snr_db)}
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                    prepared = scheme.prepare(images.float() / 255)
                    encoded = scheme.encode(prepared, **point, k=k)  # type: ignore[arg-type]
                    scheme.transmit(encoded, **point, k=k, streams=streams)  # type: ignore[arg-type]
                sent += len(images)
    return sent


def rate(what: str, run: Callable[[], int], unit: str, *, repeats: int = REPEATS) -> Row:
    """So many per core-second: median, least and most of some runs."""
    rates = []
    for _ in range(repeats):
        start = time.process_time()
        count = run()
        rates.append(count / (time.process_time() - start))
    row = Row(what, median(rates), unit, min(rates), max(rates), repeats)
    print(f"{row.what}: {row.value:,.0f} {row.unit} ({row.least:,.0f} to {row.most:,.0f})")
    return row


def schemes() -> Iterator[Row]:
    """(a) and (b): transmissions per core-second."""
    split, unit = pictures(), "transmissions per core-second"
    few = Split(split.images[:1000], split.labels[:1000])
    for scheme, k in ((rkd_sc(), 64), (image_jscc(), 256)):
        for precision in ("fp32", "bf16"):
            name = f"{scheme.name} k={k} {precision}"
            in_engine(scheme, k, precision, Split(split.images[:BLOCK], split.labels[:BLOCK]))
            yield rate(
                f"{name}, engine",
                partial(in_engine, scheme, k, precision, split),
                unit,
            )
            yield rate(
                f"{name}, plain loop",
                partial(in_plain_loop, scheme, k, precision, few),
                unit,
            )


def ldpc() -> Iterator[Row]:
    """(d): information bits of LDPC (512, 1024), 16-QAM, at a block error rate of about 1e-2."""
    phy = sionna_phy()
    code = phy.fec.ldpc.LDPC5GEncoder(
        k=512, n=1024, num_bits_per_symbol=4, precision="single", device="cpu"
    )
    blocks, noise_power, stream = 4000, 10**-0.69, Streams(seed=0)("ldpc")
    bits = torch.randint(0, 2, (blocks, 512), generator=stream).float()
    x = phy.mapping.Mapper("qam", 4, precision="single", device="cpu")(code(bits).to(torch.uint8))
    w = torch.randn((2, *x.shape), generator=stream) * (noise_power / 2) ** 0.5
    llr = qam_llr(
        x + torch.complex(w[0], w[1]),
        noise_power=torch.full((blocks, 1), noise_power),
        bits_per_symbol=4,
    )
    ours = LayeredDecoder(code)
    theirs = phy.fec.ldpc.LDPC5GDecoder(code, num_iter=20, precision="single", device="cpu")
    ours(llr[:10])
    for name, decoder, count in (("layered min-sum", ours, blocks), ("Sionna, 20", theirs, 1000)):
        wrong = (decoder(llr[:count]).to(torch.uint8) != bits[:count].to(torch.uint8)).any(dim=1)
        errors = float(wrong.double().mean())
        yield Row(f"LDPC {name}, block error rate", errors, "", errors, errors, count)
        yield rate(
            f"LDPC {name}",
            partial(decoded, decoder, llr[:count]),
            "information bits per core-second",
        )


def decoded(decoder: Callable[[Tensor], Tensor], llr: Tensor) -> int:
    """Information bits that were decoded."""
    return decoder(llr).numel()


def command(*arguments: str, folder: Path) -> tuple[float, float]:
    """Wall seconds and peak MB of a sweep of the digits, as a user starts it."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [*SWEEP, "--out", str(folder), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the sweep failed: {arguments}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def wall(folder: Path) -> Iterator[Row]:
    """(e) and (f): wall time and memory against points and images; two workers against one."""
    common = ["--channel-uses", "64", "--workers"]
    grids = {f"{n} points": ["--snr-db", f"0:{n / 2 - 0.5}:0.5"] for n in (4, 8, 16, 32)}
    grids |= {f"{n} images": ["--snr-db", "0:3.5:0.5", "--images", str(n)] for n in (125, 250)}
    for what, grid in grids.items():
        arguments = [*common, "1", "--realizations", "100", "--channels", "awgn", *grid]
        seconds, memory = command(*arguments, folder=folder)
        yield Row(f"wall, {what} x 100 realisations, one worker", seconds, "s", seconds, seconds, 1)
        yield Row(f"peak memory, {what} x 100 realisations", memory, "MB", memory, memory, 1)
    for workers in ("1", "2"):
        arguments = [*common, workers, "--realizations", "500", "--snr-db", "-10:20:2"]
        seconds, _ = command(*arguments, folder=folder)
        what = f"wall, 32 points x 500 realisations, {workers} workers"
        yield Row(what, seconds, "s", seconds, seconds, 1)


def shares() -> Iterator[Row]:
    """(g): the share of time outside matrix products, and what these alone would allow."""
    scheme, split = rkd_sc(), pictures(1000)
    for precision in ("fp32", "bf16"):
        in_engine(scheme, 64, precision, split)
        with profile(activities=[ProfilerActivity.CPU]) as found:
            sent = in_engine(scheme, 64, precision, split)
        times = {event.key: event.self_cpu_time_total / 1e6 for event in found.key_averages()}
        matrices = sum(t for key, t in times.items() if any(op in key for op in MATRIX_OPS))
        share = 1 - matrices / sum(times.values())
        yield Row(f"rkd_sc {precision}, share outside matrix products", share, "", share, share, 1)
        limit = sent / matrices
        yield Row(
            f"rkd_sc {precision}, matrix products alone",
            limit,
            "transmissions per core-second",
            limit,
            limit,
            1,
        )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/runs/speed"))
    parser.add_argument("--only", choices=["schemes", "ldpc", "wall", "shares"])
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "schemes": schemes,
        "ldpc": ldpc,
        "shares": shares,
        "wall": partial(wall, options.out / "sweep"),
    }
    chosen = [options.only] if options.only else list(parts)
    rows = [asdict(row) for name in chosen for row in parts[name]()]
    write_table(options.out / "speed.csv", pd.DataFrame(rows))
    write_json(options.out / "run.json", {"environment": environment(CPU)})
    print(pd.DataFrame(rows).to_string())


if __name__ == "__main__":
    main()
