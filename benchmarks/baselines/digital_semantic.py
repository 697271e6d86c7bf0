"""Features sent as bits (B7): the student's, quantised and entropy-coded, over 5G LDPC and QAM.

Student features -> r principal components -> b-bit uniform quantiser -> arithmetic coding -> the
link of `separate` -> levels -> a linear head that was trained on quantised features. (r, b) is
chosen on validation images together with modulation and rate: every pair is a source of its own.
The length of the code differs from image to image; one that is too long for the link is an outage.
Labels behind the name, joined by colons: `genie` as for `separate`, `bound` for the same bits over
links that lose nothing, and with it `finite`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from typing import Any, ClassVar, Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.baselines.adaptation import CodedLink, Link, pipes_of
from benchmarks.baselines.digital import Behaviour, DigitalScheme, Tried
from benchmarks.baselines.entropy_code import EntropyCode
from benchmarks.baselines.separate import CODE, ideal_links, try_sources
from benchmarks.baselines.sources import Offer, cached
from channels.digital.bit_pipe import BitPipe
from models import FeatureQuantiser, FeatureQuantiserConfig
from simulator.data.dataset import Split
from simulator.description.basis import Basis, Part
from simulator.description.stages import TrainConfig
from simulator.device import cpu_threads
from simulator.errors import UserError
from simulator.scheme import in_pieces
from simulator.schemes.contract import ImageShape, Label, WithoutWeights
from simulator.training.loop import Epoch, Lesson, train_part
from simulator.training.run import accuracy, validation_outputs
from simulator.training.student import Session, Taught
from simulator.training.weights import Weights

KIND: Final = "digital_semantic"
FLAGS: Final = ("genie", "bound", "finite")
VERSION: Final = 1  # of what is computed of an image


class FeatureCoder:
    """Images to components, for every (rank, bits) to bits, and back to classes.

    An image goes through the student by itself and in one thread: with others beside it, or more
    threads, rounding might move a component into another cell, and other bits would be sent than
    those that were counted.
    """

    def __init__(
        self, features: Callable[[Tensor], Tensor], quantiser: FeatureQuantiser, *, key: str
    ) -> None:
        """Features of images [B, C, H, W] in [0, 1], what quantises them, a key of the weights."""
        self._features = features
        self.quantiser = quantiser
        self.options = quantiser.config.options
        self.identity = {
            "source": "quantised features",
            "version": VERSION,
            "weights": key,
            "packages": {"constriction": version("constriction")},
        }
        self.code = cache(self._code)

    def _code(self, rank: int, bits: int) -> EntropyCode:
        return EntropyCode(self.quantiser.probabilities(rank, bits).cpu().numpy())

    @torch.inference_mode()
    def components(self, image: Tensor) -> Tensor:
        """Components [1, R] of one image [C, H, W] uint8."""
        with cpu_threads(1):
            return self.quantiser.components(self._features(image[None].float() / 255))

    def encode(self, components: Tensor, rank: int, bits: int) -> list[Tensor]:
        """The bits that stand for the levels of components [B, R], each uint8 [n]."""
        levels = self.quantiser.levels(components[:, :rank], bits).cpu().numpy().astype("int32")
        code = self.code(rank, bits)
        return [torch.from_numpy(code.encode(own)) for own in levels]

    def offers(self, images: Tensor) -> dict[str, Tensor]:
        """Sizes and answers [B, options] of images [B, C, H, W] uint8, kept in the cache."""
        return cached(self.identity, images, lambda: self._compute(images))

    @torch.inference_mode()
    def _compute(self, images: Tensor) -> dict[str, Tensor]:
        sizes = torch.zeros((len(images), len(self.options)), dtype=torch.int32)
        answers = torch.zeros_like(sizes, dtype=torch.int16)
        components = torch.cat([self.components(image) for image in images])
        for column, (rank, bits) in enumerate(self.options):
            sent = self.encode(components, rank, bits)
            sizes[:, column] = torch.tensor([len(own) for own in sent])
            levels = self.quantiser.levels(components[:, :rank], bits)
            answers[:, column] = self.quantiser.scores(levels, bits).argmax(dim=1)
        return {"sizes": sizes, "answers": answers}


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureSource:
    """Features as so many components of so many bits: one option."""

    coder: FeatureCoder
    rank: int
    bits_each: int

    @property
    def name(self) -> str:
        """Its name in tables of choices, such as r16_b3."""
        return f"r{self.rank}_b{self.bits_each}"

    @property
    def identity(self) -> dict[str, Any]:
        """Student, quantiser, and version of the coder."""
        return {**self.coder.identity, "option": self.name}

    def offer(self, images: Tensor) -> Offer:
        """Size and answer of every image; all pairs are computed at once, and kept."""
        found = self.coder.offers(images)
        column = [self.coder.options.index((self.rank, self.bits_each))]
        return Offer(found["sizes"][:, column], found["answers"][:, column])

    def bits(self, image: Tensor, option: int) -> Tensor:
        """The entropy code of the levels; zeros may follow it."""
        return self.coder.encode(self.coder.components(image), self.rank, self.bits_each)[0]

    @torch.inference_mode()
    def answers(self, payloads: Tensor) -> tuple[Tensor, Tensor]:
        """Decode and classify. Damaged bits usually are levels too: other ones."""
        code, quantiser = self.coder.code(self.rank, self.bits_each), self.coder.quantiser
        found = [code.decode(payload.cpu().numpy()) for payload in payloads]
        readable = torch.tensor([levels is not None for levels in found], device=payloads.device)
        blank = torch.zeros(self.rank, dtype=torch.int64)
        levels = torch.stack([blank if own is None else torch.from_numpy(own) for own in found])
        scores = quantiser.scores(levels.to(payloads.device), self.bits_each)
        return scores.argmax(dim=1), readable


@dataclass(frozen=True, kw_only=True)
class QuantiserStage:
    """What is made of the student's features, and the training of the heads behind it."""

    model: FeatureQuantiserConfig
    training: TrainConfig


