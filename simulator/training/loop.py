"""The training loop: one function, used by every stage of every scheme.

Checkpoints hold the model, the optimiser and the state of every random stream of the epoch. They
are written at the end of an epoch and every two minutes within it, so a resumed training takes the
very steps of an uninterrupted one (on the same device, with as many threads).
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from channels.streams import Streams
from simulator.data.augment import epoch_order
from simulator.description.stages import TrainConfig
from simulator.device import autocast, cpu_threads, native, told
from simulator.errors import TimeUp, UserError
from simulator.storage.files import load_tensors, save_tensors, write_table


def optimiser_tensors(optimiser: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """The state of every parameter, named PREFIX/INDEX/NAME."""
    return {
        f"{prefix}/{index}/{name}": torch.as_tensor(value)
        for index, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def load_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], prefix: str
) -> None:
    """Put back what `optimiser_tensors` gave; groups stay as they are."""
    state: dict[int, dict[str, Tensor]] = {}
    for path, value in below(tensors, f"{prefix}/").items():
        index, _, name = path.partition("/")
        state.setdefault(int(index), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


class TrainLog:
    """History of one part below a run's folder: `history/PART.csv` and `tensorboard/PART/`."""

    def __init__(self, folder: Path, part: str, *, images: int) -> None:
        self._csv = folder / "history" / f"{part}.csv"
        self._events = folder / "tensorboard" / part
        self._images = images  # per epoch
        self._writer: Any = None

    def write(self, history: Sequence[Mapping[str, float]], *, seconds: float) -> None:
        """The whole history so far, and the last epoch's scalars.

        `seconds` is how long the last epoch took in this process.
        """
        write_table(self._csv, pd.DataFrame(history))
        last = history[-1]
        writer = self._open(len(history))
        if writer is not None:
            for name in ("loss", "validation", "learning_rate"):
                writer.add_scalar(name, last[name], int(last["epoch"]))
            writer.add_scalar("images_per_second", self._images / seconds, int(last["epoch"]))
            writer.flush()

    def _open(self, epoch: int) -> Any:
        """TensorBoard's writer; epochs from this one on are overwritten. None without it."""
        if self._writer is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:  # pip install 'semlink[tensorboard]'
                return None
            writer = SummaryWriter(str(self._events), purge_step=epoch)
            self._writer = writer
        return self._writer


Module = TypeVar("Module", bound=nn.Module)
BatchLoss = Callable[[Tensor], Tensor]  # indices of images [b] to a scalar loss
CHECKPOINT_SECONDS = 120.0


