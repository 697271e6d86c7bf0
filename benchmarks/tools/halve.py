"""Round matrices and kernels of weights to half precision; the rest stays unchanged.

`python -m benchmarks.tools.halve FILE ...` was run on the two teachers of `cifar100` before their
outputs were cached. Parts trained from a file record its hash, so train them after this step.
`--every N` also thins the training history in the file, which takes more space than the weights of
a small network; `history/PART.csv` beside the weights keeps the full history.
"""

import argparse
from pathlib import Path

from torch import Tensor

from simulator.errors import in_one_line
from simulator.storage.files import load_tensors, save_tensors
from simulator.storage.sums import note_sum


def halve(path: Path, *, every: int = 1) -> None:
    """Round one file of weights in place; keep every `every`-th epoch of its history and the last.

    Raises: UserError if it is not a file of weights of semlink.
    """
    tensors, header = load_tensors(path)
    if every > 1 and "history" in header:
        header["history"] = _thinned(header["history"], every)
    save_tensors(path, {name: _halved(tensor) for name, tensor in tensors.items()}, header)
    note_sum(path)


def _halved(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() and tensor.dim() > 1 else tensor


def _thinned(history: list[dict[str, float]], every: int) -> list[dict[str, float]]:
    return [own for own in history if own["epoch"] % every == 0 or own is history[-1]]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="thin the history")
    options = parser.parse_args()
    with in_one_line("halve"):
        for path in options.files:
            halve(path, every=options.every)
            print(path)


if __name__ == "__main__":
    main()
