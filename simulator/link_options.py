"""The options and the help of `semlink link`; `simulator/__main__.py` holds all others."""

from pathlib import Path

import click


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
