"""Sources of a few bits: the index of a feature word, or of the class itself.

Words are centroids of training features (`models.VectorQuantiser`), with one source for every
number of words. The student's head decides the class of each word. `semlink train RECIPE
--stage words` fits the words to the finished student.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.baselines.sources import Offer, cached
from models import VectorQuantiser, VectorQuantiserConfig
from simulator.description.basis import Part
from simulator.errors import UserError
from simulator.training.run import (
    TrainingRun,
    accuracy,
    fit_part,
    in_chunks,
    validation_outputs,
)
from simulator.training.student import finished_student

STAGE = "words"  # stage of `semlink train`


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberSource:
    """A source of the index of a word, least significant bit first; it has one option.

    An index without a word is an outage.
    """

    name: str  # in tables of choices
    identity: dict[str, Any]  # of student, words and head
    number: Callable[[Tensor], Tensor]  # image uint8 [C, H, W] to the index of its word, int64 [1]
    classes: Tensor  # of the words, int64 [words]

    @property
    def length(self) -> int:
        """Bits of an index."""
        return max(1, (len(self.classes) - 1).bit_length())

    def offer(self, images: Tensor) -> Offer:
        """The same size for all images, and the classes of their words."""
        found = cached(self.identity, images, lambda: self._offers(images))
        return Offer(found["sizes"], found["answers"])

    def _offers(self, images: Tensor) -> dict[str, Tensor]:
        numbers = torch.cat([self.number(image) for image in images])
        answers = self.classes[numbers][:, None].to(torch.int16)
        return {
            "sizes": torch.full_like(answers, self.length, dtype=torch.int32),
            "answers": answers,
        }

    def bits(self, image: Tensor, option: int) -> Tensor:
        """The bits of the index of the image's word."""
        return (self.number(image).cpu() >> torch.arange(self.length) & 1).to(torch.uint8)

    def answers(self, payloads: Tensor) -> tuple[Tensor, Tensor]:
        """The classes of the words, and whether each index has a word."""
        places = torch.arange(self.length, device=payloads.device)
        numbers = (payloads[:, : self.length].long() << places).sum(dim=1)
        last = len(self.classes) - 1
        return self.classes[numbers.clamp(max=last)], numbers <= last


def number_sources(
    features: Callable[[Tensor], Tensor],
    quantiser: VectorQuantiser,
    head: nn.Linear,
    *,
    identity: dict[str, Any],
) -> list[NumberSource]:
    """A source of words for every number of bits, and one of the class that the head decides.

    `features` maps one image uint8 [C, H, W] to features [1, D].
    """

    @torch.inference_mode()
    def decided(values: Tensor) -> Tensor:
        classes: Tensor = head(values).argmax(dim=1)
        return classes

    def source(name: str, number: Callable[[Tensor], Tensor], classes: Tensor) -> NumberSource:
        return NumberSource(
            name=name,
            identity={**identity, "option": name},
            number=lambda image: number(features(image)),
            classes=classes,
        )

    words = [
        source(
            f"words_{bits}",
            partial(quantiser.nearest, bits=bits),
            decided(quantiser.words(bits)),
        )
        for bits in quantiser.config.bits
    ]
    classes = torch.arange(head.out_features, device=head.weight.device)
    return [*words, source("class", decided, classes)]


def fit_words(run: TrainingRun, part: Part, config: VectorQuantiserConfig) -> VectorQuantiser:
    """Fit words to the finished student's features of the training images, not augmented.

    Raises: UserError if there are fewer images than words, or finished words of another origin.
    """
    if len(run.labels) < 2 ** config.bits[-1]:
        raise UserError(
            f"{2 ** config.bits[-1]} words need as many training images, got {len(run.labels)}; "
            "use more images, or a recipe with fewer words"
        )
    student = finished_student(run).eval()

    def fit() -> tuple[VectorQuantiser, float]:
        made = config.build().to(run.device)
        features = in_chunks(student.body, run.training.images.to(run.device), precision="fp32")
        made.fit(features, seed=lambda bits: run.streams.seed_of(part.name, bits))
        own = validation_outputs(run, student.body)
        most = config.bits[-1]
        scores = student.head(made.words(most)[made.nearest(own, most)])
        return made, accuracy(scores, run.validation.labels)

    return fit_part(run, part, fit, config.build())
