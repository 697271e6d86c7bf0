"""A teacher that was pretrained elsewhere, and whose end is tuned on the recipe's images.

What its frozen part gives of some augmented views is computed once and kept, so that an epoch costs
the end alone.
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

PIECE = 500  # validation images that the end handles at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class TunedLesson(Lesson[ImageClassifier]):
    """The end of a pretrained network and a head, by cross-entropy.

    Shapes: views [V, N, C, H, W] is what the frozen part gives of V views, which the epochs take in
    turn; validation [M, C, H, W].
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
    """The teacher of a stage. Raises: UserError if the pretrained network cannot be had."""
    try:
        body = config.pretrained().to(run.device).eval()
    except ValueError as error:
        raise UserError(str(error)) from None
    precision = stage.training.precision

    def look(view: int) -> dict[str, Tensor]:
        images = run.view(part.name, view)
        return {"begun": in_chunks(body.begun, images, precision=precision).half()}

    begun = Part(f"{part.name}_begun", (config,))
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
