"""What an architecture search works on, and what it reports after every epoch."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from models import GenotypeCnnConfig
from models.nas.genotype import skips
from models.nas.operations import SearchSpace
from models.nas.search_space import Architecture, CostTable, Mixtures, Plans
from simulator.device import autocast, native
from simulator.search.config import SearchConfig, SearchPreset
from simulator.storage.describe import describe
from simulator.training.losses import TeacherTargets, distillation_loss
from simulator.training.run import TrainingRun
from simulator.training.teachers import Views


class Batch(NamedTuple):
    """Images [b, C, H, W] in [0, 1], labels [b], and what the teacher says of them."""

    images: Tensor
    labels: Tensor
    targets: TeacherTargets


Half = Literal["weights", "architecture"]
Take = Callable[[Tensor], Batch]  # indices of images [b] of a half to a batch
History = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class SearchTask:
    """What a search needs besides its random streams."""

    name: str
    space: SearchSpace
    model: nn.Module  # a supernet of the space
    architecture: Architecture
    costs: CostTable
    config: SearchConfig
    num_images: int  # in each half
    batches: Callable[[Half, int], Take]  # of a half in an epoch
    validation: Sequence[Batch]

    @property
    def batch_size(self) -> int:
        """Images in a batch."""
        return min(self.config.batch_size, self.num_images)

    @property
    def steps(self) -> int:
        """Steps per epoch; an incomplete last batch is left out."""
        return self.num_images // self.batch_size

    def plans(self) -> Plans:
        """Both cells as they are now, with the limit on skips."""
        return self.architecture.plans(self.space, most_skips=self.config.most_skips)

    def loss(self, batch: Batch, mixtures: Mixtures, skip: float) -> Tensor:
        """The distillation loss of a batch under these mixtures."""
        device = batch.images.device
        with autocast(device, native(device, self.config.precision)):
            features, scores = self.model(batch.images, mixtures, skip)
        return distillation_loss(features, scores, batch.labels, batch.targets, self.config.loss)

    @torch.no_grad()
    def validate(self, mixtures: Mixtures) -> float:
        """Mean validation loss, without the auxiliary skip."""
        losses = [float(self.loss(own, mixtures, 0.0)) * len(own.labels) for own in self.validation]
        return sum(losses) / sum(len(batch.labels) for batch in self.validation)


def supernet_loss(task: SearchTask, plans: Plans) -> float:
    """Mean validation loss of the supernet with the operations of these plans alone."""
    return task.validate(plans.choices(task.space).mixtures())


@torch.no_grad()
def observe(task: SearchTask, epoch: int, losses: tuple[float, float]) -> dict[str, Any]:
    """The entry of an epoch that has ended."""
    probabilities, plans = task.architecture.probabilities(), task.plans()
    entropy = [-(p * p.log()).sum(dim=1).mean() / math.log(p.shape[1]) for p in probabilities]
    raw = task.architecture.plans(task.space, most_skips=None)
    return {
        "epoch": epoch + 1,
        "loss": losses[0],
        "upper_loss": losses[1],
        "expected_cost": float(task.costs.expected(probabilities, task.space)),
        "genotype_cost": task.costs.of(plans, task.space),
        "entropy": float(torch.stack(entropy).mean()),
        "skips": skips(raw.normal),
        "auxiliary_skip": task.config.skip_weight(epoch),
        "validation_p": task.validate(probabilities.mixtures()),
        "validation_genotype": supernet_loss(task, plans),
        "genotype": json.dumps(describe(plans)),
    }


def shown(entry: dict[str, Any]) -> dict[str, str]:
    """What stands behind the progress bar."""
    return {
        "loss": f"{entry['loss']:.3f}",
        "cost": f"{entry['expected_cost']:.4g}",
        "entropy": f"{entry['entropy']:.2f}",
        "skips": str(entry["skips"]),
        "genotype": entry["genotype"].replace('"', "").replace(" ", ""),
    }


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """A search: what, on which data, taught by whom. `run.folder` is where it writes."""

    run: TrainingRun
    preset: SearchPreset
    views: Views  # what the teachers say


class Found(NamedTuple):
    """What a search from one seed came to."""

    seed: int
    student: GenotypeCnnConfig
    history: History
