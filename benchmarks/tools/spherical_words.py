"""Optimise the codewords of the label code for sizes in which a simplex code does not fit.

`python -m benchmarks.tools.spherical_words` writes
results/reference/label_codes/words.safetensors, in a few seconds on one core.

Starting from random words, Adam minimises the logarithm of the union bound on AWGN. A second phase
adds the logarithm of the Chernoff bound on fast Rayleigh fading, the sum over pairs of words of
prod_t 1 / (1 + |d_t|^2 / (4 N0)), which is low if the distance is spread over the channel uses.
Rotating all words leaves the bound on AWGN unchanged, so the second bound costs it next to nothing.
"""

import argparse
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from benchmarks.baselines.spherical import WORDS, words_name
from channels.streams import Streams
from simulator.progress import progress
from simulator.storage.files import save_tensors

SIZES: Final = (
    *((100, 8), (100, 16)),  # at 32 uses biorthogonal words are as good
    *((10, 1), (10, 2), (10, 3), (10, 4)),
)  # classes, channel uses
ENERGY_DB: Final = 8.0  # energy of a word over N0, on AWGN
FAST_ENERGY_DB: Final = 13.0  # the same on fast fading, for a similar error rate
FAST_SHARE: Final = 0.2  # weight of the second bound in the loss
STEPS: Final = (1000, 200)  # with only the first bound, then with both
RATES: Final = (0.02, 0.01)  # initial learning rate of each phase, decayed to 0 by half a cosine


def optimised_words(num_classes: int, k: int) -> Tensor:
    """Optimised words of energy 1 as pairs (re, im) per use, [num_classes, 2k] float32."""
    generator = Streams(seed=0)("spherical words", num_classes, k)
    words = torch.randn(num_classes, 2 * k, generator=generator, dtype=torch.float64)
    for fast, steps, rate in zip((False, True), STEPS, RATES, strict=True):
        words = _descended(words, steps, rate, fast=fast)
    return _unit(words).float()


def _descended(words: Tensor, steps: int, rate: float, *, fast: bool) -> Tensor:
    words = words.clone().requires_grad_()
    optimiser = torch.optim.Adam([words], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.autograd.backward(_loss(_unit(words), fast=fast))
        optimiser.step()
        schedule.step()
    return words.detach()


def _loss(words: Tensor, *, fast: bool) -> Tensor:
    bound = union_bound(words, 10 ** (ENERGY_DB / 10)).log()
    if not fast:
        return bound
    return bound + FAST_SHARE * _log_fast_bound(words, 10 ** (FAST_ENERGY_DB / 10))


def union_bound(words: Tensor, energy_ratio: float) -> Tensor:
    """Union bound on the error rate on AWGN: mean over words of the sum of Q(d / sqrt(2 N0)).

    The sum is over all other words, at distance d.

    Shapes: words [M, 2k] of energy 1 -> scalar.
    Units: energy_ratio is the energy of a word over N0, linear.
    """
    i, j = torch.triu_indices(len(words), len(words), offset=1)
    distance = 2 * energy_ratio * (1 - (words @ words.T)[i, j])  # d^2 / N0
    bound: Tensor = torch.special.erfc((distance / 4).sqrt()).sum() / len(words)
    return bound


def _log_fast_bound(words: Tensor, energy_ratio: float) -> Tensor:
    uses = words.reshape(len(words), -1, 2).transpose(0, 1)  # [k, M, 2]
    energy = uses.square().sum(dim=2)
    distance = energy[:, :, None] + energy[:, None] - 2 * uses @ uses.transpose(1, 2)
    i, j = torch.triu_indices(len(words), len(words), offset=1)
    return (-(energy_ratio * distance[:, i, j] / 4).log1p().sum(dim=0)).logsumexp(dim=0)


def _unit(words: Tensor) -> Tensor:
    unit: Tensor = words / words.norm(dim=1, keepdim=True)
    return unit


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WORDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = progress(SIZES, desc="words", unit="size")
    words = {words_name(*size): optimised_words(*size) for size in sizes}
    save_tensors(options.out, words, {"energy_db": ENERGY_DB, "seed": 0})


if __name__ == "__main__":
    main()
