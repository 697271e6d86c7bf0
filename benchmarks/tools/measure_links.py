"""Measure the block error rates of the links of all recipes.

`python -m benchmarks.tools.measure_links` writes the tables that are missing from
results/reference/block_errors.
"""

import torch

from benchmarks.baselines.block_errors import COMMITTED, file_name, keep, measure
from benchmarks.baselines.digital_semantic import DigitalSemanticConfig
from benchmarks.baselines.separate import SeparateConfig
from benchmarks.recipes import RECIPES


def main() -> None:
    """Measure every link that has no table yet."""
    torch.set_num_threads(1)
    baselines = [scheme for recipe in RECIPES for scheme in recipe().schemes]
    pipes = [
        pipe
        for baseline in baselines
        if isinstance(baseline, SeparateConfig | DigitalSemanticConfig)
        for k in baseline.uses
        for pipe in baseline.pipes(k)
    ]
    for pipe in dict.fromkeys(pipes):
        if (COMMITTED / file_name(pipe)).exists():
            continue
        table = measure(pipe)
        keep(table, pipe, COMMITTED)
        print(pipe)
        rows = zip(table.snr_db, table.blocks, table.errors, table.undetected, strict=True)
        for snr_db, blocks, errors, undetected in rows:
            print(f"  {snr_db:6.2f} dB  {errors:6} of {blocks:6}, {undetected} undetected")


if __name__ == "__main__":
    main()
