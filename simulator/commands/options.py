"""Requests: frozen dataclasses whose fields are the options of a command; click fills them.

A field says its option's default and help once. Click makes the request from the command line; a
script makes it by itself. Nothing heavy is imported here, so that `--help` answers at once.
"""

import contextlib
import functools
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import click

from simulator.errors import Stopped, UserError
from simulator.parse import parse_channel_uses, parse_names, parse_realizations, parse_snr_db

Request = TypeVar("Request")
INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it
CLICK = "click"  # in a field's metadata: what makes its parameter


class Parsed(click.ParamType[Any]):
    """Text that becomes a value; `parse(text, option=...)` says in one line what is wrong."""

    def __init__(self, name: str, parse: Callable[..., Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002 - the contract of click
    ) -> Any:
        """The value. Raises: UserError naming the option."""
        option = param.opts[0] if param else self.name
        return self._parse(value, option=option) if isinstance(value, str) else value


NAMES = Parsed("names", parse_names)
SNRS = Parsed("range", parse_snr_db)
USES = Parsed("uses", parse_channel_uses)
REALIZATIONS = Parsed("realizations", parse_realizations)


class _Option(click.Option):
    """An option whose help may be made when it is shown, from tables that take long to import."""

    lazy: Callable[[], str] | None = None

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of the help."""
        if self.lazy is not None:
            self.help = self.lazy()
        return super().get_help_record(ctx)


class _Command(click.Command):
    """A command whose help names the recipes there are."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The text above the options."""
        if self.help and "{recipes}" in self.help:
            from simulator.resolve import recipe_names

            self.help = self.help.replace("{recipes}", ", ".join(recipe_names()))
        super().format_help_text(ctx, formatter)


def option(
    *flags: str,
    default: Any = None,
    help: str | Callable[[], str],  # noqa: A002 - as click calls it
    **settings: Any,
) -> Any:
    """A field that an option fills, by default `--` and its name; `settings` are click's."""

    def parameter(name: str) -> Callable[[Any], Any]:
        names = flags or (f"--{name.replace('_', '-')}",)
        shown = {"show_default": default not in (None, False, ()), **settings}
        lazy = help if callable(help) else None
        kind = type("_Option", (_Option,), {"lazy": staticmethod(lazy)}) if lazy else _Option
        text = "" if callable(help) else help
        return click.option(*names, name, cls=kind, default=default, help=text, **shown)

    return field(default=default, metadata={CLICK: parameter})


def flag(*flags: str, help: str) -> Any:  # noqa: A002
    """A field that is False unless the option is there."""
    return option(*flags, default=False, help=help, is_flag=True)


def argument(**settings: Any) -> Any:
    """A field that an argument fills."""
    return field(metadata={CLICK: lambda name: click.argument(name, **settings)})


@dataclass(frozen=True)
class Command(Generic[Request]):
    """A command: a script calls it with a request, `click` with a command line."""

    function: Callable[[Request], None]
    click: click.Command

    def __call__(self, request: Request) -> None:
        """Do what is asked for. Raises: UserError and Stopped, each in one line."""
        self.function(request)


def command(request: type[Request]) -> Callable[[Callable[[Request], None]], Command[Request]]:
    """A command of the function's name and help, whose parameters are the request's fields."""

    def decorate(function: Callable[[Request], None]) -> Command[Request]:
        @functools.wraps(function)
        def filled(**values: Any) -> None:
            function(request(**values))

        for own in reversed(fields(request)):  # type: ignore[arg-type] # a dataclass
            filled = own.metadata[CLICK](own.name)(filled)
        return Command(function, click.command(cls=_Command)(filled))

    return decorate


def run(command: click.Command, name: str) -> None:
    """Run a command line: a user's mistake is one line on stderr and exit status 2."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as tidily as Ctrl-C
    try:
        command(prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
    except click.ClickException as error:
        _fail(name, error.format_message())
    except UserError as error:
        _fail(name, str(error))
    except Stopped as stop:
        click.echo(f"\n{name}: stopped; {stop}", err=True)
        sys.exit(INTERRUPTED)
    except OSError as error:
        _fail(name, f"{error.filename or 'a file'}: {error.strerror or error}")
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"\n{name}: stopped", err=True)
        sys.exit(INTERRUPTED)


def _fail(name: str, message: str) -> None:
    """Say what is wrong in one line and exit with status 2."""
    click.echo(f"{name}: error: " + " ".join(message.split()), err=True)
    sys.exit(2)


# Fields that several requests have


def data_option() -> Any:
    """--data."""
    return option(
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Images: parquet files in the Hugging Face layout, or one subfolder per class.",
    )


def weights_option() -> Any:
    """--weights."""
    return option(
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Trained weights.  [default: results/runs/RECIPE/weights, else the committed]",
    )


def device_option() -> Any:
    """--device."""
    return option(default="cpu", metavar="cpu|cuda", help="Where to compute.")


def out_option(default: str) -> Any:
    """--out, with its default named in the help."""
    text = f"Folder to write to.  [default: {default}]"
    return option(type=click.Path(path_type=Path), metavar="DIR", help=text)


def student_option() -> Any:
    """--student."""
    return option(
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A genotype.json of semlink search, in place of the recipe's student.",
    )


def images_option() -> Any:
    """--images."""
    return option(type=int, metavar="N", help="Use the first N test images.")


def seed_option(text: str) -> Any:
    """--seed."""
    return option(default=0, type=int, help=text)


def minutes_option() -> Any:
    """--minutes."""
    return option(type=float, metavar="M", help="Stop at a checkpoint after M minutes.")


def channels_option() -> Any:
    """--channels."""
    return option(type=NAMES, metavar="A,B", help=_channels)


def _channels() -> str:
    from channels.names import CHANNEL_NAMES

    return f"{CHANNEL_NAMES}; several with commas."


def snr_db_option() -> Any:
    """--snr-db."""
    return option(
        type=SNRS, metavar="RANGE", help="FIRST:LAST:STEP or a list: -10:20:2 or -10,0,10."
    )


def channel_uses_option() -> Any:
    """--channel-uses."""
    return option(type=USES, metavar="K,K", help="Complex channel uses per image: 16,64.")


def realizations_option() -> Any:
    """--realizations."""
    return option(
        type=REALIZATIONS,
        metavar="R",
        help="Channel draws per image and point: 5, or awgn=5,rayleigh=20.",
    )
