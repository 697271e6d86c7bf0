"""What a worker does: prepare a scheme on blocks of images, then compute the units of tasks.

Images are computed and noise is drawn in fixed blocks of 250 images in data order, the last one
padded, by one thread: the same numbers whatever the number of workers.
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
from simulator.engine.grid import Divisions, Task, Unit, placed, unit_streams
from simulator.engine.journal import Finished
from simulator.errors import UserError
from simulator.scheme import Scheme
from simulator.statistics.tally import outcome_codes

BLOCK = 250  # images computed and drawn at a time
Prepared = Mapping[str, Tensor]  # each [N, ...], of a block or of all, in whole blocks


class Loaded(NamedTuple):
    """A scheme, and what it prepares of every block of the images."""

    scheme: Scheme
    block: Callable[[int], Prepared]  # by the number of the block


class Preparation(NamedTuple):
    """Work that comes before the units of a scheme: what it prepares of one block."""

    scheme: str
    block: int


class Setting(NamedTuple):
    """What every unit of a sweep has in common."""

    seed: int
    device: torch.device
    precision: Precision = "fp32"  # or bf16, for the networks alone
    compiled: bool = False  # receivers that can be are compiled by torch.compile

    @property
    def networks(self) -> str:
        """How networks are computed, in words: what decides their last digits."""
        return f"{self.precision}, compiled" if self.compiled else self.precision


class Evaluator:
    """Computes the units of tasks; holds the scheme that it met last."""

    def __init__(
        self,
        load: Callable[[str], Loaded],
        labels: Tensor,
        setting: Setting,
        channel: Callable[[str], Channel] = channel_from_name,
        *,
        num_classes: int | None = None,  # None: scores are not checked
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
        """What a scheme prepares of a block, unless it is there."""
        self._loaded(work.scheme).block(work.block)

    def _loaded(self, name: str) -> Loaded:
        if self._name != name:
            self._held = self._load(name)
            self._name = name
            if self._setting.compiled:
                torch.compiler.reset()  # of another scheme: torch keeps a few compilations alone
                self._held.scheme.compile()
        return self._held

    @torch.inference_mode()
    def __call__(self, task: Task) -> list[Finished]:
        """The units of a task, from one pass of the encoder."""
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
        return finished

    def _check(self, scores: Tensor) -> None:
        """Raises: UserError unless there is a score for every class, each a number."""
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
    """The evaluator of this process, from what is in memory."""
    channel = {channel.name: channel for channel in channels}.__getitem__
    loaded = {  # what is prepared stays, so schemes may take turns
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
    """What a scheme prepares, of all images, filled up to whole blocks."""
    numbers = range(blocks_in(len(split.labels)))
    parts = [prepare_block(scheme, split, setting, number) for number in numbers]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@torch.inference_mode()
def prepare_block(scheme: Scheme, split: Split, setting: Setting, number: int) -> Prepared:
    """What a scheme prepares of one block of images."""
    with autocast(setting.device, setting.precision):
        return scheme.prepare(image_block(split.images, number, setting.device))


def blocks_in(images: int) -> int:
    """How many blocks so many images fill, the last one perhaps in part."""
    return -(-images // BLOCK)


def image_block(images: Tensor, number: int, device: torch.device) -> Tensor:
    """A block [250, C, H, W] in [0, 1]; the last one is filled up with black images."""
    chunk = images[number * BLOCK : (number + 1) * BLOCK]
    block = torch.zeros((BLOCK, *images.shape[1:]), device=device)
    block[: len(chunk)] = to_float(chunk.to(device))
    return block


def image_blocks(images: Tensor, device: torch.device) -> Iterator[Tensor]:
    """All blocks in order."""
    return (image_block(images, number, device) for number in range(blocks_in(len(images))))


def blocks_of(prepared: Prepared) -> Iterator[dict[str, Tensor]]:
    """Whole blocks of what was prepared."""
    images = len(next(iter(prepared.values())))
    for first in range(0, images, BLOCK):
        yield {name: values[first : first + BLOCK] for name, values in prepared.items()}
