"""How good the images are that `deep_jscc_image` rebuilds: PSNR and SSIM over SNR and k.

`python -m benchmarks.studies.image_quality cifar100 --data DIR` sends the test images as a sweep
would, with the same noise, and writes image_quality.csv: for each channel, k and SNR the mean over
images of PSNR (peak 1, squared error over all channels, in dB) and of SSIM (Wang et al. 2004,
Gaussian window of 11x11, as torchmetrics computes it; of 7x7 where an image has fewer than 11 rows
or columns), each with a 95 % interval for the mean over other images. Needs the extra `quality`.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pandas as pd
import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from channels.names import channel_from_name
from simulator.commands.options import WeightsRequest, command, option, run, seed_option
from simulator.data.dataset import Split
from simulator.engine.evaluate import image_blocks
from simulator.engine.grid import Point, Unit, plan, unit_streams
from simulator.parse import Realizations, parse_snr_db
from simulator.progress import progress
from simulator.resolve import grid_of
from simulator.scheme import Tensors
from simulator.schemes.image import ImageJsccConfig, ImageJsccScheme
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import check_writable

CPU = torch.device("cpu")


def quality(
    scheme: ImageJsccScheme, test: Split, points: list[Point], *, realizations: int, seed: int
) -> pd.DataFrame:
    """A row for each point."""
    rows = []
    blocks = [scheme.prepare(block) for block in image_blocks(test.images, CPU)]
    for point in progress(points, desc="image quality", unit="point"):
        found = torch.stack(
            [_of_unit(scheme, test, blocks, Unit(point, r), seed) for r in range(realizations)]
        ).mean(dim=0)  # [N, 2]
        mean, half = found.mean(dim=0), 1.96 * found.std(dim=0) / math.sqrt(len(found))
        row: dict[str, object] = {
            "scheme": point.scheme,
            "channel": point.channel,
            "snr_db": point.snr_db,
            "channel_uses": point.k,
            "bandwidth_ratio": round(point.k / test.images[0].numel(), 6),
            "images": len(found),
            "realizations": realizations,
        }
        for column, name in enumerate(("psnr_db", "ssim")):
            value, spread = float(mean[column]), float(half[column])
            row |= {name: value, f"{name}_low": value - spread, f"{name}_high": value + spread}
        rows.append(row)
    return pd.DataFrame(rows)


@torch.inference_mode()
def _of_unit(
    scheme: ImageJsccScheme, test: Split, blocks: list[Tensors], unit: Unit, seed: int
) -> Tensor:
    """PSNR and SSIM of every image, [N, 2]."""
    streams, found = unit_streams(unit, seed), []
    channel, k = channel_from_name(unit.point.channel), unit.point.k
    for sent, prepared in zip(image_blocks(test.images, CPU), blocks, strict=True):
        snr_db = torch.full((len(sent), 1), unit.point.snr_db)
        encoded = scheme.encode(prepared, channel=channel, snr_db=snr_db, k=k)
        images = scheme.images(encoded, channel=channel, snr_db=snr_db, k=k, streams=streams)
        found.append(torch.stack([psnr_db(images, sent), ssim(images, sent)], dim=1))
    return torch.cat(found)[: len(test.labels)]


def psnr_db(images: Tensor, sent: Tensor) -> Tensor:
    """PSNR of every image, [B]; both are [B, C, H, W] in [0, 1]. At most 100 dB."""
    return -10 * (images - sent).square().mean(dim=(1, 2, 3)).clamp(min=1e-10).log10()


def ssim(images: Tensor, sent: Tensor) -> Tensor:
    """SSIM of every image, [B]."""
    small = min(images.shape[2:]) < 11
    found = structural_similarity_index_measure(
        images,
        sent,
        data_range=1.0,
        reduction="none",
        gaussian_kernel=not small,
        kernel_size=7,
    )
    return torch.as_tensor(found)


@dataclass(frozen=True, kw_only=True)
class QualityRequest(WeightsRequest):
    """What is measured; the options are those of `semlink sweep`."""

    channels: tuple[str, ...] = option(default=("awgn", "rayleigh"), help="Where to send.")
    snr_db: tuple[float, ...] = option(
        default=parse_snr_db("-2:22:3"), show_default="-2:22:3", help="In dB."
    )
    channel_uses: tuple[int, ...] = option(
        default=(64, 256, 512), show_default="64,256,512", help="k."
    )
    realizations: int = option(default=1, help="Channel draws per image and point.")
    seed: int = seed_option("Seed of all channel draws.")
    out: Path = option(required=True, help="Folder to write to.")


def measure(request: QualityRequest) -> pd.DataFrame:
    """What the command does: check everything, measure, write; the table.

    Raises: UserError in one line for a user's mistake, before anything is written.
    """
    experiment = request.experiment()
    grid = grid_of(
        experiment.sweep,
        channels=request.channels,
        snr_db=request.snr_db,
        channel_uses=request.channel_uses,
        realizations=Realizations(request.realizations),
        seed=request.seed,
    )
    weights, test = request.loaded(experiment, CPU)
    scheme = experiment.one(ImageJsccConfig).build(weights)
    points, left_out = plan([scheme], grid)
    for line in left_out:
        print(f"image_quality: {line}", file=sys.stderr)
    check_writable(request.out)
    rows = quality(scheme, test, points, realizations=grid.realizations, seed=grid.seed)
    write_table(request.out / "image_quality.csv", rows)
    about = {"recipe": request.recipe, "seed": request.seed, "environment": environment(CPU)}
    write_json(request.out / "image_quality.json", about)
    return rows


@command(QualityRequest)
def image_quality(request: QualityRequest) -> None:
    """Measure how good the images are that deep_jscc_image rebuilds: PSNR and SSIM."""
    click.echo(measure(request).to_string(index=False))


def main() -> None:
    """The command."""
    run(image_quality.click, "image_quality")


if __name__ == "__main__":
    main()
