"""The 20 super-classes of CIFAR-100, as its author defines them.

Source: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky, Learning Multiple Layers of
Features from Tiny Images, 2009). Fine classes are numbered in alphabetical order, as in the files.
"""

from typing import Final

import torch
from torch import Tensor

from simulator.data.dataset import Dataset

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


def coarse_classes(dataset: Dataset) -> Tensor | None:
    """The coarse class of every fine class [num_classes]; None where the data has none.

    CIFAR-100 has its super-classes; digits, as a toy, are even or odd.
    """
    numbers = tuple(map(str, range(dataset.num_classes)))
    if dataset.name == "digits" and dataset.num_classes == 10:
        return torch.arange(10) % 2
    if dataset.num_classes != len(FINE) or dataset.classes not in (numbers, FINE):
        return None
    groups = [group.split() for group in SUPERCLASSES.values()]
    return torch.tensor([next(i for i, g in enumerate(groups) if name in g) for name in FINE])