class Epoch(NamedTuple):
    """One epoch: the loss of a batch, and the generators that it draws from."""

    loss: BatchLoss
    generators: tuple[torch.Generator, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one training needs besides its optimiser."""

    name: str
    model: nn.Module  # everything that is optimised
    config: TrainConfig
    num_images: int
    epoch: Callable[[int], Epoch]  # the loss of one epoch: its view, its streams
    validate: Callable[[], float]  # accuracy on the validation split
    rates: Mapping[str, float] = field(default_factory=dict)  # beginning of a parameter's name to
    # the factor on its learning rate; 1 where no name fits
    threads: int | None = None  # of the CPU; None: all. One is fastest where layers are small

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a stage keeps its state, and what that state belongs to."""

    path: Path
    key: str  # key of the origin; a checkpoint with another key is not used
    seconds: float = CHECKPOINT_SECONDS  # between two within an epoch
    deadline: float = math.inf  # of time.monotonic(), when training stops


@dataclass
class _Progress:
    """How far a training has come."""

    history: list[dict[str, float]]  # one entry for every finished epoch
    step: int = 0  # steps taken in the epoch that has begun
    total: float = 0.0  # sum of the losses of these steps
    streams: list[Tensor] = field(default_factory=list)  # states of the epoch's generators


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


def train(
    stage: Stage, *, streams: Streams, checkpoint: Checkpoint, log: TrainLog | None = None
) -> list[dict[str, float]]:
    """Train `stage.model` to the end, going on from the checkpoint if there is one.

    Returns the history: epoch, mean loss, validation accuracy, last learning rate. The checkpoint
    stays until the caller has kept the result and removes it.
    Raises: UserError when the loss is not finite; the last good checkpoint stays.
            TimeUp at the deadline, the checkpoint being written.
    """
    with cpu_threads(stage.threads):
        return _train(stage, streams, checkpoint, log)


def _train(
    stage: Stage, streams: Streams, checkpoint: Checkpoint, log: TrainLog | None
) -> list[dict[str, float]]:
    """What `train` does, with the threads as they are."""
    config = stage.config
    optimiser = _optimiser(stage.model, config, stage.rates)
    progress = _resume(stage.model, optimiser, checkpoint)
    batch = min(config.batch_size, stage.num_images)
    steps, epochs = config.steps_on(stage.num_images), config.epochs_on(stage.num_images)
    done = len(progress.history) * steps + progress.step
    name = told(stage.name, stage.device, config.precision)
    with tqdm(total=epochs * steps * batch, desc=name, unit="img", mininterval=0.5) as bar:
        bar.update(done * batch)
        for _ in range(len(progress.history), epochs):
            start = time.perf_counter()
            rate = _run_epoch(stage, optimiser, progress, streams, checkpoint, bar)
            entry = {
                "epoch": len(progress.history) + 1,
                "loss": progress.total / steps,
                "validation": stage.validate(),
                "learning_rate": rate,
            }
            progress = _Progress([*progress.history, entry])
            shown = {"loss": f"{entry['loss']:.4f}", "val": f"{100 * entry['validation']:.2f}%"}
            bar.set_postfix(shown, refresh=False)
            _save(stage.model, optimiser, checkpoint, progress)
            if log is not None:
                log.write(progress.history, seconds=time.perf_counter() - start)
            _check_time(checkpoint, last=len(progress.history) == epochs)
    stage.model.eval()
    return progress.history


def _run_epoch(
    stage: Stage,
    optimiser: torch.optim.Optimizer,
    progress: _Progress,
    streams: Streams,
    checkpoint: Checkpoint,
    bar: Any,
) -> float:
    """The steps of one epoch that are still to be taken; returns the last learning rate."""
    config, epoch = stage.config, len(progress.history)
    steps, epochs = config.steps_on(stage.num_images), config.epochs_on(stage.num_images)
    batch = min(config.batch_size, stage.num_images)
    batch_loss, generators = stage.epoch(epoch)
    for generator, state in zip(generators, progress.streams, strict=progress.step > 0):
        generator.set_state(state)
    order = epoch_order(stage.num_images, generator=streams("order", stage.name, epoch))
    batches = order[: steps * batch].split(batch)
    stage.model.train()
    written = time.monotonic()
    rate = 0.0
    for step in range(progress.step, steps):
        factor = learning_rate_factor((epoch * steps + step + 1) / (epochs * steps), config.warmup)
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        rate = config.learning_rate * factor
        progress.total += _step(stage, optimiser, batch_loss, batches[step])
        progress.step = step + 1
        bar.update(batch)
        late = time.monotonic() > checkpoint.deadline
        if step + 1 < steps and (late or time.monotonic() - written >= checkpoint.seconds):
            progress.streams = [generator.get_state() for generator in generators]
            _save(stage.model, optimiser, checkpoint, progress)
            written = time.monotonic()
            _check_time(checkpoint)
    return rate


def _check_time(checkpoint: Checkpoint, *, last: bool = False) -> None:
    if not last and time.monotonic() > checkpoint.deadline:
        raise TimeUp


def _step(
    stage: Stage, optimiser: torch.optim.Optimizer, batch_loss: BatchLoss, indices: Tensor
) -> float:
    with autocast(stage.device, native(stage.device, stage.config.precision)):
        loss = batch_loss(indices.to(stage.device))
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
    progress: _Progress,
) -> None:
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    tensors |= optimiser_tensors(optimiser, "optimiser")
    for index, value in enumerate(progress.streams):
        tensors[f"stream/{index:03}"] = value
    header = {
        "key": checkpoint.key,
        "history": progress.history,
        "step": progress.step,
        "total": progress.total,
    }
    save_tensors(checkpoint.path, tensors, header)


def _resume(
    model: nn.Module, optimiser: torch.optim.Optimizer, checkpoint: Checkpoint
) -> _Progress:
    """Load model and optimiser; how far they had come."""
    if not checkpoint.path.exists():
        return _Progress([])
    tensors, header = load_tensors(checkpoint.path)
    if header.get("key") != checkpoint.key:
        raise UserError(
            f"{checkpoint.path} belongs to another description, data or seed; "
            "remove it, add --fresh, or choose another --out"
        )
    model.load_state_dict(below(tensors, "model/"))
    load_optimiser(optimiser, tensors, "optimiser")
    states = [value for _, value in sorted(below(tensors, "stream/").items())]
    return _Progress(header["history"], header.get("step", 0), header.get("total", 0.0), states)
