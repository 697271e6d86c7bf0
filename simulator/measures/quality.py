"""Quality of decoded images: PSNR and SSIM at every point of a sweep whose scheme decodes images.

An image in outage counts as a black one.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from simulator.device import autocast, cpu_threads
from simulator.engine.evaluate import BLOCK, Prepared, blocks_of, image_blocks, prepare_all
from simulator.engine.grid import Point, Unit, unit_streams
from simulator.engine.sweep import Sweep
from simulator.errors import UserError
from simulator.progress import progress
from simulator.statistics.intervals import mean_interval
from simulator.storage.folders import QUALITY

COLUMNS = [f"{name}{end}" for name in QUALITY for end in ("", "_low", "_high")]


def check_quality() -> None:
    """Raises: UserError if torchmetrics, which computes SSIM, is not installed."""
    try:
        import torchmetrics  # noqa: F401
    except ImportError:
        raise UserError("--quality needs torchmetrics: pip install 'semlink[quality]'") from None


def image_quality(sweep: Sweep, realizations: Mapping[Point, int]) -> pd.DataFrame:
    """A row of `COLUMNS` for each point, empty if the scheme reconstructs no image.

    The transmissions are those of the sweep. Each value is the mean over images of their mean over
    realisations, with a 95 % interval for the mean over other images.
    """
    rows, prepared = [], dict[str, Prepared]()
    with cpu_threads(1):
        for point in progress(realizations, desc="image quality", unit="point"):
            if point.scheme not in prepared:
                scheme = sweep.built[point.scheme].scheme
                prepared = {point.scheme: prepare_all(scheme, sweep.test, sweep.setting)}
            units = [Unit(point, r) for r in range(realizations[point])]
            rows.append(_row(sweep, prepared[point.scheme], units))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(sweep: Sweep, prepared: Prepared, units: list[Unit]) -> dict[str, float]:
    found = []
    for unit in units:
        own = _of_unit(sweep, prepared, unit)
        if own is None:
            return {}
        found.append(own)
    values = torch.stack(found).mean(dim=0)  # [N, 2]
    row: dict[str, float] = {}
    for name, own in zip(QUALITY, values.T.numpy(), strict=True):
        row[name] = float(own.mean())
        if len(own) > 1:
            row[f"{name}_low"], row[f"{name}_high"] = mean_interval(own)
    return row


@torch.inference_mode()
def _of_unit(sweep: Sweep, prepared: Prepared, unit: Unit) -> Tensor | None:
    """PSNR and SSIM of every image [N, 2]; None if the scheme reconstructs none."""
    device, point = sweep.setting.device, unit.point
    channel, k = sweep.placed(point)
    snr_db = torch.full((BLOCK, 1), point.snr_db, device=device)
    link: dict[str, Any] = {"channel": channel, "snr_db": snr_db, "k": k}
    scheme = sweep.built[point.scheme].scheme
    streams = unit_streams(unit, channel, sweep.setting.seed, data_uses=k)
    found = []
    blocks = zip(image_blocks(sweep.test.images, device), blocks_of(prepared), strict=True)
    for sent, own in blocks:
        with autocast(device, sweep.setting.precision):
            received = scheme.transmit(scheme.encode(own, **link), **link, streams=streams)
        images = scheme.rebuilt_images(own, received, **link)
        if images is None:
            return None
        if images.shape != sent.shape:
            raise UserError(
                f"{scheme.name} must rebuild images of {list(sent.shape)}, got {list(images.shape)}"
            )
        images = torch.where(received.delivered[:, None, None, None], images, 0.0)
        found.append(torch.stack([psnr_db(images, sent), ssim(images, sent)], dim=1).cpu())
    return torch.cat(found)[: len(sweep.test.labels)]


def psnr_db(images: Tensor, sent: Tensor) -> Tensor:
    """PSNR of every image [B], in dB, at most 100; both are [B, C, H, W] in [0, 1].

    The peak is 1; the squared error is averaged over pixels and colour channels.
    """
    return -10 * (images - sent).square().mean(dim=(1, 2, 3)).clamp(min=1e-10).log10()


def ssim(images: Tensor, sent: Tensor) -> Tensor:
    """SSIM of every image [B], with a Gaussian window of 11x11, or of 7x7 in small images.

    Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment, IEEE Trans. Image Process. 13,
    2004, as torchmetrics computes it.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    found = structural_similarity_index_measure(
        images,
        sent,
        data_range=1.0,
        reduction="none",
        gaussian_kernel=min(images.shape[2:]) >= 11,
        kernel_size=7,
    )
    return torch.as_tensor(found)
