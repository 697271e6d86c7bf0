"""A pretrained teacher whose last blocks are tuned on the recipe's images.

The outputs of its frozen blocks for some augmented views are computed once and cached, so that an
epoch runs only the tuned blocks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from models import EfficientNet, EfficientNetConfig, ImageClassifier
from simulator.description.basis import Part
from simulator.description.stages import TeacherStage
from simulator.errors import UserError
from simulator.training.cache import cached_views
from simulator.training.loop import Epoch, Lesson, train_part
from simulator.training.run import TrainingRun, accuracy, in_chunks, validation_outputs

PIECE = 500  # validation images that the tuned blocks process at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class TunedLesson(Lesson[ImageClassifier]):
    """The last blocks of a pretrained network and a head, by cross-entropy.

    Shapes: outputs of the frozen blocks, views [V, N, C, H, W] and validation [M, C, H, W]. Epochs
    use the V views in turn.
    """

    model: EfficientNetConfig
    body: EfficientNet
    label_smoothing: float
    views: Tensor
    validation: Tensor

    def build(self) -> ImageClassifier:
        """The pretrained network with a fresh head."""
        model = ImageClassifier(self.model, **self.run.dataset.sizes)
        model.body.load_state_dict(self.body.state_dict())
        return model

    def epoch(self, model: ImageClassifier, index: int) -> Epoch:
        """Cross-entropy on one view."""
        view = self.views[index % len(self.views)]

        def loss(indices: Tensor) -> Tensor:
            scores = model.head(model.body.finished(view[indices].float()))
            return functional.cross_entropy(
                scores, self.labels[indices], label_smoothing=self.label_smoothing
            )

        return Epoch(loss)

    def validate(self, model: ImageClassifier) -> float:
        """Clean accuracy."""
        pieces = self.validation.split(PIECE)
        scores = [model.head(model.body.finished(piece)) for piece in pieces]
        return accuracy(torch.cat(scores), self.run.validation.labels)


def tuned_teacher(
    run: TrainingRun, part: Part, stage: TeacherStage, config: EfficientNetConfig
) -> ImageClassifier:
    """Train the teacher of a stage. Raises: UserError if the pretrained weights are missing."""
    try:
        body = config.pretrained().to(run.device).eval()
    except ValueError as error:
        raise UserError(str(error)) from None
    precision = stage.training.precision

    def look(view: int) -> dict[str, Tensor]:
        images = run.view(part.name, view)
        return {"begun": in_chunks(body.begun, images, precision=precision).half()}

    begun = Part(f"{part.name}_begun", (config, run.recipe.augment, precision))
    lesson = TunedLesson(
        run=run,
        part=part,
        config=stage.training,
        model=config,
        body=body,
        label_smoothing=stage.label_smoothing,
        views=cached_views(run, begun, stage.views, look)["begun"],
        validation=validation_outputs(run, body.begun),
    )
    return train_part(lesson)
