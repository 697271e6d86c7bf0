"""Lessons (how a part is trained), and the training loop, which all parts of all schemes share.

Checkpoints hold the model, the optimiser and the state of every random stream of the epoch. They
are written at the end of an epoch and every two minutes within it. A resumed training run takes
exactly the steps of an uninterrupted one (on the same device, with as many threads).
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from channels.streams import Streams
from models import ClassifierConfig, ImageClassifier
from simulator.data.augment import epoch_order
from simulator.data.dataset import to_float
from simulator.description.basis import Part
from simulator.description.stages import TrainConfig
from simulator.device import autocast, cpu_threads, native, stage_title
from simulator.errors import TimeUp, UserError
from simulator.progress import EVERY, progress, skip
from simulator.storage.files import load_tensors, save_tensors
from simulator.training.history import TrainLog
from simulator.training.remaining import RemainingTime
from simulator.training.run import (
    TrainingRun,
    accuracy,
    classifier_accuracy,
    keep_finished,
    load_finished,
)


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
    """Restore the state from `optimiser_tensors`; parameter groups are left unchanged."""
    state: dict[int, dict[str, Tensor]] = {}
    for path, value in below(tensors, f"{prefix}/").items():
        index, _, name = path.partition("/")
        state.setdefault(int(index), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Tensors whose names begin with `prefix`, which is removed from the names."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


Module = TypeVar("Module", bound=nn.Module)
BatchLoss = Callable[[Tensor], Tensor]  # indices of images [b] to a scalar loss


class Epoch(NamedTuple):
    """One epoch: the loss of a batch, and the generators that the loss draws from."""

    loss: BatchLoss
    generators: tuple[torch.Generator, ...] = ()

    @staticmethod
    def by_labels(
        scores: Callable[[Tensor], Tensor], labels: Tensor, *, smoothing: float = 0.0
    ) -> "Epoch":
        """Cross-entropy of the scores [b, num_classes] of a batch, from its indices [b]."""

        def loss(indices: Tensor) -> Tensor:
            return functional.cross_entropy(
                scores(indices), labels[indices], label_smoothing=smoothing
            )

        return Epoch(loss)


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson(ABC, Generic[Module]):
    """How one part is trained: initial weights, loss of every epoch, validation."""

    run: TrainingRun
    part: Part
    config: TrainConfig
    threads: int | None = None  # of the CPU; None: all. One is fastest for small layers

    @abstractmethod
    def build(self) -> Module:
        """The model with its initial weights."""

    @abstractmethod
    def epoch(self, model: Module, index: int) -> Epoch:
        """The loss function of epoch `index`, and the generators that it draws from."""

    @abstractmethod
    def validate(self, model: Module) -> float:
        """Score on the validation split, higher is better: accuracy unless stated otherwise."""

    def revise(self, model: Module) -> bool:
        """Revise the weights after training; return True if they changed. By default, nothing."""
        return False

    @property
    def rates(self) -> Mapping[str, float]:
        """Prefix of parameter names to the factor on their learning rate; without one it is 1."""
        return {}

    @cached_property
    def labels(self) -> Tensor:
        """Training labels [N] on the device."""
        return self.run.labels

    @property
    def epochs(self) -> int:
        """Number of epochs on this training set."""
        return self.config.epochs_on(len(self.labels))


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearLesson(Lesson[nn.Linear]):
    """A linear head on features that do not change, by cross-entropy.

    Shapes: features [V, N, D] of V views, which the epochs take in turn; validation [M, D].
    """

    features: Tensor
    validation: Tensor
    begin: nn.Linear | None = None  # source of the initial weights; None: random ones

    def build(self) -> nn.Linear:
        """A linear head [D, num_classes]."""
        head = nn.Linear(self.features.shape[2], self.run.dataset.num_classes)
        if self.begin is not None:
            head.load_state_dict(self.begin.state_dict())
        return head

    def epoch(self, model: nn.Linear, index: int) -> Epoch:
        """Cross-entropy on one view."""
        view = self.features[index % len(self.features)]
        return Epoch.by_labels(lambda indices: model(view[indices].float()), self.labels)

    def validate(self, model: nn.Linear) -> float:
        """Accuracy on the validation features."""
        return accuracy(model(self.validation), self.run.validation.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifierLesson(Lesson[ImageClassifier]):
    """A classifier of images, by cross-entropy on newly augmented images in every epoch."""

    model: ClassifierConfig
    label_smoothing: float = 0.0

    def build(self) -> ImageClassifier:
        """Fresh weights."""
        return ImageClassifier(self.model, **self.run.dataset.sizes)

    def images(self, index: int) -> Tensor:
        """The training images of an epoch, uint8 [N, C, H, W]."""
        return self.run.view(self.part.name, index)

    def shown(self, images: Tensor, epoch: int) -> Tensor:
        """Input of the network in an epoch, floating point in [0, 1], from uint8 [B, C, H, W]."""
        return to_float(images)

    def epoch(self, model: ImageClassifier, index: int) -> Epoch:
        """Cross-entropy on the images of this epoch."""
        images = self.images(index)

        def scores(indices: Tensor) -> Tensor:
            return cast(Tensor, model(self.shown(images[indices], index)).scores)

        return Epoch.by_labels(scores, self.labels, smoothing=self.label_smoothing)

    def validate(self, model: ImageClassifier) -> float:
        """Clean accuracy."""
        return classifier_accuracy(self.run, model)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a training run keeps its state, what the state belongs to, and when to stop."""

    path: Path
    key: str  # key of the origin; a checkpoint with another key is not used
    seconds: float = 120.0  # between checkpoints within an epoch
    deadline: float = math.inf  # of time.monotonic(), when training stops
    until: int | None = None  # number of epochs to stop after; None: all

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and header of the file. Raises: UserError if the state belongs elsewhere."""
        tensors, header = load_tensors(self.path)
        if header.get("key") != self.key:
            raise UserError(
                f"{self.path} belongs to another description, data or seed; "
                "remove it, add --fresh, or choose another --out"
            )
        return tensors, header


def fresh(build: Callable[[], Module], *, seed: int) -> Module:
    """Build a model whose weights depend only on `seed`; torch's global state is left unchanged."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def learning_rate_factor(progress: float, warmup: float) -> float:
    """Linear rise to 1 over the first `warmup` of the steps, then a half cosine to 0."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def train_part(lesson: Lesson[Module]) -> Module:
    """Train and save a part, or load it if finished. Raises: UserError if its origin differs."""
    run, name = lesson.run, lesson.part.name
    streams = run.streams_of(name)
    model = fresh(lesson.build, seed=streams.seed_of("init", name)).to(run.device)
    if load_finished(run, lesson.part, model):
        return model.eval()
    checkpoint = Checkpoint(
        path=run.folder / "checkpoints" / run.path(name).name,
        key=run.origin(lesson.part).key,
        deadline=run.deadline,
    )
    with closing(TrainLog(run.folder, name, images=len(lesson.labels))) as log:
        history = train(
            lesson, model, streams=streams, checkpoint=checkpoint, log=log, remaining=run.remaining
        )
    if lesson.revise(model):
        with torch.no_grad():
            history[-1]["validation"] = lesson.validate(model.eval())
    precision = native(run.device, lesson.config.precision)
    keep_finished(run, lesson.part, model, {"precision": precision, "history": history})
    checkpoint.path.unlink(missing_ok=True)
    return model.eval()


def train(
    lesson: Lesson[Module],
    model: Module,
    *,
    streams: Streams,
    checkpoint: Checkpoint,
    log: TrainLog | None = None,
    remaining: RemainingTime | None = None,
) -> list[dict[str, float]]:
    """Train the model of a lesson, from the checkpoint if there is one.

    `checkpoint.until` may end training early; the learning-rate schedule is that of all epochs.

    Returns the history: epoch, mean loss, validation score, last learning rate. The checkpoint
    stays; the caller removes it after saving the result.
    Raises: UserError if the loss is not finite; the last good checkpoint stays.
            TimeUp at the deadline, after a checkpoint was written.
    """
    with cpu_threads(lesson.threads):
        return _Training(lesson, model, streams, checkpoint).run(log, remaining or RemainingTime())


class _Training(Generic[Module]):
    """A lesson with its model and optimiser, and the progress of its training."""

    def __init__(
        self, lesson: Lesson[Module], model: Module, streams: Streams, checkpoint: Checkpoint
    ) -> None:
        self.lesson, self.model, self.config = lesson, model, lesson.config
        self.streams, self.checkpoint = streams, checkpoint
        self.device = next(model.parameters()).device
        self.images = len(lesson.labels)
        self.batch = min(self.config.batch_size, self.images)
        self.steps = self.config.steps_on(self.images)  # per epoch
        self.epochs = lesson.epochs
        self.optimiser = _optimiser(model, self.config, lesson.rates)
        self.mean = _mean(model, self.config.average) if self.config.average else None
        self.history: list[dict[str, float]] = []  # one entry for every finished epoch
        self.step, self.total = 0, 0.0  # of the current epoch: steps taken, sum of losses
        self.states: list[Tensor] = []  # of its generators, from a checkpoint
        if checkpoint.path.exists():
            self._resume()

    def run(self, log: TrainLog | None, remaining: RemainingTime) -> list[dict[str, float]]:
        """Run the remaining epochs; return the whole history."""
        name = self.lesson.part.name
        title = stage_title(remaining.begin(name, self.share), self.device, self.config.precision)
        images = self.epochs * self.steps * self.batch
        with progress(total=images, desc=title, unit="img", mininterval=0.5) as bar:
            skip(bar, (len(self.history) * self.steps + self.step) * self.batch)
            until = min(self.epochs, self.checkpoint.until or self.epochs)
            while len(self.history) < until:
                start = time.perf_counter()
                self._end_epoch(rate=self._epoch(bar, remaining))
                loss, score = self.history[-1]["loss"], self.history[-1]["validation"]
                bar.set_postfix(loss=f"{loss:.4f}", val=f"{100 * score:.2f}%", refresh=False)
                self._save()
                if log is not None:
                    log.write(self.history, seconds=time.perf_counter() - start)
                self._check_time(last=len(self.history) == until)
            if bar.format_dict["elapsed"] > EVERY:  # lines were printed: print the last state too
                bar.refresh()
        if self.mean and len(self.history) == self.epochs:
            self.model.load_state_dict(self.mean.module.state_dict())
        self.model.eval()
        return self.history

    @property
    def share(self) -> float:
        """Share of all steps that have been taken."""
        return (len(self.history) * self.steps + self.step) / (self.epochs * self.steps)

    def _epoch(self, bar: Any, remaining: RemainingTime) -> float:
        """Run the remaining steps of the current epoch; return the last learning rate."""
        epoch = len(self.history)
        batch_loss, generators = self.lesson.epoch(self.model, epoch)
        for generator, state in zip(generators, self.states, strict=self.step > 0):
            generator.set_state(state)
        shuffled = self.streams("order", self.lesson.part.name, epoch)
        order = epoch_order(self.images, generator=shuffled)
        batches = order[: self.steps * self.batch].split(self.batch)
        self.model.train()
        written = time.monotonic()
        rate = 0.0
        for step in range(self.step, self.steps):
            rate = self._set_rate((epoch * self.steps + step + 1) / (self.epochs * self.steps))
            self.total += self._step(batch_loss, batches[step])
            self.step = step + 1
            bar.update(self.batch)
            remaining.reach(self.share)
            late = time.monotonic() > self.checkpoint.deadline
            due = late or time.monotonic() - written >= self.checkpoint.seconds
            if self.step < self.steps and due:
                self.states = [generator.get_state() for generator in generators]
                self._save()
                written = time.monotonic()
                self._check_time()
        return rate

    def _end_epoch(self, *, rate: float) -> None:
        model = (cast(Module, self.mean.module) if self.mean else self.model).eval()
        with torch.no_grad():
            validation = self.lesson.validate(model)
        entry = {"epoch": len(self.history) + 1, "loss": self.total / self.steps}
        self.history.append({**entry, "validation": validation, "learning_rate": rate})
        self.step, self.total, self.states = 0, 0.0, []

    def _set_rate(self, progress: float) -> float:
        factor = learning_rate_factor(progress, self.config.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        return self.config.learning_rate * factor

    def _step(self, batch_loss: BatchLoss, indices: Tensor) -> float:
        with autocast(self.device, native(self.device, self.config.precision)):
            loss = batch_loss(indices.to(self.device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise UserError(
                f"stage {self.lesson.part.name}: the loss must be a finite number, got {value}; "
                f"lower learning_rate in the recipe, remove {self.checkpoint.path} if it exists, "
                "and run again"
            )
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimiser.step()
        if self.mean:
            self.mean.update_parameters(self.model)
        return value

    def _check_time(self, *, last: bool = False) -> None:
        if not last and time.monotonic() > self.checkpoint.deadline:
            raise TimeUp

    def _save(self) -> None:
        tensors = {f"model/{name}": t for name, t in self.model.state_dict().items()}
        if self.mean:
            tensors |= {f"mean/{name}": t for name, t in self.mean.state_dict().items()}
        tensors |= optimiser_tensors(self.optimiser, "optimiser")
        tensors |= {f"stream/{index:03}": state for index, state in enumerate(self.states)}
        told = {"history": self.history, "step": self.step, "total": self.total}
        save_tensors(self.checkpoint.path, tensors, {"key": self.checkpoint.key, **told})

    def _resume(self) -> None:
        tensors, header = self.checkpoint.load()
        self.model.load_state_dict(below(tensors, "model/"))
        if self.mean:
            self.mean.load_state_dict(below(tensors, "mean/"))
        load_optimiser(self.optimiser, tensors, "optimiser")
        self.history = header["history"]
        self.step, self.total = header.get("step", 0), header.get("total", 0.0)
        self.states = [state for _, state in sorted(below(tensors, "stream/").items())]


def _optimiser(
    model: nn.Module, config: TrainConfig, rates: Mapping[str, float]
) -> torch.optim.Optimizer:
    """The optimiser. Weight decay applies only to parameters of two or more dimensions."""
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


def _mean(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a model's weights and buffers."""
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
