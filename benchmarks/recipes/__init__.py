"""Named experiments: functions that return a complete description.

A recipe describes what to compute. The command line decides where (`--device`, `--out`) and which
part of the grid (`--snr-db`, `--channel-uses`, ...).
"""

from collections.abc import Callable

from benchmarks.recipes.cifar100 import cifar100, cifar100_gpu, images
from benchmarks.recipes.digits import digits
from simulator import names
from simulator.schemes.experiment import Experiment

__all__ = ["RECIPES", "cifar100", "cifar100_gpu", "digits", "images"]

RECIPES: tuple[Callable[[], Experiment], ...] = tuple(globals()[name] for name in names.RECIPES)