@dataclass(frozen=True, kw_only=True)
class DigitalSemanticConfig(WithoutWeights):
    """Where quantised features are sent, and on what everything is chosen."""

    uses: tuple[int, ...]  # k that are served
    payload_bits: tuple[int, int]  # (least, most); links that carry less or more are not tried
    validation_images: int  # on the first so many everything is chosen
    label: str = ""
    bit_true: bool = False  # True: every block is decoded; False: block error rates from a table
    quantiser: QuantiserStage | None = None  # None: it cannot be trained

    labels: ClassVar = (
        Label("genie", "the transmitter knows each image's own gain, and chooses by it"),
        Label("bound", "the same bits over links that lose nothing up to capacity"),
        Label("finite", "with bound: the normal approximation at a block error rate of 1e-3"),
    )
    summary = "the student's features, quantised and entropy-coded, CRC, 5G LDPC, adaptive QAM"

    @property
    def name(self) -> str:
        """The scheme's name with its label."""
        return f"{KIND}:{self.label}" if self.label else KIND

    @property
    def _words(self) -> list[str]:
        return self.label.split(":") if self.label else []

    def needs(self) -> dict[str, str]:
        """Whose LDPC code it is; the coder and the tables are in `DigitalScheme.choices_key`."""
        return {} if "bound" in self._words else {"sionna-no-rt": version("sionna-no-rt")}

    def decoding_all(self) -> "DigitalSemanticConfig":
        """With every block decoded."""
        return replace(self, bit_true=True)

    def labelled(self, label: str) -> "DigitalSemanticConfig":
        """With a label. Raises: UserError if it is none."""
        words = label.split(":")
        if not set(words) <= set(FLAGS) or len(set(words)) < len(words):
            raise UserError(
                f"digital_semantic:{label} must have any of {', '.join(FLAGS)}, each once, joined "
                "by colons"
            )
        if "finite" in words and "bound" not in words:
            raise UserError(f"digital_semantic:{label} must be a bound to be finite: bound:finite")
        if self.bit_true and "genie" in words and "bound" not in words:
            raise UserError(
                f"digital_semantic:{label} cannot be decoded bit by bit; drop --bit-true"
            )
        return replace(self, label=label)

    def pipes(self, k: int) -> tuple[BitPipe, ...]:
        """The digital links over k uses."""
        if k not in self.uses:
            return ()
        return pipes_of(k, payload_bits=self.payload_bits)

    def links(self, tried: Tried | None) -> Callable[[int], Sequence[Link]]:
        """The links over k uses, or for the bound those that lose nothing up to capacity."""
        if "bound" in self._words:
            return ideal_links(tried, finite="finite" in self._words)
        return lambda k: [CodedLink(pipe) for pipe in self.pipes(k)]

    def settings(self, quantiser: FeatureQuantiser) -> str:
        """What is charged, what is known, and who chooses what."""
        ranks, bits = quantiser.config.ranks, quantiser.config.bits
        code = CODE
        if "bound" in self._words:
            code = "log2(1 + SNR) bits per use without errors"
        if "finite" in self._words:
            code = "normal approximation at a block error rate of 1e-3"
        by = "each image's own SNR (CSIT)" if "genie" in self._words else "the average SNR"
        return (
            f"{ranks[0]} to {ranks[-1]} principal components of {bits[0]} to {bits[-1]} bits, "
            f"arithmetic coding (tables known, no header), {code}, chosen by {by} on validation "
            "images"
        )

    @property
    def described(self) -> Self:
        """What journals know it by: its quantiser is known by hash."""
        return replace(self, quantiser=None)

    def part(self, recipe: Basis) -> Part:
        """The quantiser and its heads."""
        made_from = tuple(part.name for part in recipe.student_parts())
        return Part(KIND, (*recipe.seen, self.quantiser), made_from, "head")

    def parts(self, recipe: Basis) -> tuple[Part, ...]:
        """The quantiser and its heads."""
        return () if self.quantiser is None else (self.part(recipe),)

    def needed(self, recipe: Basis, image_shape: ImageShape) -> tuple[Part, ...]:
        """The same."""
        return self.parts(recipe)

    def train(self, session: Session, stage: str) -> None:
        """Fit to the frozen student's features; then every head learns what is left of them."""
        if stage != "head" or self.quantiser is None:
            return
        run, taught = session.run, session.taught()
        lesson = QuantiserLesson(
            run=run,
            part=self.part(run.recipe),
            config=self.quantiser.training,
            threads=1,
            model=self.quantiser.model,
            taught=taught,
            validation=validation_outputs(run, taught.student.body),
        )
        train_part(lesson)

    def coder(self, weights: Weights) -> FeatureCoder:
        """Student and quantiser. Raises: UserError if they are not trained."""
        recipe, stage = weights.recipe, self.quantiser
        if stage is None:
            raise UserError(f"recipe {recipe.name} has no quantiser of features")
        body, part = weights.student().body, self.part(recipe)
        quantiser = weights.load(
            part, partial(stage.model.build, num_classes=weights.dataset.num_classes)
        )
        key = weights.key((recipe.student_parts().student.name, part.name))
        return FeatureCoder(lambda images: in_pieces(body, images), quantiser, key=key)

    def build(self, weights: Weights) -> DigitalScheme:
        """The scheme for a student and its quantiser. Raises: UserError if they are not trained."""
        weights.classifier()  # its head is what those of the quantiser began as
        return self.scheme_of(
            self.coder(weights),
            num_classes=weights.dataset.num_classes,
            validation=weights.dataset.validation,
            device=weights.device,
        )

    def scheme_of(
        self,
        coder: FeatureCoder,
        *,
        num_classes: int,
        validation: Split | None,
        device: torch.device,
    ) -> DigitalScheme:
        """The scheme for any coder of features, chosen on these validation images."""
        sources = [
            FeatureSource(coder=coder, rank=rank, bits_each=bits) for rank, bits in coder.options
        ]
        tried = try_sources(sources, validation, self.validation_images, device=device)
        bound = "bound" in self._words
        behaviour = Behaviour(
            name=self.name,
            version=2,
            settings=self.settings(coder.quantiser),
            genie="genie" in self._words,
            bit_true=self.bit_true and not bound,
        )
        return DigitalScheme(
            behaviour,
            sources=sources,
            links=self.links(tried),
            uses=None if bound else self.uses,
            tried=tried,
            num_classes=num_classes,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantiserLesson(Lesson[FeatureQuantiser]):
    """A quantiser of frozen features, and its heads by cross-entropy of quantised features.

    Heads begin as the recipe's own head, seen through the principal components. None ever meets a
    channel: what arrives has no errors.
    """

    model: FeatureQuantiserConfig
    taught: Taught
    validation: Tensor  # features [M, D]

    def build(self) -> FeatureQuantiser:
        """Fitted to the features, unless it is finished and all is loaded."""
        model = self.model.build(num_classes=self.run.dataset.num_classes)
        if not self.run.path(self.part.name).exists():
            model.to(self.run.device).fit(list(self.taught.features), self.taught.head)
        return model

    def epoch(self, model: FeatureQuantiser, index: int) -> Epoch:
        """The mean loss of all heads on one shared view."""
        features = self.taught.features
        with torch.no_grad():
            components = model.components(features[index % len(features)].float())

        def loss(indices: Tensor) -> Tensor:
            seen, right = components[indices], self.labels[indices]
            scores = [
                model.scores(model.levels(seen[:, :r], bits), bits)
                for r, bits in self.model.options
            ]
            return torch.stack([functional.cross_entropy(own, right) for own in scores]).mean()

        return Epoch(loss)

    def validate(self, model: FeatureQuantiser) -> float:
        """Accuracy of the best head."""
        seen, labels = model.components(self.validation), self.run.validation.labels
        found = [
            accuracy(model.scores(model.levels(seen[:, :rank], bits), bits), labels)
            for rank, bits in self.model.options
        ]
        return max(found)
