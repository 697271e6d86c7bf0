"""Separate source and channel coding (B6), and what capacity would allow it (B8).

`separate` sends image files over 5G LDPC and QAM, `capacity_bound` the same files over links
without any loss. Labels behind both names, joined by colons: a codec in place of the recipe's
choice (`webp`, or `webp_file` with all headers charged; `files` is the recipe's choice of these),
`genie`, `teacher`, `retrained` (the classifier has learnt on decoded images), and for the bound
`finite`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import ClassVar, Self

import torch

from benchmarks.baselines.adaptation import CodedLink, IdealLink, Link, pipes_of
from benchmarks.baselines.decoded import (
    STAGES,
    DecodedStage,
    check_decoded,
    readers,
    retrained,
    train_decoded,
)
from benchmarks.baselines.digital import Behaviour, DigitalScheme, Tried
from benchmarks.baselines.image_files import FORMATS, CodecDamage, ImageCodec, check_qualities
from benchmarks.baselines.sources import NEVER, ImageSource, Offer, Source
from channels.digital.bit_pipe import BitPipe
from simulator.data.dataset import Split
from simulator.description.basis import Basis, Part
from simulator.device import cpu_threads
from simulator.engine.evaluate import BLOCK
from simulator.errors import UserError
from simulator.scheme import Classifier
from simulator.schemes.contract import ImageShape, Label, WithoutWeights
from simulator.training.run import TrainingRun
from simulator.training.student import Session
from simulator.training.weights import Weights

WHOLE = "_file"
CODE = "CRC, 5G LDPC, QPSK to 256-QAM"


@dataclass(frozen=True, kw_only=True)
class Qualities:
    """A codec and the qualities among which it picks, ascending.

    Raises: ValueError if there is no such codec, or the qualities do not ascend in 0..100.
    """

    codec: str  # of FORMATS
    qualities: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.codec not in FORMATS:
            raise ValueError(f"codec must be one of {', '.join(FORMATS)}, got {self.codec!r}")
        check_qualities(self.qualities)


@dataclass(frozen=True, kw_only=True)
class SeparateConfig(WithoutWeights):
    """What separate source and channel coding may choose among."""

    codecs: tuple[Qualities, ...]
    best: tuple[str, ...]  # codecs among which `separate` without a codec's label chooses
    uses: tuple[int, ...]  # k that are served
    payload_bits: tuple[int, int]  # (least, most); links that carry less or more are not tried
    validation_images: int  # on the first so many everything is chosen
    label: str = ""
    bit_true: bool = False  # True: every block is decoded; False: block error rates from a table
    retraining: DecodedStage | None = None  # None: no separate:retrained

    labels: ClassVar[tuple[Label, ...]] = (
        Label("CODEC", f"this codec alone: one of {', '.join(FORMATS)}"),
        Label("CODEC_file", "whole files of this codec, headers charged"),
        Label("files", "whole files of the recipe's codecs, headers charged"),
        Label("genie", "the transmitter knows each image's own gain, and chooses by it"),
        Label("teacher", "the offline teachers classify the decoded image"),
        Label("retrained", "the classifier went on learning on decoded images"),
    )

    @property
    def summary(self) -> str:
        """What the bits are."""
        return "an image file at the best quality that fits, CRC, 5G LDPC, adaptive QAM"

    @property
    def kind(self) -> str:
        """The scheme's name without label."""
        return "separate"

    @property
    def name(self) -> str:
        """The scheme's name with its label."""
        return f"{self.kind}:{self.label}" if self.label else self.kind

    @property
    def flags(self) -> tuple[str, ...]:
        """Labels that are no codec."""
        return ("genie", "teacher", "retrained")

    def needs(self) -> dict[str, str]:
        """Whose LDPC code it is; codecs and tables are in `DigitalScheme.choices_key`."""
        return {"sionna-no-rt": version("sionna-no-rt")}

    def decoding_all(self) -> "SeparateConfig":
        """With every block decoded."""
        return replace(self, bit_true=True)

    @property
    def described(self) -> Self:
        """What journals know it by: classifiers that are trained for it are known by hash."""
        return replace(self, retraining=None)

    def parts(self, recipe: Basis) -> tuple[Part, ...]:
        """Classifiers that go on learning on decoded images."""
        if self.retraining is None:
            return ()
        found = (readers(recipe, self.retraining, who) for who in STAGES.values())
        return tuple(reader.part for own in found for reader in own)

    def check(self, run: TrainingRun, stage: str) -> None:
        """Who learns on decoded images must be trained. Raises: UserError."""
        if stage in STAGES and self.retraining is not None:
            check_decoded(run, self.retraining, STAGES[stage])

    def train(self, session: Session, stage: str) -> None:
        """The student, or the teachers, on decoded images."""
        if stage in STAGES and self.retraining is not None:
            train_decoded(session.run, self.retraining, STAGES[stage])

    def labelled(self, label: str) -> "SeparateConfig":
        """With a label. Raises: UserError if it is none."""
        words = label.split(":")
        codecs = [word for word in words if word not in self.flags]
        known = [form.codec + end for form in self.codecs for end in ("", WHOLE)] + ["files"]
        wrong = [word for word in codecs if word not in known]
        if wrong or len(codecs) > 1 or len(set(words)) < len(words):
            raise UserError(
                f"{self.kind}:{label} must have one codec at most, of {', '.join(known)}, and "
                f"any of {', '.join(self.flags)}, each once, joined by colons"
            )
        if self.bit_true and "genie" in words:
            raise UserError(f"{self.kind}:{label} cannot be decoded bit by bit; drop --bit-true")
        return replace(self, label=label)

    @property
    def _words(self) -> list[str]:
        return self.label.split(":") if self.label else []

    @property
    def _reader(self) -> str:
        return "teacher" if "teacher" in self._words else "student"

    @property
    def _retrained(self) -> bool:
        return "retrained" in self._words

    @property
    def chosen_codecs(self) -> tuple[str, ...]:
        """Names of the sources among which it chooses."""
        named = [word for word in self._words if word not in self.flags]
        if named == ["files"]:
            return tuple(codec + WHOLE for codec in self.best)
        return tuple(named) or self.best

    def sources(self, classifier: Classifier, image_shape: ImageShape) -> list[Source]:
        """The image codecs among which it chooses."""
        qualities = {own.codec: own.qualities for own in self.codecs}
        made: list[Source] = []
        for name in self.chosen_codecs:
            kind = name.removesuffix(WHOLE)
            codec = ImageCodec(kind=kind, image_shape=image_shape, qualities=qualities[kind])
            codec.needs()  # is it installed?
            whole = name.endswith(WHOLE)
            made.append(ImageSource(codec=codec, whole=whole, classifier=classifier))
        return made

    @property
    def damage(self) -> CodecDamage:
        """What its own codecs do to images."""
        qualities = {own.codec: own.qualities for own in self.codecs}
        return CodecDamage(codecs=self.best, qualities=tuple(qualities[name] for name in self.best))

    def pipes(self, k: int) -> tuple[BitPipe, ...]:
        """The digital links over k uses."""
        return pipes_of(k, payload_bits=self.payload_bits) if k in self.uses else ()

    def links(self, tried: Tried | None) -> Callable[[int], Sequence[Link]]:
        """The links over k uses; what was tried does not matter."""
        return lambda k: [CodedLink(pipe) for pipe in self.pipes(k)]

    def settings(self) -> str:
        """What is charged, what is known, and who chooses what."""
        return f"{self._files()}, {CODE}, {self._chosen()}"

    def _files(self) -> str:
        titles = [FORMATS[name.removesuffix(WHOLE)].title for name in self.chosen_codecs]
        what = "headers charged"
        if not self.chosen_codecs[0].endswith(WHOLE):
            what = "headers known (all bytes that files share; quality index charged)"
        reader = self._reader + (" retrained on decoded images" if self._retrained else "")
        return f"{' or '.join(titles)} file, {what}, classified by the {reader}"

    def _chosen(self) -> str:
        by = "each image's own SNR (CSIT)" if "genie" in self._words else "the average SNR"
        return f"chosen by {by} on validation images"

    def _classifier(self, weights: Weights) -> Classifier:
        """Who classifies the decoded image; the student is loaded in any case."""
        student = weights.classifier()
        if self._retrained:
            return retrained(weights, self.retraining, self._reader)
        return weights.teacher_classifier() if self._reader == "teacher" else student

    def build(self, weights: Weights) -> DigitalScheme:
        """The scheme for a classifier and an image size.

        Raises: UserError if a codec is not installed, or the classifier is not there.
        """
        return self.scheme_of(
            self._classifier(weights),
            image_shape=weights.dataset.image_shape,
            num_classes=weights.dataset.num_classes,
            validation=weights.dataset.validation,
            device=weights.device,
        )

    def scheme_of(
        self,
        classifier: Classifier,
        *,
        image_shape: ImageShape,
        num_classes: int,
        validation: Split | None,
        device: torch.device,
    ) -> DigitalScheme:
        """The scheme for any classifier of images, chosen on these validation images.

        Raises: UserError if a codec is not installed.
        """
        sources = self.sources(classifier, image_shape)
        tried = try_sources(sources, validation, self.validation_images, device=device)
        behaviour = Behaviour(
            name=self.name,
            version=3,
            settings=self.settings(),
            genie="genie" in self._words,
            bit_true=self.bit_true,
        )
        return DigitalScheme(
            behaviour,
            sources=sources,
            links=self.links(tried),
            uses=self.served,
            tried=tried,
            num_classes=num_classes,
        )

    @property
    def served(self) -> tuple[int, ...] | None:
        """The k that are served; None: every one."""
        return self.uses

    @property
    def bound(self) -> "CapacityConfig":
        """The capacity bound of this very scheme."""
        return CapacityConfig(
            codecs=self.codecs,
            best=self.best,
            uses=self.uses,
            payload_bits=self.payload_bits,
            validation_images=self.validation_images,
            retraining=self.retraining,
        )


@dataclass(frozen=True, kw_only=True)
class CapacityConfig(SeparateConfig):
    """The same files over links that lose nothing up to capacity."""

    labels: ClassVar[tuple[Label, ...]] = (
        *SeparateConfig.labels,
        Label("finite", "the normal approximation at a block error rate of 1e-3"),
    )

    @property
    def summary(self) -> str:
        """What the bits are."""
        return "the files of separate over as many error-free bits as capacity allows"

    def train(self, session: Session, stage: str) -> None:
        """Nothing of its own: what `separate` trains."""

    @property
    def kind(self) -> str:
        """The scheme's name without label."""
        return "capacity_bound"

    @property
    def flags(self) -> tuple[str, ...]:
        """Labels that are no codec."""
        return ("genie", "teacher", "retrained", "finite")

    def needs(self) -> dict[str, str]:
        """Nothing: no code is used."""
        return {}

    def decoding_all(self) -> "CapacityConfig":
        """The same: there is nothing to decode."""
        return self

    @property
    def served(self) -> tuple[int, ...] | None:
        """Every k."""
        return None

    def pipes(self, k: int) -> tuple[BitPipe, ...]:
        """None: no code is used."""
        return ()

    def links(self, tried: Tried | None) -> Callable[[int], Sequence[Link]]:
        """A link for every size that an image was seen to have."""
        return ideal_links(tried, finite="finite" in self._words)

    def settings(self) -> str:
        """What is charged, and what the links are."""
        code = "log2(1 + SNR) bits per use without errors"
        if "finite" in self._words:
            code = "normal approximation at a block error rate of 1e-3"
        return f"{self._files()}, {code}, {self._chosen()}"


def ideal_links(tried: Tried | None, *, finite: bool) -> Callable[[int], Sequence[Link]]:
    """Over k uses, a link without loss up to capacity for every size that an image has."""
    offers = tried.offers.values() if tried else ()
    sizes = torch.cat([offer.sizes.flatten() for offer in offers] or [torch.ones(1)]).unique()
    payloads = [int(size) for size in sizes if size < NEVER]
    return lambda k: [
        IdealLink(payload_bits=bits, channel_uses=k, finite=finite) for bits in payloads
    ]


def try_sources(
    sources: Sequence[Source], validation: Split | None, most: int, *, device: torch.device
) -> Tried | None:
    """Offers of the first validation images; None where the data holds none.

    In one thread, as workers compute: with more, rounding might turn an answer into another one.
    """
    if validation is None:
        return None
    blocks = validation.images[:most].split(BLOCK)
    offers = {}
    with cpu_threads(1):
        for source in sources:
            parts = [source.offer(block.to(device)) for block in blocks]
            sizes, answers = (torch.cat(values).cpu() for values in zip(*parts, strict=True))
            offers[source.name] = Offer(sizes, answers)
    return Tried(offers=offers, labels=validation.labels[:most].cpu())
