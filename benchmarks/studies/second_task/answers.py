"""A receiver's prior knowledge, its outputs for a transmission, and the tasks that they solve."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.baselines.digital import DigitalScheme
from benchmarks.baselines.digital_semantic import FeatureCoder
from channels.streams import Streams
from simulator.data.augment import augment
from simulator.data.dataset import Dataset, Split
from simulator.description.stages import AugmentConfig
from simulator.engine.evaluate import Setting, prepare_all
from simulator.errors import UserError
from simulator.scheme import Scheme, Tensors, all_delivered
from simulator.schemes.rkd_sc import RkdScheme

FIT_IMAGES: Final = 10_000  # training images for the coarse head and the mean features
DECAY: Final = 1e-4  # of the coarse head's squared weights, on features of unit variance
CPU: Final = Setting(0, torch.device("cpu"))

# Of CIFAR-100, as its author defines them: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky,
# Learning Multiple Layers of Features from Tiny Images, 2009). Fine classes are numbered in
# alphabetical order, as in the files.
SUPERCLASSES: Final = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food containers": "bottle bowl can cup plate",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
    "household electrical devices": "clock keyboard lamp telephone television",
    "household furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large carnivores": "bear leopard lion tiger wolf",
    "large man-made outdoor things": "bridge castle house road skyscraper",
    "large natural outdoor scenes": "cloud forest mountain plain sea",
    "large omnivores and herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium-sized mammals": "fox porcupine possum raccoon skunk",
    "non-insect invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles 1": "bicycle bus motorcycle pickup_truck train",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
}
FINE: Final = tuple(sorted(name for group in SUPERCLASSES.values() for name in group.split()))


@dataclass(frozen=True, eq=False)
class Known:
    """What the receiver knows in advance, all from clean features.

    Shapes: coarse_of [classes]; coarse_weights [D + 1, coarse classes]; means [classes, D];
    gallery [G, D] and views [N, D] of unit length, gallery_labels [G].
    """

    coarse_of: Tensor | None
    coarse_weights: Tensor | None
    means: Tensor
    gallery: Tensor
    gallery_labels: Tensor
    views: Tensor

    def coarse(self, features: Tensor) -> Tensor | None:
        """Super-classes [B] of features [B, D]; None if the data has no super-classes."""
        if self.coarse_weights is None:
            return None
        return (with_one(features) @ self.coarse_weights).argmax(dim=1)


class Answers(NamedTuple):
    """Answers for a block: fine [B], coarse [B] or None, query [B, D], and delivered [B]."""

    fine: Tensor
    coarse: Tensor | None
    query: Tensor
    delivered: Tensor


@dataclass(frozen=True)
class TaskReceiver(ABC):
    """A scheme whose receiver can solve the tasks."""

    scheme: Scheme

    def prepare(self, test: Split) -> Tensors:
        """The scheme's prepared tensors, with others that the answers need."""
        return prepare_all(self.scheme, test, CPU)

    @abstractmethod
    def answers(self, known: Known, prepared: Tensors, encoded: Tensors, **place: Any) -> Answers:
        """The outputs for one transmission of a block."""


@dataclass(frozen=True)
class FeatureReceiver(TaskReceiver):
    """`rkd_sc`: features arrive, with noise."""

    scheme: RkdScheme

    def answers(self, known: Known, prepared: Tensors, encoded: Tensors, **place: Any) -> Answers:
        """The classes by the fine and the coarse head; the query is the features themselves."""
        del prepared
        features = self.scheme.features(encoded, **place)
        fine = self.scheme.scores(features).argmax(dim=1)
        return Answers(fine, known.coarse(features), features, all_delivered(fine))


@dataclass(frozen=True)
class LabelReceiver(TaskReceiver):
    """`label_code`: a class arrives; only its super-class and its mean feature follow from it."""

    def answers(self, known: Known, prepared: Tensors, encoded: Tensors, **place: Any) -> Answers:
        """The decided class, with its super-class and mean feature from tables."""
        del prepared
        received = self.scheme.transmit(encoded, **place)
        decided = received.scores.argmax(dim=1)
        coarse = None if known.coarse_of is None else known.coarse_of[decided]
        return Answers(decided, coarse, known.means[decided], received.delivered)


