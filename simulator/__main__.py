"""The command line `semlink`, also `python -m simulator`: the list of commands, nothing else.

The commands are in `simulator/commands/`. They import torch and other slow modules only when they
run, so that `--help` answers at once. Only the help of `sweep`, which lists schemes, imports torch.
"""

import os
from typing import Any

import click

from simulator.commands.adapt import adapt
from simulator.commands.doctor import doctor
from simulator.commands.explore import explore
from simulator.commands.export import export
from simulator.commands.finished import compare, plot, seeds
from simulator.commands.iq import iq
from simulator.commands.link import link
from simulator.commands.options import Command, Group, run
from simulator.commands.report import report
from simulator.commands.search import search
from simulator.commands.submit import submit
from simulator.commands.sweep import sweep
from simulator.commands.table import table
from simulator.commands.threshold import threshold
from simulator.commands.train import train
from simulator.errors import did_you_mean
from simulator.memory import keep_freed_memory

# Makes waiting threads of torch stop spinning soon: on a machine that is busy with other work,
# spinning makes small networks up to 40 times slower. It must be set before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

COMMANDS: tuple[Command[Any] | Group, ...] = (
    *(sweep, train, search, plot, report, compare, threshold),
    *(seeds, table, adapt, link, export, explore, submit, iq, doctor),
)


class _Group(click.Group):
    """The commands; the error for an unknown name suggests the nearest one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command that is named first. Raises: click.UsageError."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"No such command {name!r}{did_you_mean(name, self.commands)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="semlink", prog_name="semlink")
def cli() -> None:
    """Link-level simulation of semantic image transmission.

    Images go through a trained encoder and a channel codec over k noisy channel uses each, and are
    classified at the receiver. The result is a table and a figure: accuracy versus SNR, beside
    baselines that use the same images, the same noise and the same number of channel uses.

    \b
    semlink sweep digits                            the demo: embedded data and weights
    semlink train images --data DIR --stage stage2  train on your own images ...
    semlink sweep images --data DIR                 ... and draw their curves
    semlink doctor                                  measure channels against theory

    SNR is Es/N0 in dB per complex channel use, averaged over fading.
    """  # noqa: D301 - click wants the backspace itself


for own in COMMANDS:
    cli.add_command(own.click)


def main() -> None:
    """Run the command line."""
    keep_freed_memory()
    run(cli, "semlink")


if __name__ == "__main__":
    main()
