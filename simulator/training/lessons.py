"""Lessons that several parts share: a linear head on features, a classifier of images."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from models import ClassifierConfig, ImageClassifier
from simulator.data.dataset import to_float
from simulator.training.loop import Epoch, Lesson
from simulator.training.run import accuracy, classifier_accuracy


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearLesson(Lesson[nn.Linear]):
    """A linear head on features that do not change, by cross-entropy.

    Shapes: features [V, N, D] of V views, which the epochs take in turn; validation [M, D].
    """

    features: Tensor
    validation: Tensor
    begin: nn.Linear | None = None  # the head that it begins as; None: fresh weights

    def build(self) -> nn.Linear:
        """A head of these sizes."""
        head = nn.Linear(self.features.shape[2], self.run.dataset.num_classes)
        if self.begin is not None:
            head.load_state_dict(self.begin.state_dict())
        return head

    def epoch(self, model: nn.Linear, index: int) -> Epoch:
        """Cross-entropy on one view."""
        view = self.features[index % len(self.features)]

        def loss(indices: Tensor) -> Tensor:
            scores = model(view[indices].float())
            return functional.cross_entropy(scores, self.labels[indices])

        return Epoch(loss)

    def validate(self, model: nn.Linear) -> float:
        """Accuracy on the validation features."""
        return accuracy(model(self.validation), self.run.validation.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifierLesson(Lesson[ImageClassifier]):
    """A classifier of images, by cross-entropy on freshly augmented ones in every epoch."""

    model: ClassifierConfig
    label_smoothing: float = 0.0

    def build(self) -> ImageClassifier:
        """Fresh weights."""
        return ImageClassifier(self.model, **self.run.dataset.sizes)

    def images(self, index: int) -> Tensor:
        """The training images of an epoch, uint8 [N, C, H, W]."""
        return self.run.view(self.part.name, index)

    def epoch(self, model: ImageClassifier, index: int) -> Epoch:
        """Cross-entropy on the images of this epoch."""
        images = self.images(index)

        def loss(indices: Tensor) -> Tensor:
            scores = model(to_float(images[indices])).scores
            return functional.cross_entropy(
                scores, self.labels[indices], label_smoothing=self.label_smoothing
            )

        return Epoch(loss)

    def validate(self, model: ImageClassifier) -> float:
        """Clean accuracy."""
        return classifier_accuracy(self.run, model)
