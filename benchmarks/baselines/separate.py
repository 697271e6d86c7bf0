"""Separate source and channel coding, and its bound by channel capacity.

`separate` sends image files over 5G LDPC and QAM, `capacity_bound` the same files over links
without errors. A codec's label (`webp`, or `webp_file` with all headers charged) replaces the
recipe's codecs; `files` stands for the recipe's codecs with headers charged.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch

from benchmarks.baselines.decoded import STAGES, DecodedStage, lessons, readers, retrained
from benchmarks.baselines.digital import DigitalConfig, DigitalScheme
from benchmarks.baselines.image_files import FORMATS, CodecDamage, ImageCodec, check_qualities
from benchmarks.baselines.sources import NEVER, ImageSource
from simulator.data.dataset import Dataset
from simulator.description.basis import Basis, Part
from simulator.scheme import Classifier
from simulator.schemes.contract import Label
from simulator.training.loop import train_part
from simulator.training.run import TrainingRun
from simulator.training.student import Session
from simulator.training.weights import Weights

WHOLE = "_file"


@dataclass(frozen=True, kw_only=True)
class Qualities:
    """A codec and the qualities from which it chooses, ascending.

    Raises: ValueError if there is no such codec, or the qualities do not ascend in 0..100.
    """

    codec: str  # a key of FORMATS
    qualities: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.codec not in FORMATS:
            raise ValueError(f"codec must be one of {', '.join(FORMATS)}, got {self.codec!r}")
        check_qualities(self.qualities)


@dataclass(frozen=True, kw_only=True)
class SeparateConfig(DigitalConfig):
    """The options of separate source and channel coding."""

    codecs: tuple[Qualities, ...]
    best: tuple[str, ...]  # codecs among which `separate` without a codec's label chooses
    retraining: DecodedStage | None = None  # None: no separate:retrained

    kind = "separate"
    version = 4
    flags: ClassVar[tuple[str, ...]] = ("genie", "teacher", "retrained")
    labels: ClassVar[tuple[Label, ...]] = (
        Label("CODEC", f"this codec alone: one of {', '.join(FORMATS)}"),
        Label("CODEC_file", "whole files of this codec, headers charged"),
        Label("files", "whole files of the recipe's codecs, headers charged"),
        Label("genie", "the transmitter knows the gain of each image, and chooses by it"),
        Label("teacher", "the offline teachers classify the decoded image"),
        Label("retrained", "the classifier was fine-tuned on decoded images"),
    )

    @property
    def bound(self) -> "CapacityConfig":
        """The capacity bound of this scheme."""
        return CapacityConfig(**vars(self))

    @property
    def described(self) -> Self:
        """Its description in journals; retrained classifiers are identified by their hashes."""
        return replace(self, retraining=None)

    @property
    def codec_words(self) -> list[str]:
        """Labels of all codecs, with headers known or charged."""
        return [form.codec + end for form in self.codecs for end in ("", WHOLE)] + ["files"]

    @property
    def chosen_codecs(self) -> tuple[str, ...]:
        """Names of the sources among which it chooses."""
        if "files" in self.words:
            return tuple(codec + WHOLE for codec in self.best)
        return tuple(word for word in self.words if word not in self.flags) or self.best

    @property
    def damage(self) -> CodecDamage:
        """Compression by its codecs, for training on decoded images."""
        return CodecDamage(codecs=self.best, qualities=tuple(map(self._qualities, self.best)))

    def _qualities(self, codec: str) -> tuple[int, ...]:
        return next(own.qualities for own in self.codecs if own.codec == codec)

    def parts(self, recipe: Basis) -> tuple[Part, ...]:
        """Classifiers fine-tuned on decoded images."""
        if self.retraining is None:
            return ()
        found = (readers(recipe, self.retraining, who) for who in STAGES.values())
        return tuple(reader.part for own in found for reader in own)

    def check(self, run: TrainingRun, stage: str) -> None:
        """Check that classifiers to be fine-tuned are trained. Raises: UserError."""
        if stage in STAGES and self.retraining is not None:
            lessons(run, self.retraining, STAGES[stage])

    def train(self, session: Session, stage: str) -> None:
        """Fine-tune the student, or the teachers, on decoded images."""
        if stage in STAGES and self.retraining is not None:
            for lesson in lessons(session.run, self.retraining, STAGES[stage]):
                train_part(lesson)

    @property
    def _reader(self) -> str:
        return "teacher" if "teacher" in self.words else "student"

    def build(self, weights: Weights) -> DigitalScheme:
        """The scheme for a classifier and an image size.

        Raises: UserError if a codec is not installed, or the classifier is not trained.
        """
        classifier = weights.classifier()  # the student is loaded in any case
        if "retrained" in self.words:
            classifier = retrained(weights, self.retraining, self._reader)
        elif self._reader == "teacher":
            classifier = weights.teacher_classifier()
        return self.scheme_of(classifier, weights.dataset, weights.device)

    def scheme_of(
        self, classifier: Classifier, dataset: Dataset, device: torch.device
    ) -> DigitalScheme:
        """The scheme for any classifier. Raises: UserError if a codec is not installed."""
        sources = [self._source(name, classifier, dataset) for name in self.chosen_codecs]
        return DigitalScheme(self, sources, bits=self._files(), dataset=dataset, device=device)

    def _source(self, name: str, classifier: Classifier, dataset: Dataset) -> ImageSource:
        kind = name.removesuffix(WHOLE)
        codec = ImageCodec(
            kind=kind, image_shape=dataset.image_shape, qualities=self._qualities(kind)
        )
        codec.needs()  # raises if it is not installed
        return ImageSource(
            codec=codec,
            whole=name.endswith(WHOLE),
            classifier=classifier,
            most_bits=NEVER if self.ideal else self.payload_bits[1],
        )

    def _files(self) -> str:
        titles = [FORMATS[name.removesuffix(WHOLE)].title for name in self.chosen_codecs]
        what = "headers charged"
        if not self.chosen_codecs[0].endswith(WHOLE):
            what = "headers known (all bytes that files share; quality index charged)"
        end = " retrained on decoded images" if "retrained" in self.words else ""
        return f"{' or '.join(titles)} file, {what}, classified by the {self._reader}{end}"


@dataclass(frozen=True, kw_only=True)
class CapacityConfig(SeparateConfig):
    """The same files over links that are error-free up to capacity."""

    kind = "capacity_bound"
    ideal = True
    flags = (*SeparateConfig.flags, "finite")
    labels: ClassVar[tuple[Label, ...]] = (
        *SeparateConfig.labels,
        Label("finite", "the normal approximation at a block error rate of 1e-3"),
    )

    def train(self, session: Session, stage: str) -> None:
        """Nothing is trained: it uses the classifiers of `separate`."""
