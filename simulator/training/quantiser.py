"""The trained part of `digital_semantic`: a quantiser of the student's features, and its heads."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models import FeatureQuantiser, ImageClassifier
from simulator.description.parts import QUANTISER
from simulator.training.loop import Epoch
from simulator.training.run import TrainingRun, accuracy, in_chunks, train_part


def train_quantiser(
    run: TrainingRun, student: ImageClassifier, head: nn.Linear, features: Tensor
) -> FeatureQuantiser | None:
    """Fit to the frozen student's features [V, N, D]; then every head learns what is left of them.

    Heads begin as the recipe's own head, seen through the principal components, and learn by
    cross-entropy of quantised features. None ever meets a channel: what arrives has no errors.
    None where the recipe has no such part.
    """
    stage = run.experiment.quantiser
    if stage is None:
        return None
    options, labels = stage.model.options, run.labels
    told = in_chunks(student.body, run.validation.images.to(run.device), precision="fp32")

    def build() -> FeatureQuantiser:
        model = stage.model.build(num_classes=run.num_classes)
        if not run.path(QUANTISER).exists():  # else all is loaded
            model.to(run.device).fit(list(features), head)
        return model

    def epoch(model: FeatureQuantiser, index: int) -> Epoch:
        with torch.no_grad():
            components = model.components(features[index % len(features)].float())

        def loss(indices: Tensor) -> Tensor:
            seen, right = components[indices], labels[indices]
            scores = [model.scores(model.levels(seen[:, :r], bits), bits) for r, bits in options]
            return torch.stack([functional.cross_entropy(own, right) for own in scores]).mean()

        return Epoch(loss)

    def validate(model: FeatureQuantiser) -> float:
        seen = model.components(told)
        found = [
            accuracy(model.scores(model.levels(seen[:, :rank], bits), bits), run.validation.labels)
            for rank, bits in options
        ]
        return max(found)

    return train_part(
        run,
        QUANTISER,
        build=build,
        config=stage.training,
        epoch=epoch,
        validate=validate,
        threads=1,
    )