@dataclass(frozen=True)
class QuantisedReceiver(TaskReceiver):
    """`digital_semantic`: quantised features arrive as sent, or nothing does.

    A payload whose errors the CRC misses counts as lost: its features are not those that were sent.
    """

    scheme: DigitalScheme
    coder: FeatureCoder

    def prepare(self, test: Split) -> Tensors:
        """Also the unquantised components of every image, padded with zeros to whole blocks."""
        prepared = super().prepare(test)
        components = torch.cat([self.coder.components(image) for image in test.images])
        missing = len(prepared["pixels"]) - len(components)
        return {**prepared, "components": functional.pad(components, (0, 0, 0, missing))}

    def answers(self, known: Known, prepared: Tensors, encoded: Tensors, **place: Any) -> Answers:
        """From the levels with the (rank, bits) that is chosen for this point."""
        point = (place["channel"], float(place["snr_db"][0, 0]), place["k"])
        (choice,) = self.scheme.choices([point])
        rank, bits = (int(part[1:]) for part in choice["codec"].split("_"))  # such as r16_b3
        quantiser = self.coder.quantiser
        levels = quantiser.levels(prepared["components"][:, :rank], bits)
        features = quantiser.features(levels, bits)
        received = self.scheme.transmit(encoded, **place)
        fine = received.scores.argmax(dim=1)
        delivered = received.delivered & ~received.seen["undetected"]
        return Answers(fine, known.coarse(features), features, delivered)


def coarse_classes(dataset: Dataset) -> Tensor | None:
    """The coarse class of every fine class [num_classes]; None if the data has none.

    CIFAR-100 has its super-classes; digits, as a toy example, are even or odd.
    """
    numbers = tuple(map(str, range(dataset.num_classes)))
    if dataset.name == "digits" and dataset.num_classes == 10:
        return torch.arange(10) % 2
    if dataset.num_classes != len(FINE) or dataset.classes not in (numbers, FINE):
        return None
    groups = [group.split() for group in SUPERCLASSES.values()]
    return torch.tensor([next(i for i, g in enumerate(groups) if name in g) for name in FINE])


def known_of(scheme: RkdScheme, dataset: Dataset, shifts: AugmentConfig, test: Split) -> Known:
    """Prior knowledge from features of the scheme's own student.

    The views of test images are augmented by `shifts`, from seed 0.

    Raises: UserError if the data has no training or validation images.
    """
    if dataset.train is None or dataset.validation is None:
        raise UserError("second_task needs training and validation images, but the data holds none")

    def features(split: Split) -> Tensor:
        return prepare_all(scheme, split, CPU)["features"][: len(split.labels)]

    fitted = Split(dataset.train.images[:FIT_IMAGES], dataset.train.labels[:FIT_IMAGES])
    labels, seen = fitted.labels, features(fitted)
    classes = functional.one_hot(labels, dataset.num_classes).float()
    coarse_of = coarse_classes(dataset)
    views = augment(
        test.images,
        crop_padding=shifts.crop_padding,
        flip=shifts.flip,
        generator=Streams(seed=0)("second task", "views"),
    )
    return Known(
        coarse_of=coarse_of,
        coarse_weights=None if coarse_of is None else fit_linear(seen, coarse_of[labels]),
        means=classes.T @ seen / classes.sum(dim=0).clamp_min(1)[:, None],
        gallery=functional.normalize(features(dataset.validation)),
        gallery_labels=dataset.validation.labels,
        views=functional.normalize(features(Split(views, test.labels))),
    )


def fit_linear(features: Tensor, labels: Tensor) -> Tensor:
    """Weights and bias [D + 1, classes] of multinomial logistic regression, by L-BFGS from zero.

    Shapes: features [N, D], labels [N].
    """
    scale = features.std(dim=0).clamp_min(1e-6)
    inputs = with_one(features / scale)
    weights = torch.zeros(inputs.shape[1], int(labels.max()) + 1, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        fit = functional.cross_entropy(inputs @ weights, labels)
        total = fit + DECAY * weights[:-1].square().sum()
        total.backward()
        return total

    optimiser.step(loss)
    return weights.detach() / torch.cat([scale, torch.ones(1)])[:, None]


def with_one(features: Tensor) -> Tensor:
    """Features [B, D] with a one appended, for the bias."""
    return functional.pad(features, (0, 1), value=1.0)


def nearest(query: Tensor, gallery: Tensor) -> Tensor:
    """Index of the unit vector in [G, D] that is nearest by cosine to each query [B, D]: [B]."""
    return (query @ gallery.T).argmax(dim=1)


def credits_of(answers: Answers, known: Known, labels: Tensor, first: int) -> dict[str, Tensor]:
    """Credits [n] in each task, for the n images from index `first`: 1 if correct, else 0.

    The credit of an outage is that of a uniform guess: of a class, a super-class, or a test image.
    """
    count = len(labels)
    fine, query, delivered = answers.fine[:count], answers.query[:count], answers.delivered[:count]
    classes = len(known.means)
    found = {"fine": (fine == labels, classes)}
    if answers.coarse is not None and known.coarse_of is not None:
        right = answers.coarse[:count] == known.coarse_of[labels]
        found["coarse"] = (right, int(known.coarse_of.max()) + 1)
    nearest_labels = known.gallery_labels[nearest(query, known.gallery)]
    found["retrieval"] = (nearest_labels == labels, classes)
    same = nearest(query, known.views) == first + torch.arange(count)
    found["instance"] = (same, len(known.views))
    return {
        task: torch.where(delivered, hits.double(), 1.0 / among)
        for task, (hits, among) in found.items()
    }
