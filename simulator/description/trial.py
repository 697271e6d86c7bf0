"""Changes that a training run makes to its recipe: `--epochs`, `--lr`, or a warm start.

The changes are stored beside the weights, so that they are applied when the weights are loaded.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from simulator.description.basis import Basis
from simulator.description.changes import mapped
from simulator.description.stages import StudentStage, TeacherStage, TrainConfig
from simulator.errors import UserError
from simulator.storage.files import write_json

FILE = "trial.json"
SMALL_SGD = {"epochs": 10, "least_steps": 150, "batch_size": 64, "learning_rate": 0.01}
SMALL_ADAMW = {"epochs": 20, "least_steps": 400, "batch_size": 128}
SMALL_VIEWS = 8
Recipe = TypeVar("Recipe", bound=Basis)


class Trial(NamedTuple):
    """Changes to all training stages; None: as in the recipe."""

    epochs: int | None = None
    learning_rate: float | None = None
    warm: bool = False  # start from the shipped student of CIFAR-100, with few steps

    @classmethod
    def of(cls, weights: Path) -> "Trial":
        """The trial recorded in a folder of weights. Raises: UserError if the record is damaged."""
        path = weights / FILE
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
        except (TypeError, ValueError):
            raise UserError(
                f"{path} must be a JSON object of epochs, learning_rate and warm; train again"
            ) from None

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with these changes in every training stage."""

        def change(value: Any) -> Any:
            if not isinstance(value, TrainConfig):
                return value
            if self.epochs is not None:
                value = replace(value, epochs=self.epochs, least_steps=0)
            if self.learning_rate is not None:
                value = replace(value, learning_rate=self.learning_rate)
            return value

        recipe = warm_started(recipe) if self.warm else recipe
        return recipe if self == Trial() else mapped(recipe, change)

    def check(self, weights: Path, *, way_out: str) -> None:
        """Raises: UserError if the folder holds weights of another trial, or of no trial."""
        found = Trial.of(weights)
        if found != self and any(weights.glob("*.safetensors")):
            raise UserError(f"{weights} holds weights trained {self._other(found)}; {way_out}")

    def note(self, weights: Path) -> None:
        """Record the trial in a folder of weights.

        Raises: UserError if the folder holds weights of another trial, or of no trial.
        """
        self.check(weights, way_out="add --fresh to train again, or choose another --out")
        if self != Trial():
            write_json(weights / FILE, self._asdict())
        else:
            (weights / FILE).unlink(missing_ok=True)

    @property
    def _options(self) -> list[str]:
        """The changes as options of the command line."""
        epochs = [] if self.epochs is None else [f"--epochs {self.epochs}"]
        rate = [] if self.learning_rate is None else [f"--lr {self.learning_rate:g}"]
        return [*(["a warm start"] if self.warm else []), *epochs, *rate]

    def _other(self, found: "Trial") -> str:
        """How the trial `found` differs from this one, in words."""
        gone = [own for own in found._options if own not in self._options]
        new = [own for own in self._options if own not in found._options]
        told = [
            f"{word} {' '.join(own)}, which {'is' if len(own) == 1 else 'are'} {now}"
            for word, own, now in (("with", gone, "not given now"), ("without", new, "now given"))
            if own
        ]
        return " and ".join(told)


def warm_started(recipe: Recipe) -> Recipe:
    """The recipe for a small data set: teacher and students start from the student of CIFAR-100.

    Every training stage keeps its optimiser and gets few steps. Stages with the same optimiser get
    the same length, so that comparisons are fair.
    """

    def change(value: Any) -> Any:
        if isinstance(value, TrainConfig):
            few = SMALL_SGD if value.optimiser == "sgd" else SMALL_ADAMW
            return replace(value, **few)
        if isinstance(value, StudentStage):
            return replace(value, begin="teacher", head_from="student")
        return value

    recipe = mapped(recipe, change)
    probe = TeacherStage(
        model=recipe.student.model,
        training=recipe.student.head,
        label_smoothing=0.0,
        begin="reference",
    )
    return replace(
        recipe,
        augment=replace(recipe.augment, jitter=0.3, erased=0.4),
        stronger=None,
        teacher=probe,
        more_teachers=(),
        mirrored=False,
        views=SMALL_VIEWS,
    )
