"""Store the outcome of every image of finished sweeps in a file small enough to commit.

`python -m benchmarks.tools.outcomes DIR ...` writes DIR/outcomes.npz from DIR/journal.jsonl; with
it `semlink compare DIR` works without the journal.
"""

import argparse
from pathlib import Path

from simulator.engine.outcomes import write_outcomes
from simulator.errors import in_one_line


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    with in_one_line("outcomes"):
        for folder in parser.parse_args().folders:
            path = write_outcomes(folder)
            print(f"{path}  ({path.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
