"""KDL-DARTS: architecture search with a distillation loss and a cost penalty, arXiv 2508.02148.

Weights are trained on half A of the images, the architecture on half B. A checkpoint at the end of
every epoch holds the weights, the architecture, both optimisers and the history. Every epoch has
its own named random streams, so a resumed search takes exactly the steps of an uninterrupted one.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from channels.streams import Streams
from simulator.data.augment import epoch_order
from simulator.device import autocast, native, stage_title
from simulator.errors import TimeUp, UserError
from simulator.progress import progress, skip
from simulator.search.config import BilevelConfig
from simulator.search.relaxed import Drawn, Relaxed
from simulator.storage.files import save_tensors
from simulator.training.loop import Checkpoint, below, load_optimiser, optimiser_tensors
from simulator.training.losses import TeacherTargets, distillation_loss


class Batch(NamedTuple):
    """Images [b, C, H, W] in [0, 1], labels [b], and the teacher's outputs for them."""

    images: Tensor
    labels: Tensor
    targets: TeacherTargets


Half = Literal["weights", "architecture"]
Take = Callable[[Tensor], Batch]  # indices of images [b] of a half to a batch
History = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class SearchTask:
    """Everything that a search needs, except for random streams and checkpoint."""

    name: str
    relaxed: Relaxed
    num_images: int  # in each half
    batches: Callable[[Half, int], Take]  # (half, epoch) to the batches of that epoch
    validation: Sequence[Batch]

    @property
    def config(self) -> BilevelConfig:
        """Settings of the search."""
        return self.relaxed.config

    @property
    def model(self) -> nn.Module:
        """The supernet."""
        return self.relaxed.model

    @property
    def batch_size(self) -> int:
        """Images in a batch."""
        return min(self.config.batch_size, self.num_images)

    @property
    def steps(self) -> int:
        """Steps per epoch; an incomplete last batch is left out."""
        return self.num_images // self.batch_size

    def loss(self, batch: Batch, drawn: Drawn) -> Tensor:
        """Distillation loss of a batch, with the drawn part of the supernet."""
        device = batch.images.device
        with autocast(device, native(device, self.config.precision)):
            features, scores = self.relaxed.run(batch.images, drawn)
        return distillation_loss(features, scores, batch.labels, batch.targets, self.config.loss)

    @torch.no_grad()
    def validate(self, drawn: Drawn) -> float:
        """Mean loss over the held-back images, with the drawn part of the supernet."""
        losses = [float(self.loss(own, drawn)) * len(own.labels) for own in self.validation]
        return sum(losses) / sum(len(batch.labels) for batch in self.validation)


@torch.no_grad()
def observe(task: SearchTask, epoch: int, losses: tuple[float, float]) -> dict[str, Any]:
    """History entry of an epoch that has just ended."""
    told = {"epoch": epoch + 1, "loss": losses[0], "upper_loss": losses[1]}
    return told | task.relaxed.observed(task.validate, epoch)


def shown(entry: dict[str, Any]) -> dict[str, str]:
    """Text behind the progress bar."""
    return {
        "loss": f"{entry['loss']:.3f}",
        "cost": f"{entry['expected_cost']:.4g}",
        "entropy": f"{entry['entropy']:.2f}",
        "genotype": entry["genotype"].replace('"', "").replace(" ", ""),
    }


class _Optimisers(NamedTuple):
    weights: torch.optim.Optimizer
    architecture: torch.optim.Optimizer


def search(
    task: SearchTask,
    *,
    streams: Streams,
    checkpoint: Checkpoint,
    log: Callable[[History], None] | None = None,
) -> History:
    """Run a search to its end, starting from the checkpoint if there is one.

    Returns the history, one entry per epoch: mean losses on both halves, and the entries of
    `Relaxed.observed`. Supernet and architecture are left as they are after the last epoch.
    Raises: UserError if the loss is not finite; TimeUp at the deadline.
    """
    optimisers = _optimisers(task)
    history = _resume(task, optimisers, checkpoint)
    images = task.steps * task.batch_size
    total, device = task.config.epochs * images, next(task.model.parameters()).device
    name = stage_title(task.name, device, task.config.precision)
    with progress(total=total, desc=name, unit="img", mininterval=0.5) as bar:
        skip(bar, len(history) * images)
        while not finished(history, task.config):
            losses = _run_epoch(task, optimisers, streams, len(history), bar)
            history = [*history, observe(task, len(history), losses)]
            bar.set_postfix(shown(history[-1]), refresh=False)
            _save(task, optimisers, checkpoint, history)
            if log is not None:
                log(history)
            if time.monotonic() > checkpoint.deadline and not finished(history, task.config):
                raise TimeUp
    return history


