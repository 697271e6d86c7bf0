"""Options that `semlink train` alone has."""

from collections.abc import Callable
from typing import Any

import click

AFTERWARDS = {  # stages that go on from finished weights: how the names of their parts begin
    "decoded": "decoded_student",
    "decoded_teachers": "decoded_teacher",
    "rebuilt": "rebuilt_student",
}
STAGES = (
    *("teacher", "cache", "stage1", "head", "stage2"),
    *("baselines", *AFTERWARDS, "all"),
)
TRAIN = (
    click.option(
        "--stage",
        type=click.Choice(STAGES),
        default="all",
        show_default=True,
        help="Stop after this stage; earlier ones that are missing are trained first.",
    ),
    click.option(
        "--variants", metavar="A,B", help="Train these ablations too, after stage 2; or all."
    ),
    click.option("--schemes", metavar="A,B", help="Train these baselines alone; or all."),
    click.option("--seed", type=int, default=0, show_default=True, help="Seed of the training."),
    click.option(
        "--teacher-seed",
        type=int,
        metavar="N",
        help="Seed of the teachers in --out and of what they were shown.  [default: --seed]",
    ),
    click.option(
        "--teacher",
        metavar="NAME|DIR",
        help="A pretrained CLIP, DINOv2 or ViT from the hub or a folder, in place of the recipe's.",
    ),
)


def train_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that train alone has."""
    for option in reversed(TRAIN):
        function = option(function)
    return function
