"""Options of `semlink sweep`."""

import click

from simulator.search_options import STUDENT
from simulator.shared_options import together

sweep_options = together(
    click.option(
        "--channels",
        metavar="A,B",
        help="awgn, rayleigh, rayleigh_block:L, rayleigh_fast, "
        "rician:K (K linear); several with commas.",
    ),
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
