"""The student's features, quantised and entropy-coded, as bits over 5G LDPC and QAM.

Student features -> r principal components -> b-bit uniform quantiser -> arithmetic coding -> the
link of `separate` -> levels -> a linear head that was trained on quantised features. (r, b) is
chosen on validation images together with modulation and rate: every pair is a separate source.
The length of the code differs from image to image; an image whose code is too long for the link is
an outage. For up to 100 bits there are also 5G polar links beside those of `separate`. With
`few_bits` there are also sources of a few bits (`benchmarks.baselines.words`), over 5G small block
codes. Labels follow the name, joined by colons: `genie` as for `separate`, `bound` for the same
bits over links that are error-free up to capacity, and with it `finite`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from typing import Any, ClassVar, Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.baselines.adaptation import IdealLink, Link, polar_pipes_of, small_pipes_of
from benchmarks.baselines.digital import DigitalConfig, DigitalScheme
from benchmarks.baselines.entropy_code import EntropyCode
from benchmarks.baselines.sources import Offer, cached
from benchmarks.baselines.words import STAGE, NumberSource, fit_words, number_sources
from channels.digital.bit_pipe import CodedPipe
from models import FeatureQuantiser, FeatureQuantiserConfig, VectorQuantiserConfig
from simulator.data.dataset import Dataset
from simulator.description.basis import Basis, Part
from simulator.description.stages import TrainConfig
from simulator.device import cpu_threads
from simulator.errors import UserError
from simulator.scheme import in_pieces
from simulator.schemes.contract import ImageShape, Label
from simulator.training.loop import Epoch, Lesson, train_part
from simulator.training.run import TrainingRun, accuracy, check_finished, validation_outputs
from simulator.training.student import Session, TrainedStudent
from simulator.training.weights import Weights

VERSION: Final = 1  # of the computation for an image
MOST_KEPT: Final = 20_000  # images whose features are kept in memory


class FeatureCoder:
    """Maps images to principal components, and these to coded bits for every (rank, bits).

    Images pass through the student one at a time and in one thread. In a batch, or with more
    threads, rounding might move a component into another cell, and the bits sent would differ from
    those counted.
    """

    def __init__(
        self, features: Callable[[Tensor], Tensor], quantiser: FeatureQuantiser, *, key: str
    ) -> None:
        """Features of images [B, C, H, W] in [0, 1], their quantiser, and a key of the weights."""
        self._network = features
        self.quantiser = quantiser
        self.options = quantiser.config.options
        self.identity = {
            "source": "quantised features",
            "version": VERSION,
            "weights": key,
            "packages": {"constriction": version("constriction")},
        }
        self.code = cache(self._code)
        self._kept: dict[bytes, Tensor] = {}  # pixels -> features

    def _code(self, rank: int, bits: int) -> EntropyCode:
        return EntropyCode(self.quantiser.probabilities(rank, bits).cpu().numpy())

    @torch.inference_mode()
    def features(self, image: Tensor) -> Tensor:
        """Features [1, D] of one image uint8 [C, H, W]; kept for the next points of a sweep."""
        pixels = image.cpu().numpy().tobytes()
        if pixels not in self._kept:
            if len(self._kept) == MOST_KEPT:
                self._kept.clear()
            with cpu_threads(1):
                self._kept[pixels] = self._network(image[None].float() / 255)
        return self._kept[pixels]

    @torch.inference_mode()
    def components(self, image: Tensor) -> Tensor:
        """Components [1, R] of one image [C, H, W] uint8."""
        with cpu_threads(1):
            return self.quantiser.components(self.features(image))

    def encode(self, components: Tensor, rank: int, bits: int) -> list[Tensor]:
        """The coded levels of components [B, R]: for each image, bits uint8 [n]."""
        levels = self.quantiser.levels(components[:, :rank], bits).cpu().numpy().astype("int32")
        code = self.code(rank, bits)
        return [torch.from_numpy(code.encode(own)) for own in levels]

    @torch.inference_mode()
    def offers(self, images: Tensor) -> dict[str, Tensor]:
        """Sizes and answers [B, options] of images [B, C, H, W] uint8."""
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
    """A source of features as `rank` components of `bits_each` bits each; it has one option."""

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
        """Size and answer of every image; all (rank, bits) are computed at once, and cached."""
        found = cached(self.coder.identity, images, lambda: self.coder.offers(images))
        column = [self.coder.options.index((self.rank, self.bits_each))]
        return Offer(found["sizes"][:, column], found["answers"][:, column])

    def bits(self, image: Tensor, option: int) -> Tensor:
        """The entropy code of the levels; zeros may follow it."""
        return self.coder.encode(self.coder.components(image), self.rank, self.bits_each)[0]

    @torch.inference_mode()
    def answers(self, payloads: Tensor) -> tuple[Tensor, Tensor]:
        """Decode and classify. Damaged bits are usually readable, but give other levels."""
        code, quantiser = self.coder.code(self.rank, self.bits_each), self.coder.quantiser
        found = [code.decode(payload.cpu().numpy()) for payload in payloads]
        readable = torch.tensor([levels is not None for levels in found], device=payloads.device)
        blank = torch.zeros(self.rank, dtype=torch.int64)
        levels = torch.stack([blank if own is None else torch.from_numpy(own) for own in found])
        scores = quantiser.scores(levels.to(payloads.device), self.bits_each)
        return scores.argmax(dim=1), readable


@dataclass(frozen=True, kw_only=True)
class QuantiserStage:
    """The quantiser of the student's features, and the training of the heads behind it."""

    model: FeatureQuantiserConfig
    training: TrainConfig


