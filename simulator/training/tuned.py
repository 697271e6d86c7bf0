"""A pretrained teacher whose last blocks are tuned on the recipe's images.

The outputs of its frozen blocks for some augmented views are computed once and cached, so that an
epoch runs only the tuned blocks.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

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

    Epochs use the views in turn. Their outputs are computed only if the network is not finished.
    """

    model: EfficientNetConfig
    body: EfficientNet
    stage: TeacherStage

    @cached_property
    def views(self) -> Tensor:
        """Outputs [V, N, C, H, W] of the frozen blocks for the augmented views, cached on disk."""
        run, precision = self.run, self.config.precision

        def look(view: int) -> dict[str, Tensor]:
            images = run.view(self.part.name, view)
            return {"begun": in_chunks(self.body.begun, images, precision=precision).half()}

        seen = (self.model, run.recipe.augment, precision)
        begun = Part(f"{self.part.name}_begun", seen)
        return cached_views(run, begun, self.stage.views, look)["begun"]

    @cached_property
    def validation(self) -> Tensor:
        """Outputs [M, C, H, W] of the frozen blocks for the validation images."""
        return validation_outputs(self.run, self.body.begun)

    def build(self) -> ImageClassifier:
        """The pretrained network with a fresh head."""
        model = ImageClassifier(self.model, **self.run.dataset.sizes)
        model.body.load_state_dict(self.body.state_dict())
        return model

    def epoch(self, model: ImageClassifier, index: int) -> Epoch:
        """Cross-entropy on one view."""
        view = self.views[index % len(self.views)]

        def scores(indices: Tensor) -> Tensor:
            features = model.body.finished(view[indices].float())
            return cast(Tensor, model.head(features))

        return Epoch.by_labels(scores, self.labels, smoothing=self.stage.label_smoothing)

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
    lesson = TunedLesson(
        run=run, part=part, config=stage.training, model=config, body=body, stage=stage
    )
    return train_part(lesson)
