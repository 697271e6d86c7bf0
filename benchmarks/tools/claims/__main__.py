"""Compare the numbers in texts with the committed tables that they come from.

`python -m benchmarks.tools.claims` prints every number with its place and its source, and then the
problems: numbers that differ from their tables, claims that do not fit, numbers without a source.
The exit status is 1 if there is a problem. `--write` puts the numbers of the tables into the texts
and changes nothing else.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures.published import CURVES, SNR_DB
from benchmarks.tools.claims.tables import Row, Table, Tables
from benchmarks.tools.claims.texts import Text, read_texts
from simulator.errors import in_one_line

ROOT = Path(__file__).resolve().parents[3]
LISTING = "tables.toml"
TEXTS = ("README.md", "results/README.md", "docs/*.md")


def published_rows() -> list[Row]:
    """The published curves, in percent."""
    return [
        {"scheme": scheme, "channel": channel, "snr_db": str(snr), "accuracy": str(percent)}
        for scheme, channel, curve in CURVES
        for snr, percent in zip(SNR_DB, curve, strict=True)
    ]


def checked(root: Path) -> list[Text]:
    """Read and check every text. Raises: UserError if a file of claims is invalid."""
    folder = root / "docs/claims"
    published = Table("published", ("scheme", "channel", "snr_db"), frozenset(), published_rows)
    tables = Tables(folder / LISTING, root / "results/reference", published)
    sidecars = sorted(path for path in folder.glob("*.toml") if path.name != LISTING)
    claimed = read_texts(sidecars, root)
    texts = [*claimed, *_without_claims(root, {text.path for text in claimed})]
    for text in texts:
        text.check(tables)
    return texts


def _without_claims(root: Path, claimed: set[Path]) -> Iterator[Text]:
    """The texts without claims, which must not hold a number that needs a source."""
    paths = {path for pattern in TEXTS for path in root.glob(pattern)}
    for path in sorted(paths - claimed):
        yield Text(path, str(path.relative_to(root)), [], [])


def listed(text: Text) -> Iterator[str]:
    """A line for each number: its place, the number, and what it is computed from."""
    for slot, wanted, source in sorted(text.sourced):
        yield f"{text.line(slot)}  {wanted}  {source}"


def write(root: Path) -> None:
    """Put the numbers of the tables into the texts."""
    for text in checked(root):
        if text.wrong:
            text.path.write_bytes(text.written().encode("utf-8"))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="correct the numbers in the texts")
    parser.add_argument("--quiet", action="store_true", help="print only what is wrong")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (default: this one)")
    options = parser.parse_args()
    with in_one_line("claims"):
        if options.write:
            write(options.root)
        report(checked(options.root), quiet=options.quiet)


def report(texts: list[Text], *, quiet: bool) -> None:
    """Print numbers and problems. Raises: SystemExit with status 1 if there is a problem."""
    problems = [problem for text in texts for problem in text.problems]
    found = [line for text in texts for line in listed(text)]
    for line in [*([] if quiet else found), *problems]:
        print(line)
    print(f"{len(found)} numbers of {len(texts)} texts, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
