"""Options of the commands."""

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


class ChannelsOption(click.Option):
    """An option whose help lists the channels; read when shown, since that imports torch."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option and its help."""
        from channels.names import CHANNEL_NAMES

        self.help = f"{CHANNEL_NAMES}; several with commas."
        return super().get_help_record(ctx)


sweep_options = together(
    click.option("--channels", cls=ChannelsOption, metavar="A,B"),
    click.option(
        "--snr-db", metavar="RANGE", help="FIRST:LAST:STEP or a list: -10:20:2 or -10,0,10."
    ),
    click.option("--channel-uses", metavar="K,K", help="Complex channel uses per image: 16,64."),
    click.option(
        "--schemes",
        metavar="A,B",
        help="rkd_sc, deep_jscc, deep_jscc_image, adjscc, dt_jscc, dt_jscc:64qam, vl_vfe, "
        "separate, digital_semantic, capacity_bound, label_code, or all: what is trained; "
        "rkd_sc:VARIANT (an ablation), rkd_sc:+3dB (SNR reported too high), rkd_sc:pilot1 (gain "
        "estimated); further labels are in the README.",
    ),
    click.option("--images", type=int, metavar="N", help="Use the first N test images."),
    click.option(
        "--realizations",
        metavar="R",
        help="Channel draws per image and point: 5, or awgn=5,rayleigh=20.",
    ),
    click.option(
        "--mc",
        type=float,
        metavar="POINTS",
        help="Draw again, R at a time, until the channel's 95 % interval is +-POINTS of accuracy.",
    ),
    click.option(
        "--max-realizations",
        type=int,
        default=200,
        show_default=True,
        metavar="N",
        help="End of --mc.",
    ),
    click.option(
        "--seed", type=int, default=0, show_default=True, help="Seed of all channel draws."
    ),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16"]),
        default="fp32",
        show_default=True,
        help="Of the networks; those of separate and digital_semantic always are fp32.",
    ),
    click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="Compile the receiver of rkd_sc first: faster where a sweep takes minutes.",
    ),
    STUDENT,
    click.option(
        "--bit-true", is_flag=True, help="Decode every LDPC block instead of using tables."
    ),
    click.option(
        "--workers",
        type=int,
        metavar="N",
        help="Processes.  [default: the cores; 1 for little work or a GPU]",
    ),
    click.option(
        "--cluster",
        metavar="ADDRESS|auto|local",
        help="Compute on a Ray cluster instead; local: one of --workers CPUs, made here.",
    ),
    click.option(
        "--fresh", is_flag=True, help="Forget what an earlier sweep in --out has finished."
    ),
)


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


@click.command()
@click.option(
    "--modulation",
    type=int,
    default=4,
    show_default=True,
    metavar="M",
    help="Points of the QAM constellation: 4, 16, 64 or 256.",
)
@click.option(
    "--code-rate",
    default="1/2",
    show_default=True,
    metavar="R",
    help="At most so many payload and CRC bits per sent bit, a fraction or decimal; 1 is uncoded.",
)
@click.option("--channel", default="awgn", show_default=True, metavar="NAME", help="As for sweep.")
@click.option(
    "--ebn0-db",
    default="0:10:1",
    show_default=True,
    metavar="RANGE",
    help="FIRST:LAST:STEP or a list; Eb is the energy of a payload bit.",
)
@click.option("--payload-bits", type=int, metavar="B", help="Per block.  [default: about 512]")
@click.option("--channel-uses", type=int, metavar="K", help="Per block.  [default: by the rate]")
@click.option(
    "--errors",
    type=int,
    default=200,
    show_default=True,
    metavar="N",
    help="A point is finished at N block errors ...",
)
@click.option(
    "--max-blocks",
    type=int,
    default=20_000,
    show_default=True,
    metavar="N",
    help="... or after N blocks.",
)
@click.option(
    "--decoder",
    type=click.Choice(["layered", "sionna"]),
    default="layered",
    show_default=True,
    help="Ours, or Sionna's belief propagation (much slower).",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all draws.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write to.  [default: results/runs/link]",
)
def link(**options: object) -> None:
    """Send random bits: bit and block error rates over Eb/N0.

    CRC, 5G LDPC, QAM, channel and back, or uncoded QAM, beside the closed form of uncoded QAM.
    Writes link.csv, run.json and a figure.
    """
    from simulator.commands import link as command

    command.link(**options)  # type: ignore[arg-type]
