"""Named experiments: functions that return a whole description.

A recipe says what to compute. Where to compute it (`--device`, `--out`) and which part of the grid
(`--snr-db`, `--channel-uses`, ...) is the command line's business.
"""

from benchmarks.recipes.cifar100 import cifar100, cifar100_gpu, images
from benchmarks.recipes.digits import digits

__all__ = ["RECIPES", "cifar100", "cifar100_gpu", "digits", "images"]

RECIPES = (digits, cifar100, cifar100_gpu, images)
