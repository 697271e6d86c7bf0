"""The contract of the schemes of a recipe: description, training and loading in one class.

A frozen dataclass derived from `SchemeConfig` declares the name and the labels of a scheme, its
trained parts and their origins, their training, and how the scheme is built from them. A recipe
holds a tuple of these; no other code distinguishes schemes.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

from simulator.description.basis import Basis, Part
from simulator.errors import UserError, did_you_mean
from simulator.scheme import Scheme
from simulator.storage.describe import describe
from simulator.training.run import TrainingRun
from simulator.training.student import Session
from simulator.training.weights import Weights

ImageShape = tuple[int, int, int]  # C, H, W


def split_name(text: str, option: str = "--schemes") -> list[str]:
    """The kind and the labels in KIND:LABEL:LABEL... Raises: UserError if a label is empty."""
    kind, *labels = text.split(":")
    if not all(labels):
        raise UserError(f"{option} must have a label behind each colon, got {text!r}")
    return [kind, *labels]


class Label(NamedTuple):
    """A label of a scheme, as users write it, and its meaning."""

    text: str
    meaning: str


class SchemeConfig(ABC):
    """One scheme of a recipe; subclasses are frozen dataclasses."""

    labels: ClassVar[tuple[Label, ...]] = ()  # possible labels after its name

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name in tables and on the command line."""

    @property
    def ablation(self) -> str:
        """Its name for `--variants`; empty if it is not an ablation."""
        return ""

    @abstractmethod
    def build(self, weights: Weights) -> Scheme:
        """The scheme, ready to transmit. Raises: as `Weights.load`."""

    def labelled(self, label: str) -> "SchemeConfig":
        """The scheme that NAME:LABEL stands for. Raises: UserError if there is no such label."""
        known = ", ".join(own.text for own in self.labels)
        takes = f"takes the labels {known}" if known else "takes no label"
        near = did_you_mean(label, [own.text for own in self.labels])
        raise UserError(f"{self.name} {takes}, got {label!r}{near or f'; write {self.name}'}")

    def decoding_all(self) -> Self:
        """The same scheme, with every block decoded instead of drawn by a table of error rates."""
        return self

    def identity(self, scheme: Scheme) -> dict[str, Any]:
        """What the results depend on besides weights and version: settings, and what these need."""
        return {"settings": [], "needs": []}

    def parts(self, recipe: Basis) -> tuple[Part, ...]:
        """All parts that are trained for it, in order."""
        return ()

    def trained(self, recipe: Basis, image_shape: ImageShape) -> tuple[Part, ...]:
        """The parts that `semlink train` makes for it, with images of this size."""
        return self.parts(recipe)

    def needed(self, recipe: Basis, image_shape: ImageShape) -> tuple[Part, ...]:
        """Parts without which `--schemes all` leaves the scheme out."""
        return ()

    def check(self, run: TrainingRun, stage: str) -> None:
        """Raises: UserError if this stage of its training cannot begin."""
        return

    def train(self, session: Session, stage: str) -> None:
        """Train the parts that this stage of `semlink train` makes; finished parts are kept.

        Raises: UserError, and TimeUp at the deadline.
        """
        return


class WithoutWeights(SchemeConfig):
    """A scheme without trained parts of its own; it may use those of others."""

    def needs(self) -> dict[str, str]:
        """What the results depend on besides settings and weights: versions, hashes of tables."""
        return {}

    @property
    def described(self) -> Self:
        """The configuration that identifies the scheme in journals."""
        return self

    def identity(self, scheme: Scheme) -> dict[str, Any]:
        """Settings, versions, and the choices made on validation images."""
        chosen = {"choices": scheme.choices_key} if scheme.choices_key else {}
        return {"settings": describe([self.described]), "needs": [{**self.needs(), **chosen}]}
