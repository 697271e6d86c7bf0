"""Options of `semlink search`, and the one that takes what it found."""

from pathlib import Path

import click

from simulator.shared_options import together

STUDENT = click.option(
    "--student",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A genotype.json of semlink search, in place of the recipe's student.",
)
search_options = together(
    click.option(
        "--preset",
        type=click.Choice(["cpu", "gpu"]),
        default="cpu",
        show_default=True,
        help="Search space, sizes and length.",
    ),
    click.option(
        "--lambda",
        "penalty",
        type=float,
        default=0.1,
        show_default=True,
        metavar="L",
        help="Weight of max(0, ln(expected parameters / target)).",
    ),
    click.option(
        "--target-params", metavar="N", help="Such as 800k or 1.2M.  [default: the preset's]"
    ),
    click.option(
        "--teaching",
        type=click.Choice(["kd", "ce"]),
        default="kd",
        show_default=True,
        help="The recipe's distillation loss, or labels alone (the control).",
    ),
    click.option(
        "--seeds", type=int, default=1, show_default=True, help="Searches to choose among."
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="Seed of the first search."
    ),
    click.option(
        "--images-size", type=int, metavar="H", help="Search on images of this side, averaged down."
    ),
    click.option("--epochs", type=int, metavar="E", help="Of the search.  [default: the preset's]"),
    click.option(
        "--training",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Training whose teachers teach (stage cache).  [default: results/runs/RECIPE]",
    ),
)
