"""Round matrices and kernels of weights to half precision; the rest stays unchanged.

`python -m benchmarks.tools.halve FILE ...`, as for the two teachers of `cifar100` before their
outputs were cached. Parts trained from a file record its hash, so they must be trained afterwards.
"""

import argparse
from pathlib import Path

from torch import Tensor

from simulator.errors import in_one_line
from simulator.storage.files import load_tensors, save_tensors
from simulator.storage.sums import note_sum


def halve(path: Path) -> None:
    """Round one file of weights in place. Raises: UserError if it is none of semlink's."""
    tensors, header = load_tensors(path)
    save_tensors(path, {name: _halved(tensor) for name, tensor in tensors.items()}, header)
    note_sum(path)


def _halved(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() and tensor.dim() > 1 else tensor


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    with in_one_line("halve"):
        for path in parser.parse_args().files:
            halve(path)
            print(path)


if __name__ == "__main__":
    main()