def finished(history: History, config: BilevelConfig) -> bool:
    """True after all epochs, or after `stable_epochs` epochs without a change of the genotype.

    Epochs of the warm-up do not count.
    """
    if len(history) >= config.epochs:
        return True
    settled = [entry["genotype"] for entry in history[config.first_epoch :]]
    settled = settled[-config.stable_epochs :]
    return len(settled) == config.stable_epochs and len(set(settled)) == 1


def _run_epoch(
    task: SearchTask, optimisers: _Optimisers, streams: Streams, epoch: int, bar: Any
) -> tuple[float, float]:
    """Run all steps of an epoch; return the mean loss on half A, and on half B (nan in warm-up)."""
    config, batch = task.config, task.batch_size
    halves: tuple[Half, Half] = ("weights", "architecture")
    takes = [task.batches(half, epoch) for half in halves]
    orders = [
        epoch_order(task.num_images, generator=streams("search order", half, epoch))
        for half in halves
    ]
    noise = streams("search noise", epoch)
    sums = [0.0, 0.0]
    learns = epoch >= config.first_epoch
    for step in range(task.steps):
        part = slice(step * batch, (step + 1) * batch)
        lower_batch = takes[0](orders[0][part])
        rate = _rate(config, (epoch * task.steps + step) / (config.epochs * task.steps))
        if learns:
            upper_batch = takes[1](orders[1][part])
            drawn = task.relaxed.draw(noise, epoch)
            sums[1] += _upper(task, optimisers, upper_batch, drawn)
        drawn = task.relaxed.draw(noise, epoch).detached()
        loss = task.loss(lower_batch, drawn)
        sums[0] += _finite(loss, task)
        _step_weights(task, optimisers.weights, loss, rate=rate)
        bar.update(batch)
    return sums[0] / task.steps, sums[1] / task.steps if learns else math.nan


def _upper(task: SearchTask, optimisers: _Optimisers, batch: Batch, drawn: Drawn) -> float:
    """One step of the architecture, with fixed weights (first-order DARTS).

    Returns the loss on half B, without the penalty.
    """
    loss = task.loss(batch, drawn)
    value = _finite(loss, task)
    loss = loss + task.config.penalty * task.relaxed.excess()
    alphas = list(task.relaxed.architecture.parameters())
    gradients = torch.autograd.grad(loss, alphas, materialize_grads=True)
    for alpha, gradient in zip(alphas, gradients, strict=True):
        alpha.grad = gradient
    optimisers.architecture.step()
    optimisers.architecture.zero_grad()
    return value


def _step_weights(
    task: SearchTask, optimiser: torch.optim.Optimizer, loss: Tensor, *, rate: float
) -> None:
    """One step of the weights, on half A."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(task.model.parameters(), task.config.clip)
    optimiser.step()


def _rate(config: BilevelConfig, progress: float) -> float:
    first, last = config.weights_rate
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * progress))


def _finite(loss: Tensor, task: SearchTask) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise UserError(
            f"search {task.name}: the loss must be a finite number, got {value}; the preset's "
            "learning rates are too high for these data"
        )
    return value


def _optimisers(task: SearchTask) -> _Optimisers:
    config = task.config
    return _Optimisers(
        torch.optim.SGD(
            task.model.parameters(),
            lr=config.weights_rate[0],
            momentum=0.9,
            weight_decay=config.weights_decay,
        ),
        torch.optim.Adam(
            task.relaxed.architecture.parameters(),
            lr=config.architecture_rate,
            betas=(0.5, 0.999),
            weight_decay=config.architecture_decay,
        ),
    )


def _save(
    task: SearchTask, optimisers: _Optimisers, checkpoint: Checkpoint, history: History
) -> None:
    tensors = {f"model/{name}": t for name, t in task.model.state_dict().items()}
    tensors |= {
        f"architecture/{name}": t for name, t in task.relaxed.architecture.state_dict().items()
    }
    tensors |= optimiser_tensors(optimisers.weights, "weights optimiser")
    tensors |= optimiser_tensors(optimisers.architecture, "architecture optimiser")
    save_tensors(checkpoint.path, tensors, {"key": checkpoint.key, "history": history})


def _resume(task: SearchTask, optimisers: _Optimisers, checkpoint: Checkpoint) -> History:
    """Load the checkpoint, if there is one; return the history so far."""
    if not checkpoint.path.exists():
        return []
    tensors, header = checkpoint.load()
    task.model.load_state_dict(below(tensors, "model/"))
    task.relaxed.architecture.load_state_dict(below(tensors, "architecture/"))
    load_optimiser(optimisers.weights, tensors, "weights optimiser")
    load_optimiser(optimisers.architecture, tensors, "architecture optimiser")
    history: History = header["history"]
    return history
