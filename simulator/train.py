"""The training loop: one function, used by every stage of every scheme.

Checkpoints are written at the end of an epoch. Every random draw of an epoch comes from a stream
named by the stage and the epoch, so a checkpoint needs no generator state, and a resumed training
takes the very steps of an uninterrupted one (on the same device, with as many threads).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from channels.streams import Streams
from simulator.config import TrainConfig
from simulator.data import epoch_order
from simulator.errors import UserError
from simulator.records import load_tensors, save_tensors

Module = TypeVar("Module", bound=nn.Module)
BatchLoss = Callable[[Tensor], Tensor]  # indices of images [b] to a scalar loss


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one training needs besides its optimiser."""

    name: str
    model: nn.Module  # everything that is optimised
    config: TrainConfig
    num_images: int
    epoch: Callable[[int], BatchLoss]  # the loss of one epoch: its view, its streams
    validate: Callable[[], float]  # accuracy on the validation split
    rates: Mapping[str, float] = field(default_factory=dict)  # beginning of a parameter's name to
    # the factor on its learning rate; 1 where no name fits


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a stage keeps its state, and what that state belongs to."""

    path: Path
    key: str  # key of the origin; a checkpoint with another key is not used


def fresh(build: Callable[[], Module], *, seed: int) -> Module:
    """A model whose initial weights depend on `seed` alone; torch's global state is untouched."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def learning_rate_factor(progress: float, warmup: float) -> float:
    """Linear rise to 1 over the first `warmup` of the steps, then a half cosine to 0."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def train(stage: Stage, *, streams: Streams, checkpoint: Checkpoint) -> list[dict[str, float]]:
    """Train `stage.model` to the end, going on from the checkpoint if there is one.

    Returns the history: epoch, mean loss, validation accuracy. The checkpoint stays until the
    caller has kept the result and removes it.
    Raises: UserError when the loss is not finite; the last good checkpoint stays.
    """
    config = stage.config
    optimiser = _optimiser(stage.model, config, stage.rates)
    history = _resume(stage.model, optimiser, checkpoint)
    batch = min(config.batch_size, stage.num_images)
    steps, epochs = config.steps_on(stage.num_images), config.epochs_on(stage.num_images)
    bar = tqdm(total=epochs * steps * batch, desc=stage.name, unit="img", mininterval=0.5)
    bar.update(len(history) * steps * batch)
    for epoch in range(len(history), epochs):
        batch_loss = stage.epoch(epoch)
        generator = streams("order", stage.name, epoch)
        order = epoch_order(stage.num_images, generator=generator)
        total = 0.0
        stage.model.train()
        for step, indices in enumerate(order[: steps * batch].split(batch)):
            progress = (epoch * steps + step + 1) / (epochs * steps)
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * learning_rate_factor(progress, config.warmup)
            total += _step(stage, optimiser, batch_loss, indices)
            bar.update(batch)
        accuracy = stage.validate()
        history.append({"epoch": epoch + 1, "loss": total / steps, "validation": accuracy})
        bar.set_postfix(loss=f"{total / steps:.4f}", val=f"{100 * accuracy:.2f}%", refresh=False)
        _save(stage.model, optimiser, checkpoint, history)
    bar.close()
    stage.model.eval()
    return history


def _step(
    stage: Stage, optimiser: torch.optim.Optimizer, batch_loss: BatchLoss, indices: Tensor
) -> float:
    device = next(stage.model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=stage.config.precision == "bf16"):
        loss = batch_loss(indices.to(device))
    value = float(loss.detach())
    if not math.isfinite(value):
        raise UserError(
            f"stage {stage.name}: the loss is {value}; the last good checkpoint is kept: "
            "lower learning_rate in the recipe and run again"
        )
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(stage.model.parameters(), stage.config.clip)
    optimiser.step()
    return value


def _optimiser(
    model: nn.Module, config: TrainConfig, rates: Mapping[str, float]
) -> torch.optim.Optimizer:
    """Weight decay acts on weight matrices and kernels, not on biases, norms and positions."""
    grouped: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = next((r for begin, r in rates.items() if name.startswith(begin)), 1.0)
            decay = config.weight_decay if parameter.dim() > 1 else 0.0
            grouped.setdefault((rate, decay), []).append(parameter)
    groups = [
        {"params": own, "weight_decay": decay, "peak": rate * config.learning_rate}
        for (rate, decay), own in sorted(grouped.items(), key=lambda item: item[0], reverse=True)
    ]
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _save(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    checkpoint: Checkpoint,
    history: list[dict[str, float]],
) -> None:
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"optimiser/{index}/{name}"] = torch.as_tensor(value)
    save_tensors(checkpoint.path, tensors, {"key": checkpoint.key, "history": history})


def _resume(
    model: nn.Module, optimiser: torch.optim.Optimizer, checkpoint: Checkpoint
) -> list[dict[str, float]]:
    """Load model and optimiser; the history so far, empty when there is nothing to go on from."""
    if not checkpoint.path.exists():
        return []
    tensors, header = load_tensors(checkpoint.path)
    if header.get("key") != checkpoint.key:
        raise UserError(
            f"{checkpoint.path} belongs to another description, data or seed; "
            "remove it, add --fresh, or choose another --out"
        )
    model.load_state_dict(_below(tensors, "model/"))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _below(tensors, "optimiser/").items():
        index, _, key = name.partition("/")
        state.setdefault(int(index), {})[key] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    history: list[dict[str, Any]] = header["history"]
    return history


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
