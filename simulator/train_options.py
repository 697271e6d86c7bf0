"""Options that `semlink train` alone has."""

import click

from simulator.shared_options import together

AFTERWARDS = {  # stages that go on from finished weights: how the names of their parts begin
    "decoded": "decoded_student",
    "decoded_teachers": "decoded_teacher",
    "rebuilt": "rebuilt_student",
}
STAGES = (
    *("teacher", "cache", "stage1", "head", "stage2"),
    *("baselines", *AFTERWARDS, "all"),
)
train_options = together(
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
