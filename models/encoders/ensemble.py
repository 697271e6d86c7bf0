"""Classifiers that combine several outputs."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.encoders.classifier import Classified, ImageClassifier
from models.encoders.pretrained import PretrainedTeacher


class SideBySide(nn.Module):
    """Concatenated features of several encoders.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, sum of all D].
    """

    def __init__(self, encoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)

    def forward(self, images: Tensor) -> Tensor:
        """All features."""
        return torch.cat([encoder(images) for encoder in self.encoders], dim=1)


class Ensemble(nn.Module):
    """Several classifiers: features are concatenated, scores are mean log-probabilities.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, sum of all D], scores [B, num_classes].
    """

    def __init__(self, members: Sequence[ImageClassifier | PretrainedTeacher]) -> None:
        super().__init__()
        self.body = SideBySide([member.body for member in members])
        self.heads = nn.ModuleList(member.head for member in members)

    def forward(self, images: Tensor) -> Classified:
        """Features and scores."""
        features = [encoder(images) for encoder in self.body.encoders]
        scores = [
            head(own).float().log_softmax(dim=1)
            for head, own in zip(self.heads, features, strict=True)
        ]
        return Classified(torch.cat(features, dim=1), torch.stack(scores).mean(dim=0))


class Mirrored(nn.Module):
    """Mean outputs of a classifier for an image and its mirror image.

    Shapes: images [B, C, H, W] in [0, 1] -> features [B, D], scores [B, num_classes], which are
    mean log-probabilities.
    """

    def __init__(self, classifier: Callable[[Tensor], Classified]) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Classified:
        """Features and scores."""
        left, right = self.classifier(images), self.classifier(images.flip(3))
        scores = (left.scores.float().log_softmax(dim=1), right.scores.float().log_softmax(dim=1))
        return Classified((left.features + right.features) / 2, (scores[0] + scores[1]) / 2)
