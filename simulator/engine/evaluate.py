"""The work of one worker: prepare a scheme on blocks of images, then compute the units of tasks.

Images are processed and noise is drawn in fixed blocks of 250 images in data order, the last one
padded, on one thread. The results therefore do not depend on the number of workers.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from channels.base import Channel
from channels.names import channel_from_name
from simulator.data.dataset import Split, to_float
from simulator.device import Precision, autocast
from simulator.engine.checked import Checked
from simulator.engine.grid import Divisions, Task, Unit, placed, unit_streams
from simulator.engine.journal import Finished
from simulator.errors import UserError
from simulator.scheme import Scheme
from simulator.statistics.tally import outcome_codes

BLOCK = 250  # images that are processed at a time
Prepared = Mapping[str, Tensor]  # tensors [N, ...] of one block or of all; N is a multiple of 250


class Loaded(NamedTuple):
    """A scheme, and the tensors that it prepares for each block of images."""

    scheme: Scheme
    block: Callable[[int], Prepared]  # from the number of the block


class Preparation(NamedTuple):
    """Work that comes before the units of a scheme: `Scheme.prepare` on one block."""

    scheme: str
    block: int


class Setting(NamedTuple):
    """The settings that all units of a sweep share."""

    seed: int
    device: torch.device
    precision: Precision = "fp32"  # or bf16, only for the networks
    compiled: bool = False  # whether receivers that support it are compiled by torch.compile

    @property
    def networks(self) -> str:
        """Precision and compilation in words; they affect the last digits of a network's output."""
        return f"{self.precision}, compiled" if self.compiled else self.precision


class Evaluator:
    """Computes the units of tasks. It holds only the scheme that it used last."""

    def __init__(
        self,
        load: Callable[[str], Loaded],
        labels: Tensor,
        setting: Setting,
        channel: Callable[[str], Channel] = channel_from_name,
        *,
        num_classes: int | None = None,  # None: any number of scores
        divisions: Divisions | None = None,
    ) -> None:
        self._load = load
        self._channel = channel
        self._labels = labels.to(setting.device)
        self._setting = setting
        self._num_classes = num_classes
        self._divisions = divisions or {}
        self._name = ""
        self._held: Loaded

    def prepare(self, work: Preparation) -> None:
        """Prepare a block of images for a scheme, unless that is done already."""
        self._loaded(work.scheme).block(work.block)

    def _loaded(self, name: str) -> Loaded:
        if self._name != name:
            self._held = self._load(name)
            self._name = name
            if self._setting.compiled:
                torch.compiler.reset()  # drops those of another scheme: torch keeps only a few
                self._held.scheme.compile()
        return self._held

    @torch.inference_mode()
    def __call__(self, task: Task) -> list[Finished]:
        """Compute the units of a task; the encoder runs once for all of them."""
        point, device = task.point, self._setting.device
        scheme, prepared = self._loaded(point.scheme)
        blocks = [prepared(number) for number in range(blocks_in(len(self._labels)))]
        channel, k = placed(point, self._channel(point.channel), self._divisions)
        snr_db = torch.full((BLOCK, 1), point.snr_db, device=device)
        start = time.process_time()
        with autocast(device, self._setting.precision):
            encoded = [
                scheme.encode(block, channel=channel, snr_db=snr_db, k=k) for block in blocks
            ]
        encoding = (time.process_time() - start) / len(task.realizations)
        finished = []
        for realization in task.realizations:
            start = time.process_time()
            unit = Unit(point, realization)
            streams = unit_streams(unit, channel, self._setting.seed, data_uses=k)
            codes = []
            for block, labels in zip(encoded, self._labels.split(BLOCK), strict=True):
                with autocast(device, self._setting.precision):
                    received = scheme.transmit(
                        block, channel=channel, snr_db=snr_db, k=k, streams=streams
                    )
                self._check(received.scores)
                own = slice(len(labels))
                codes.append(outcome_codes(received.scores[own], labels, received.delivered[own]))
            all_codes = torch.cat(codes).cpu().numpy().astype(np.uint8)
            finished.append(Finished(unit, all_codes, time.process_time() - start + encoding))
        if isinstance(scheme, Checked):
            scheme.check_power()
        return finished

    def _check(self, scores: Tensor) -> None:
        """Raises: UserError unless there is a finite score for every class."""
        if self._num_classes is not None and scores.shape != (BLOCK, self._num_classes):
            raise UserError(
                f"{self._name} must give scores [B, num_classes] = [{BLOCK}, {self._num_classes}], "
                f"got {list(scores.shape)}"
            )
        if not bool(torch.isfinite(scores).all()):
            raise UserError(
                f"scores of {self._name} must be finite, got nan or inf; semlink doctor measures "
                "what a channel of your own gives"
            )


def evaluator_here(
    schemes: Sequence[Scheme],
    channels: Sequence[Channel],
    split: Split,
    setting: Setting,
    *,
    num_classes: int,
    divisions: Divisions | None = None,
) -> Evaluator:
    """Return an evaluator for this process, from schemes and images in memory."""
    channel = {channel.name: channel for channel in channels}.__getitem__
    loaded = {  # prepared tensors are kept, so schemes may take turns
        scheme.name: Loaded(scheme, cache(partial(prepare_block, scheme, split, setting)))
        for scheme in schemes
    }
    return Evaluator(
        *(loaded.__getitem__, split.labels, setting, channel),
        num_classes=num_classes,
        divisions=divisions,
    )


@torch.inference_mode()
def prepare_all(scheme: Scheme, split: Split, setting: Setting) -> dict[str, Tensor]:
    """The tensors that a scheme prepares for all images, padded to whole blocks."""
    numbers = range(blocks_in(len(split.labels)))
    parts = [prepare_block(scheme, split, setting, number) for number in numbers]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@torch.inference_mode()
def prepare_block(scheme: Scheme, split: Split, setting: Setting, number: int) -> Prepared:
    """The tensors that a scheme prepares for one block of images."""
    with autocast(setting.device, setting.precision):
        return scheme.prepare(image_block(split.images, number, setting.device))


def blocks_in(images: int) -> int:
    """The number of blocks that hold this many images; the last one may be partly filled."""
    return -(-images // BLOCK)


def image_block(images: Tensor, number: int, device: torch.device) -> Tensor:
    """A block [250, C, H, W] in [0, 1]; the last one is padded with black images."""
    chunk = images[number * BLOCK : (number + 1) * BLOCK]
    block = torch.zeros((BLOCK, *images.shape[1:]), device=device)
    block[: len(chunk)] = to_float(chunk.to(device))
    return block


def image_blocks(images: Tensor, device: torch.device) -> Iterator[Tensor]:
    """All blocks in order."""
    return (image_block(images, number, device) for number in range(blocks_in(len(images))))


def blocks_of(prepared: Prepared) -> Iterator[dict[str, Tensor]]:
    """Split prepared tensors into blocks."""
    images = len(next(iter(prepared.values())))
    for first in range(0, images, BLOCK):
        yield {name: values[first : first + BLOCK] for name, values in prepared.items()}
