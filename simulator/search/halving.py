"""The last step of a search: its proposals are trained and ranked by successive halving.

All proposals are trained up to a rung (a number of epochs), the better half up to the next one, and
so on (Jamieson and Talwalkar, 2016). Networks are ranked by the sum of their training losses so
far, which is more reliable than the accuracy after the same number of epochs (Ru et al., Speedy
performance estimation for neural architecture search, arXiv 2006.04492).
"""

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor

from channels.streams import Streams
from models import ImageClassifier, StagedCnnConfig, StudentConfig
from models.nas.staged_space import Budget, fitted_to
from simulator.data.augment import shrunk
from simulator.data.dataset import to_float
from simulator.description.basis import Part
from simulator.description.stages import TrainConfig
from simulator.progress import progress
from simulator.storage.describe import describe, digest
from simulator.training.loop import Checkpoint, fresh, train
from simulator.training.run import TrainingRun, accuracy, in_chunks
from simulator.training.student import StudentLesson
from simulator.training.teachers import Views

DRAWS = 50  # attempts per requested network, after which fewer are returned
TrainTo = Callable[[int, int], float]  # (index of a proposal, epochs) to summed loss


class Ranked(NamedTuple):
    """Index of the winner, and a row (index, epochs, summed loss) per proposal and rung."""

    winner: int
    rows: list[tuple[int, int, float]]


def halved(proposals: int, rungs: Sequence[int], train_to: TrainTo) -> Ranked:
    """Train proposals up to each rung in turn; after each, keep the better half (at least one)."""
    alive, rows = list(range(proposals)), []
    for epochs in rungs:
        if len(alive) == 1:
            break
        losses = {number: train_to(number, epochs) for number in alive}
        rows += [(number, epochs, loss) for number, loss in losses.items()]
        alive = sorted(alive, key=losses.__getitem__)[: -(-len(alive) // 2)]
    return Ranked(alive[0], rows)


def trainings(proposals: int, rungs: Sequence[int]) -> int:
    """Number of times that `halved` calls `train_to`."""
    alive = [proposals]
    for _ in rungs[1:]:
        alive.append(-(-alive[-1] // 2))
    return sum(own for own in alive if own > 1)


def proposed(
    number: int,
    budget: Budget,
    draw: Callable[[], StagedCnnConfig],
    *,
    first: StagedCnnConfig | None = None,
) -> list[StagedCnnConfig]:
    """Distinct networks, `first` and then drawn ones, scaled to the largest widths within a budget.

    Lower limits of the budget are ignored. Returns fewer than `number` networks if 50 * `number`
    attempts do not give enough distinct ones.
    """
    most = replace(budget, parameters=(0, budget.parameters[1]), macs=(0, budget.macs[1]))
    found: dict[StagedCnnConfig, None] = {}
    for attempt in range(DRAWS * number):
        config = first if attempt == 0 and first is not None else draw()
        scaled = fitted_to(config, most)
        if scaled is not None:
            found[scaled.reduced] = None
        if len(found) == number:
            break
    return list(found)


class Finish(NamedTuple):
    """How proposals are trained."""

    run: TrainingRun
    views: Views
    training: TrainConfig
    side: int  # to which images are averaged down
    seed: int  # of the search
    key: str  # of the search; part of the keys of the checkpoints

    def ranked(self, name: str, models: Sequence[StudentConfig], rungs: Sequence[int]) -> Ranked:
        """Rank networks by successive halving. Their initial weights are drawn from the same seed.

        The checkpoint of network i stays as `NAME_i.safetensors`, so that a run can resume.
        """

        def train_to(number: int, epochs: int) -> float:
            lesson = SmallLesson(
                run=self.run,
                part=Part(f"{name}_{number}", (models[number],)),
                config=self.training,
                model=models[number],
                loss=self.run.recipe.student.loss,
                views=self.views,
                side=self.side,
            )
            streams = Streams(seed=self.seed)
            model = fresh(lesson.build, seed=streams.seed_of("init", "proposal"))
            checkpoint = Checkpoint(
                path=self.run.folder / "checkpoints" / f"{name}_{number}.safetensors",
                key=self._key(models[number]),
                deadline=self.run.deadline,
                until=epochs,
            )
            model = model.to(self.run.device)
            with contextlib.redirect_stderr(io.StringIO()):  # one progress bar for all is enough
                history = train(lesson, model, streams=streams, checkpoint=checkpoint)
            bar.update()
            return sum(entry["loss"] for entry in history[:epochs])  # a checkpoint may hold more

        with progress(total=trainings(len(models), rungs), desc=f"{name}s", unit="run") as bar:
            return halved(len(models), rungs, train_to)

    def _key(self, model: StudentConfig) -> str:
        """Key of a proposal's checkpoint: equal if its training run is the same."""
        training = self.training, self.run.recipe.student.loss, self.side, model
        return digest([self.key, *map(describe, training)])


@dataclass(frozen=True, kw_only=True, eq=False)
class SmallLesson(StudentLesson):
    """Train a student on images averaged down to `side`; its teachers saw full-size images."""

    side: int

    def shown(self, images: Tensor, epoch: int) -> Tensor:  # noqa: ARG002 - the same in all
        """Images averaged down to `side`."""
        return shrunk(to_float(images), self.side)

    def validate(self, model: ImageClassifier) -> float:
        """Accuracy on the validation images, averaged down."""
        images = self.run.validation.images.to(self.run.device)
        scores = in_chunks(lambda x: model(shrunk(x, self.side)).scores, images, precision="fp32")
        return accuracy(scores, self.run.validation.labels)
