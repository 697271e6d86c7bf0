"""A quick trial: a training with other epochs or rates than its recipe, as `--epochs` and `--lr`.

What was changed is written beside the weights, so that whoever loads them knows them.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from simulator.description.changes import mapped
from simulator.description.stages import TrainConfig
from simulator.errors import UserError
from simulator.storage.files import write_json

FILE = "trial.json"
Tree = TypeVar("Tree")


class Trial(NamedTuple):
    """What differs in every training; None: as the recipe has it."""

    epochs: int | None = None
    learning_rate: float | None = None

    @classmethod
    def of(cls, weights: Path) -> "Trial":
        """The trial that a folder of weights is of. Raises: UserError if its file is damaged."""
        path = weights / FILE
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
        except (TypeError, ValueError):
            raise UserError(f"{path} must be a JSON object of a trial; train again") from None

    def applied(self, recipe: Tree) -> Tree:
        """The recipe with every training changed."""

        def change(value: Any) -> Any:
            if not isinstance(value, TrainConfig):
                return value
            if self.epochs is not None:
                value = replace(value, epochs=self.epochs, least_steps=0)
            if self.learning_rate is not None:
                value = replace(value, learning_rate=self.learning_rate)
            return value

        return recipe if self == Trial() else mapped(recipe, change)

    def note(self, weights: Path) -> None:
        """Note the trial in a folder of weights.

        Raises: UserError if there are weights of another trial, or of none.
        """
        found = Trial.of(weights)
        if found != self and any(weights.glob("*.safetensors")):
            raise UserError(
                f"{weights} holds weights trained with {found.text}, not with {self.text}; add "
                "--fresh to train anew, or choose another --out"
            )
        if self != Trial():
            write_json(weights / FILE, self._asdict())
        else:
            (weights / FILE).unlink(missing_ok=True)

    @property
    def text(self) -> str:
        """As options of the command line."""
        epochs = [] if self.epochs is None else [f"--epochs {self.epochs}"]
        rate = [] if self.learning_rate is None else [f"--lr {self.learning_rate:g}"]
        return " ".join([*epochs, *rate]) or "the recipe's own epochs and rates"
