"""The command line `semlink`, also `python -m simulator`: errors to exit status, nothing else.

The commands stand in `simulator/commands/`, each with its request; what they need is imported when
one runs, so that `--help` answers at once.
"""

import contextlib
import os
import signal
import sys

import click

from simulator.commands.adapt import adapt
from simulator.commands.compare import compare
from simulator.commands.doctor import doctor
from simulator.commands.link import link
from simulator.commands.plot import plot
from simulator.commands.search import search
from simulator.commands.seeds import seeds
from simulator.commands.sweep import sweep
from simulator.commands.table import table
from simulator.commands.train import train
from simulator.errors import Stopped, UserError

# Threads of torch that wait for each other soon stop spinning: on a machine that is busy otherwise,
# spinning makes small networks up to 40 times slower. Must be set before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it
COMMANDS = (sweep, train, search, plot, compare, seeds, table, adapt, link, doctor)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="semlink", prog_name="semlink")
def cli() -> None:
    """Semantic communication, simulated end to end.

    Images go through a trained encoder and a channel codec over k noisy channel uses each, and are
    classified at the receiver. The result is a table and a figure: accuracy versus SNR, beside
    baselines that use the same images, the same noise and the same number of channel uses.

    \b
    semlink sweep digits                          the demo: embedded data and weights
    semlink train images --data my_images         train on your own images ...
    semlink sweep images --data my_images         ... and draw their curves
    semlink doctor                                is the physics right on this machine?

    SNR is Es/N0 in dB per complex channel use, averaged over fading.
    """  # noqa: D301 - click wants the backspace itself


for own in COMMANDS:
    cli.add_command(own)


def main() -> None:
    """Run the command line: a user's mistake is one line on stderr and exit status 2."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as tidily as Ctrl-C
    try:
        cli(prog_name="semlink", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
    except click.ClickException as error:
        fail(error.format_message())
    except UserError as error:
        fail(str(error))
    except Stopped as stop:
        click.echo(f"\nsemlink: stopped; {stop}", err=True)
        sys.exit(INTERRUPTED)
    except OSError as error:
        fail(f"{error.filename or 'a file'}: {error.strerror or error}")
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nsemlink: stopped", err=True)
        sys.exit(INTERRUPTED)


def fail(message: str) -> None:
    """Say what is wrong in one line and exit with status 2."""
    click.echo("semlink: error: " + " ".join(message.split()), err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
