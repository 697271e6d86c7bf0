"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

RECIPE = click.argument("recipe")
DATA = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Images: parquet files in the Hugging Face layout, or one subfolder per class.",
)
WEIGHTS = click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Trained weights.  [default: results/runs/RECIPE/weights, else the committed]",
)
DEVICE = click.option(
    "--device", default="cpu", show_default=True, metavar="cpu|cuda", help="Where to compute."
)


def out_option(default: str) -> Callable[[Any], Any]:
    """The option --out with its default named in the help."""
    text = f"Folder to write to.  [default: {default}]"
    return click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help=text)


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one, in this order in the help."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate
