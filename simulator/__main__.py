"""The command line `semlink`, also `python -m simulator`: options and help, nothing else.

What the commands do stands in `simulator/commands/`, imported when a command runs, so that
`--help` answers at once; that of `sweep`, which lists the channels, imports torch.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import click

from simulator.commands.options import (
    DATA,
    DEVICE,
    RECIPE,
    STUDENT,
    WEIGHTS,
    link,
    out_option,
    search_options,
    sweep_options,
    train_options,
)
from simulator.errors import Stopped, UserError

# Threads of torch that wait for each other soon stop spinning: on a machine that is busy otherwise,
# spinning makes small networks up to 40 times slower. Must be set before torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it


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


@cli.command()
@RECIPE
@sweep_options
@DATA
@WEIGHTS
@DEVICE
@out_option("results/runs/RECIPE")
def sweep(recipe: str, **options: object) -> None:
    """Evaluate schemes over a grid; write a table and figures.

    RECIPE is digits, cifar100, cifar100_gpu or images. Without options its own grid is swept.
    Stop with Ctrl-C at any time; the same command goes on with what is not finished.
    """
    from simulator.commands import sweep as command

    command.sweep(recipe, **options)  # type: ignore[arg-type]


@cli.command()
@RECIPE
@DATA
@train_options
@STUDENT
@click.option("--minutes", type=float, metavar="M", help="Stop at a checkpoint after M minutes.")
@click.option(
    "--fresh",
    is_flag=True,
    help="Forget finished parts and checkpoints in --out; with stages that go on from finished "
    "weights, only their own.",
)
@DEVICE
@out_option("results/runs/RECIPE")
def train(recipe: str, **options: object) -> None:
    """Train the models of a recipe.

    In order: teacher, cache (its outputs), student (stage1), head (stage 1b) with the quantiser of
    digital_semantic, codec (stage2); with "baselines" or "all" the neural baselines, a model for
    each k; with "all" the student on images that were decoded or rebuilt. "decoded" and
    "decoded_teachers" train finished classifiers on decoded images, for separate:retrained,
    "rebuilt" the student on what deep JSCC rebuilds, for deep_jscc_image:retrained.

    Stop with Ctrl-C at any time; the same command goes on from the last checkpoint.
    """
    from simulator.commands import train as command

    command.train(recipe, **options)  # type: ignore[arg-type]


@cli.command()
@RECIPE
@search_options
@DATA
@click.option("--minutes", type=float, metavar="M", help="Stop at a checkpoint after M minutes.")
@click.option("--fresh", is_flag=True, help="Forget what earlier searches in --out have finished.")
@DEVICE
@out_option("TRAINING/search/PRESET_TEACHING_lambdaL")
def search(recipe: str, **options: object) -> None:
    """Search an architecture for the student (KDL-DARTS).

    Needs the teacher's outputs: semlink train RECIPE --stage cache. Writes genotype.json, which
    train and sweep take as --student; its cells and their evolution as figures; search.csv.

    Stop with Ctrl-C at any time; the same command goes on from the last epoch.
    """
    from simulator.commands import search as command

    command.search(recipe, **options)  # type: ignore[arg-type]


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@out_option("FOLDER")
def plot(folder: Path, out: Path | None) -> None:
    """Draw the figures of a finished sweep again.

    FOLDER is what --out was when it was swept.
    """
    from simulator.commands import results

    results.plot(folder, out=out)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--a", metavar="SCHEME", help="The scheme whose gain is asked for.  [default: all]")
@click.option("--b", required=True, metavar="SCHEME", help="The scheme that it is compared with.")
def compare(folder: Path, a: str | None, b: str) -> None:
    """Compare two schemes of a finished sweep, image by image, or all others with B.

    FOLDER is what --out was when it was swept. Writes compare_A_B.csv or compare_all_B.csv there.
    """
    from simulator.commands import results

    results.compare(folder, a=a, b=b)


@cli.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option("results/runs/seeds")
def seeds(folders: tuple[Path, ...], out: Path | None) -> None:
    """Mean and spread of accuracies over trainings from several seeds.

    FOLDERS are sweeps of the same recipe, data and noise, each of weights from another training
    seed. Writes seeds.csv.
    """
    from simulator.commands import results

    results.seeds(folders, out=out or Path("results/runs/seeds"))


@cli.command()
@RECIPE
@DATA
@WEIGHTS
@click.option("--images", type=int, metavar="N", help="Use the first N test images.")
@STUDENT
@click.option("--realizations", type=int, default=5, show_default=True, help="Draws at 24 dB.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all draws.")
@out_option("results/runs/RECIPE")
def table(recipe: str, **options: object) -> None:
    """Tabulate size, cost and clean accuracy of teacher and students.

    Writes sizes.csv: parameters, MACs, CPU time, accuracy, and the share of the teacher's.
    """
    from simulator.commands import measure

    measure.table(recipe, **options)  # type: ignore[arg-type]


@cli.command()
@RECIPE
@STUDENT
@click.option("--scheme", default="rkd_sc", show_default=True, help="Whose budget is adapted.")
@click.option(
    "--retention",
    type=float,
    default=0.99,
    show_default=True,
    metavar="Q",
    help="Share of the accuracy with the largest k that must be kept.",
)
@click.option("--channels", metavar="A,B", help="As for sweep.")
@click.option("--snr-db", metavar="RANGE", help="As for sweep.")
@click.option("--channel-uses", metavar="K,K", help="The k to choose from.")
@click.option("--images", type=int, metavar="N", help="Use the first N test images.")
@click.option("--realizations", metavar="R", help="As for sweep.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all channel draws.")
@DATA
@WEIGHTS
@DEVICE
@out_option("results/runs/RECIPE")
def adapt(recipe: str, **options: object) -> None:
    """Find the fewest channel uses that keep the accuracy, at every SNR.

    The rule is made on validation images and tested on test images. Writes adaptive.csv: k for
    each channel and SNR, the accuracy there, and its difference to that with the largest k.
    """
    from simulator.commands import measure

    measure.adapt(recipe, **options)  # type: ignore[arg-type]


cli.add_command(link)


@cli.command()
@DATA
@DEVICE
def doctor(data: Path | None, device: str) -> None:
    """Measure every channel against closed form.

    Prints versions, device, the data found and a table; exit status 1 if a channel is off.
    """
    from simulator.commands import measure

    if not measure.doctor(data=data, device=device):
        sys.exit(1)


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