@dataclass(frozen=True, kw_only=True)
class DigitalSemanticConfig(DigitalConfig):
    """Quantised features over digital links, and the data for their choice."""

    quantiser: QuantiserStage | None = None  # None: it cannot be trained
    few_bits: VectorQuantiserConfig | None = None  # None: no sources of a few bits, no short codes

    kind = "digital_semantic"
    flags = ("genie", "bound", "finite")
    version = 5
    labels: ClassVar = (
        Label("genie", "the transmitter knows the gain of each image, and chooses by it"),
        Label("bound", "the same bits over links that are error-free up to capacity"),
        Label("finite", "with bound: the normal approximation at a block error rate of 1e-3"),
    )

    @property
    def described(self) -> Self:
        """Its description in journals; quantisers are identified by the hashes of their files."""
        return replace(self, quantiser=None, few_bits=None)

    @property
    def code(self) -> str:
        """Channel codes and modulations in words, with small block codes and polar codes."""
        small = "" if self.few_bits is None else "5G small block codes (no CRC), "
        return f"{small}5G polar codes (CRC of 6 or 11 bits) or {super().code}"

    @property
    def ideal_code(self) -> str:
        """The links of a bound in words; with short sources, also beyond capacity."""
        beyond = "" if self.few_bits is None else ", beyond that as few as Fano's inequality allows"
        return f"{super().ideal_code}{beyond}"

    def links(self, k: int, offers: Mapping[str, Offer]) -> list[Link]:
        """As `DigitalConfig.links`; with short sources, those of a bound may exceed capacity."""
        links = super().links(k, offers)
        if self.few_bits is None or "finite" in self.words:
            return links
        return [replace(own, lossy=True) if isinstance(own, IdealLink) else own for own in links]

    def pipes(self, k: int) -> tuple[CodedPipe, ...]:
        """The links over k uses, the smallest first; a bound has none."""
        pipes = super().pipes(k)
        if not pipes:
            return ()
        small = () if self.few_bits is None else small_pipes_of(k)
        polar = polar_pipes_of(k, payload_bits=self.payload_bits)
        return tuple(sorted((*small, *polar, *pipes), key=lambda pipe: pipe.payload_bits))

    def part(self, recipe: Basis) -> Part:
        """The quantiser and its heads."""
        made_from = tuple(part.name for part in recipe.student_parts())
        return Part(self.kind, (*recipe.seen, self.quantiser), made_from, "head", 0.02)

    def words_part(self, recipe: Basis) -> Part:
        """The words, which are centroids of features."""
        made_from = tuple(part.name for part in recipe.student_parts())
        return Part(f"{self.kind}_words", (self.few_bits,), made_from, STAGE)

    def parts(self, recipe: Basis) -> tuple[Part, ...]:
        """The quantiser and its heads, and the words."""
        quantiser = () if self.quantiser is None else (self.part(recipe),)
        return (*quantiser, *(() if self.few_bits is None else (self.words_part(recipe),)))

    def needed(self, recipe: Basis, image_shape: ImageShape) -> tuple[Part, ...]:
        """The same parts: all of them are needed."""
        return self.parts(recipe)

    def check(self, run: TrainingRun, stage: str) -> None:
        """Check that the student is trained before its words are fitted. Raises: UserError."""
        if stage == STAGE and self.few_bits is not None:
            check_finished(run, *run.recipe.student_parts())

    def train(self, session: Session, stage: str) -> None:
        """Fit the words, or the quantiser and its heads, to the frozen student's features."""
        if stage == STAGE and self.few_bits is not None:
            fit_words(session.run, self.words_part(session.run.recipe), self.few_bits)
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
        weights.classifier()  # the quantiser's heads started from its head, which must exist
        coder = self.coder(weights)
        short = self._short(weights, coder)
        return self.scheme_of(coder, weights.dataset, weights.device, short=short)

    def _short(self, weights: Weights, coder: FeatureCoder) -> list[NumberSource]:
        """Sources of a few bits. Raises: UserError if the words are not fitted."""
        if self.few_bits is None:
            return []
        part, head = self.words_part(weights.recipe), weights.recipe.student_parts().head
        words = weights.load(part, self.few_bits.build)
        identity = {**coder.identity, "words": weights.key((head.name, part.name))}
        return number_sources(coder.features, words, weights.head(), identity=identity)

    def scheme_of(
        self,
        coder: FeatureCoder,
        dataset: Dataset,
        device: torch.device,
        *,
        short: Sequence[NumberSource] = (),
    ) -> DigitalScheme:
        """The scheme for any coder of features and any sources of a few bits."""
        ranks, each = coder.quantiser.config.ranks, coder.quantiser.config.bits
        bits = (
            f"{ranks[0]} to {ranks[-1]} principal components of {each[0]} to {each[-1]} bits, "
            "arithmetic coding (tables known, no header)"
        )
        if short:
            lengths = [source.length for source in short]
            words = f"words of features of {min(lengths)} to {max(lengths)} bits"
            bits = f"the class, {words}, or {bits}"
        features = [FeatureSource(coder=coder, rank=r, bits_each=b) for r, b in coder.options]
        return DigitalScheme(self, [*short, *features], bits=bits, dataset=dataset, device=device)


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantiserLesson(Lesson[FeatureQuantiser]):
    """Training of a quantiser of frozen features, and of its heads by cross-entropy.

    Heads start from the recipe's own head, expressed in principal components, and are trained on
    quantised features without a channel: payloads that arrive have no errors.
    """

    model: FeatureQuantiserConfig
    taught: TrainedStudent
    validation: Tensor  # features [M, D]

    def build(self) -> FeatureQuantiser:
        """The quantiser, fitted to the features unless finished weights will be loaded."""
        model = self.model.build(num_classes=self.run.dataset.num_classes)
        if not self.run.path(self.part.name).exists():
            model.to(self.run.device).fit(list(self.taught.features), self.taught.head)
        return model

    def _scores(self, model: FeatureQuantiser, components: Tensor) -> list[Tensor]:
        """Scores of every head."""
        return [
            model.scores(model.levels(components[:, :rank], bits), bits)
            for rank, bits in self.model.options
        ]

    def epoch(self, model: FeatureQuantiser, index: int) -> Epoch:
        """The mean loss of all heads on one shared view."""
        features = self.taught.features
        with torch.no_grad():
            components = model.components(features[index % len(features)].float())

        def loss(indices: Tensor) -> Tensor:
            scores, right = self._scores(model, components[indices]), self.labels[indices]
            return torch.stack([functional.cross_entropy(own, right) for own in scores]).mean()

        return Epoch(loss)

    def validate(self, model: FeatureQuantiser) -> float:
        """Accuracy of the best head."""
        found = self._scores(model, model.components(self.validation))
        return max(accuracy(scores, self.run.validation.labels) for scores in found)
