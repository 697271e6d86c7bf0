"""Requests: frozen dataclasses whose fields are the options of a command; click fills them.

A field declares its option's type, default and help once. Click makes the request from the command
line; a script can make it directly. Nothing heavy is imported here, so `--help` answers at once.
"""

import contextlib
import errno
import functools
import io
import math
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args, get_origin

import click

from simulator import parse
from simulator.errors import Stopped, TimeUp, UserError
from simulator.names import RECIPES
from simulator.parse import MOST_SEED, Realizations

if TYPE_CHECKING:
    import torch
    from _typeshed import DataclassInstance

    from simulator.data.dataset import Dataset, Split
    from simulator.engine.grid import Grid
    from simulator.resolve import Trained
    from simulator.schemes.experiment import Experiment

Request = TypeVar("Request", bound="DataclassInstance")
INTERRUPTED = 130  # exit status after Ctrl-C, as in shells
CLICK = "click"  # key in a field's metadata, for the function that makes its parameter


class Parsed(click.ParamType[Any]):
    """A click type that parses text; `parse(text, option=...)` may raise a UserError."""

    def __init__(self, name: str, parse: Callable[..., Any]) -> None:
        self.name = name  # what the help shows for such a value, in capitals
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, _: click.Context | None) -> Any:
        """Return the parsed value. Raises: UserError naming the option."""
        option = param.human_readable_name if isinstance(param, click.Argument) else self.name
        option = param.opts[0] if isinstance(param, click.Option) else option
        return self._parse(value, option=option) if isinstance(value, str) else value


def whole(least: int, most: int) -> Parsed:
    """A whole number in a range."""
    return Parsed("integer", parse.whole(least, most))


def number(must: str, holds: Callable[[float], bool]) -> Parsed:
    """A number that meets the condition `holds`; `must` states it in words."""

    def parse_number(text: str, *, option: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not holds(value):
            raise UserError(f"{option} must be {must}, got {text}")
        return value

    return Parsed("number", parse_number)


def _parse_images(text: str, *, option: str) -> int:
    """A number of images; whether the data holds that many is checked later."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise UserError(f"{option} must be a whole number of at least 1, got {text!r}")
    return int(text)


def _parse_device(text: str, *, option: str) -> str:
    """The name of a device; whether torch can use it is checked later."""
    if not re.fullmatch(r"(cpu|cuda)(:\d+)?", text.lower()):
        raise UserError(f"{option} must be cpu or cuda, got {text!r}")
    return text.lower()


NAMES = Parsed("a,b", parse.parse_names)
SNRS = Parsed("range", parse.parse_snr_db)
USES = Parsed("k,k", parse.parse_channel_uses)
RECIPE = Parsed("recipe", parse.parse_recipe)
SCHEME = Parsed("scheme", parse.parse_scheme)
SCHEMES = Parsed("a,b", parse.parse_schemes)
CHANNEL = Parsed("name", parse.parse_channel)
CHANNELS = Parsed("a,b", parse.parse_channels)
IMAGES = Parsed("n", _parse_images)
DEVICE = Parsed("device", _parse_device)
PATH = click.Path(path_type=Path)
REALIZATIONS = Parsed("r", parse.parse_realizations)
LISTS = (NAMES, SNRS, USES, SCHEMES, CHANNELS, REALIZATIONS)  # of values separated by commas
TYPES: dict[Any, click.ParamType[Any]] = {  # by the annotation of a field
    tuple[str, ...]: NAMES,
    tuple[float, ...]: SNRS,
    tuple[int, ...]: USES,
    Realizations: REALIZATIONS,
    Path: PATH,
    tuple[Path, ...]: PATH,
}


def _type_of(own: Field[Any]) -> Any:
    """The click type of a field, from its annotation; `| None` is only for the default."""
    annotated = own.type
    several = get_args(annotated) if isinstance(annotated, UnionType) else (annotated,)
    (kind,) = (each for each in several if each is not NoneType)
    return (
        click.Choice(get_args(kind), case_sensitive=False)
        if get_origin(kind) is Literal
        else TYPES.get(kind, kind)
    )


class _Option(click.Option):
    """An option whose help may be a function, called when it is shown: its imports are slow."""

    def __init__(self, names: Any, text: str | Callable[[], str], **settings: Any) -> None:
        super().__init__(names, **settings)
        self._text = text

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of the help."""
        self.help = self._text() if callable(self._text) else self._text
        return super().get_help_record(ctx)


def option(
    *flags: str,
    default: Any = None,
    required: bool = False,
    help: str | Callable[[], str],  # noqa: A002 - as click calls it
    **settings: Any,
) -> Any:
    """A field filled by an option, by default `--` and the field's name; `settings` go to click.

    A required option has no default: click would take any default, even None, as its value.
    """
    usual = {} if required else {"default": default}

    def parameter(own: Field[Any]) -> Callable[[Any], Any]:
        names = flags or (f"--{own.name.replace('_', '-')}",)
        shown = {"show_default": default not in (None, False, ()), "type": _type_of(own)}
        given = {**usual, "required": required, "text": help, **shown, **settings}
        return click.option(*names, own.name, cls=_Option, **given)

    return field(**usual, metadata={CLICK: parameter})


def flag(*flags: str, help: str) -> Any:  # noqa: A002
    """A field that is False unless the option is given."""
    return option(*flags, default=False, help=help, is_flag=True)


def argument(**settings: Any) -> Any:
    """A field filled by an argument."""

    def parameter(own: Field[Any]) -> Callable[[Any], Any]:
        return click.argument(own.name, **{"type": _type_of(own), **settings})

    return field(metadata={CLICK: parameter})


@dataclass(frozen=True)
class Command(Generic[Request]):
    """A command. A script calls it with a request; `click` runs it from a command line."""

    function: Callable[[Request], None]
    click: click.Command

    def __call__(self, request: Request) -> None:
        """Run the command. Raises: UserError and Stopped, each in one line."""
        self.function(request)


@dataclass(frozen=True)
class Group:
    """Several commands under one name, such as `semlink iq write`."""

    click: click.Group


def command(request: type[Request]) -> Callable[[Callable[[Request], None]], Command[Request]]:
    """Make a command with the function's name and help; the request's fields are its parameters.

    `{recipes}` in the help stands for the names of all recipes.
    """

    def decorate(function: Callable[[Request], None]) -> Command[Request]:
        @functools.wraps(function)
        def filled(**values: Any) -> None:
            function(request(**values))

        filled.__doc__ = (function.__doc__ or "").replace("{recipes}", ", ".join(RECIPES))
        for own in reversed(fields(request)):
            filled = own.metadata[CLICK](own)(filled)
        return Command(function, click.command()(filled))

    return decorate


def run(command: click.Command, name: str) -> None:
    """Run a command line: a user's mistake is one line on stderr and exit status 2.

    Characters that the encoding of stdout lacks, as in a folder's name, are replaced.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as cleanly as Ctrl-C
    try:
        command(prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
    except click.ClickException as error:
        _fail(name, error.format_message() + _hint(error, name))
    except UserError as error:
        _fail(name, str(error))
    except Stopped as stop:
        click.echo(f"\n{name}: stopped; {stop}", err=True)
        sys.exit(INTERRUPTED)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        wayout = "; make room there, then run the same command again" if full else ""
        _fail(name, f"{error.filename or 'a file'}: {error.strerror or error}{wayout}")
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"\n{name}: stopped", err=True)
        sys.exit(INTERRUPTED)


def _fail(name: str, message: str) -> None:
    """Print the error in one line and exit with status 2."""
    click.echo(f"{name}: error: " + " ".join(message.split()), err=True)
    sys.exit(2)


def _hint(error: click.ClickException, name: str) -> str:
    """The way out of an error of click, to append to its message; empty if unknown."""
    message, ctx = error.format_message(), getattr(error, "ctx", None)
    if message.startswith("No such command 'help'"):
        return f"; {name} --help lists the commands"
    if ctx is None or not message.startswith("Got unexpected extra argument"):
        return ""
    given = {word.partition("=")[0] for word in sys.argv}
    lists = (own for own in ctx.command.params if own.type in LISTS)
    return " (separate several values by commas)" if any(given & {*o.opts} for o in lists) else ""


def note(*lines: str) -> None:
    """Print remarks on stderr."""
    for line in lines:
        click.echo(f"semlink: {line}", err=True)


def name_figures(files: Sequence[Path]) -> None:
    """Print one line per figure, with the suffixes of its files."""
    figures: dict[Path, list[str]] = {}
    for path in files:
        figures.setdefault(path.parent / path.stem, []).append(path.suffix[1:])
    for figure, kinds in figures.items():
        click.echo(f"figure:  {figure}.{{{','.join(kinds)}}}")


# Fields that several requests share


def data_option() -> Any:
    """--data."""
    text = "Images: parquet files in the Hugging Face layout, or one subfolder per class."
    return option(metavar="DIR", help=text)


def resize_option() -> Any:
    """--resize."""
    text = "Rescale the centre square of the images of --data to NxN pixels; N from 8 to 512."
    return option(metavar="N", help=text)


def student_option() -> Any:
    """--student."""
    text = "A genotype.json of semlink search, in place of the recipe's student."
    return option(metavar="FILE", help=text)


def load_dataset_with_notes(
    experiment: "Experiment", data: Path | None, resize: int | None
) -> "Dataset":
    """Load the data set, and print remarks on it. Raises: UserError."""
    from simulator.resolve import dataset_of

    dataset = dataset_of(experiment, data, resize)
    note(*dataset.remarks)
    return dataset


def device_option() -> Any:
    """--device."""
    return option(default="cpu", type=DEVICE, metavar="cpu|cuda", help="Where to compute.")


def out_option(default: str) -> Any:
    """--out, with its default named in the help."""
    return option(metavar="DIR", help=f"Folder to write to.  [default: {default}]")


def seed_option(text: str) -> Any:
    """--seed."""
    return option(default=0, type=whole(0, MOST_SEED), help=text)


def minutes_option() -> Any:
    """--minutes."""
    above = number("above 0", lambda minutes: minutes > 0)
    return option(type=above, metavar="M", help="Stop at a checkpoint after M minutes.")


@contextlib.contextmanager
def trained_on(minutes: float | None) -> Iterator[None]:
    """A block that trains; if --minutes or Ctrl-C stops it, a message says how to resume."""
    try:
        yield
    except TimeUp:
        click.echo(f"stopped after {minutes:g} min; run the same command again to resume")
    except KeyboardInterrupt:
        raise Stopped("run the same command again to resume from the last checkpoint") from None


def _channels() -> str:
    from channels.names import CHANNEL_NAMES, WRAPPER_NAMES

    return f"{CHANNEL_NAMES}; several with commas. After +, any of {WRAPPER_NAMES}."


def check_apart(out: Path | None, data: Path | None) -> None:
    """Raises: UserError if --out lies among the images of --data, which it would spoil."""
    if out and data and out.resolve().is_relative_to(data.resolve()):
        raise UserError(f"--out must not lie within --data {data}, got {out}")


@dataclass(frozen=True, kw_only=True)
class RecipeRequest:
    """A recipe, its images, and where to write."""

    recipe: str = argument(type=RECIPE)
    data: Path | None = data_option()
    resize: int | None = resize_option()
    student: Path | None = student_option()
    out: Path | None = out_option("results/runs/RECIPE")

    def __post_init__(self) -> None:
        """Raises: UserError if --out lies among the images of --data."""
        check_apart(self.out, self.data)

    @property
    def folder(self) -> Path:
        """Where to write."""
        return self.out or Path("results/runs") / self.recipe_name

    @property
    def recipe_name(self) -> str:
        """The recipe's name; for a recipe file, the name of the file."""
        return Path(self.recipe).stem if self.recipe.endswith(".toml") else self.recipe

    def experiment(self) -> "Experiment":
        """The recipe, with the student of --student, if given. Raises: UserError."""
        from simulator.resolve import recipe_named

        return recipe_named(self.recipe, student=self.student)


@dataclass(frozen=True, kw_only=True)
class WeightsRequest(RecipeRequest):
    """Trained weights of a recipe, and the number of test images."""

    weights: Path | None = option(
        metavar="DIR",
        help="Trained weights.  [default: results/runs/RECIPE/weights, else semlink's own]",
    )
    images: int | None = option(type=IMAGES, metavar="N", help="Use the first N test images.")

    def loaded(self, experiment: "Experiment", device: "torch.device") -> "tuple[Trained, Split]":
        """The recipe as it was trained, its weights, and test images. Raises: UserError."""
        from simulator.resolve import first_images, weights_of

        dataset = load_dataset_with_notes(experiment, self.data, self.resize)
        test = first_images(dataset.test, self.images)
        return weights_of(experiment, dataset, self.weights, device), test


@dataclass(frozen=True, kw_only=True)
class GridRequest:
    """The grid of a sweep; None: as in the recipe."""

    channels: tuple[str, ...] | None = option(type=CHANNELS, help=_channels)
    snr_db: tuple[float, ...] | None = option(
        help="FIRST:LAST:STEP or a list: -10:20:2 or -10,0,10."
    )
    channel_uses: tuple[int, ...] | None = option(help="Complex channel uses per image: 16,64.")
    realizations: Realizations | None = option(
        help="Channel draws per image and point: 5, or awgn=5,rayleigh=20."
    )
    seed: int = seed_option("Seed of all channel draws.")

    def grid(self, experiment: "Experiment") -> "Grid":
        """The recipe's grid, with the options in place of its values. Raises: UserError."""
        from simulator.resolve import grid_of

        return grid_of(
            experiment.sweep,
            channels=self.channels,
            snr_db=self.snr_db,
            channel_uses=self.channel_uses,
            realizations=self.realizations,
            seed=self.seed,
        )
