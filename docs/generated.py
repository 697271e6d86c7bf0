"""Tables of the documentation that follow from the code: schemes, labels, channels, commands."""

from collections.abc import Iterator
from pathlib import Path

import click

import semlink
from channels.names import ESTIMATED, channel_from_name
from simulator.__main__ import COMMANDS, cli
from simulator.resolve import scheme_labels, scheme_names
from simulator.scheme import Scheme
from simulator.storage.environment import ROOT

EXAMPLES = (
    *("awgn", "rayleigh", "rayleigh_block:4", "rayleigh_fast", "rician:4", "nakagami:2"),
    *("tdl:C:300ns:120kmh", ESTIMATED[0], "tdl:A+interleaved", "tdl:A+pa:3"),
)
TRIED = (64, 16, 4)  # channel uses at which a scheme is asked for its settings


def write_pages(folder: Path) -> None:
    """Write every table as a Markdown file, to be included by the pages."""
    folder.mkdir(exist_ok=True)
    for name, lines in {
        "schemes": schemes(),
        "labels": labels(),
        "channels": channels(),
        "commands": commands(),
    }.items():
        (folder / f"{name}.md").write_text("\n".join(lines) + "\n")


def schemes() -> Iterator[str]:
    """A row per scheme of the digits: what it serves, and what it says of itself."""
    yield from ("| scheme | serves | settings on the digits |", "|---|---|---|")
    link = semlink.load("digits", weights=ROOT / "results/reference/digits/weights")
    for name in scheme_names():
        try:
            scheme = link[name]
        except semlink.Error:
            yield f"| `{name}` | other recipes alone | - |"
            continue
        yield f"| `{name}` | {scheme.channel_uses} | {_settings(scheme)} |"


def _settings(scheme: Scheme) -> str:
    k = next(k for k in TRIED if scheme.serves(k))
    return scheme.settings(k).replace("|", "\\|")


def labels() -> Iterator[str]:
    """A row per meaning of a label."""
    yield from ("| name with its label | meaning |", "|---|---|")
    for meaning, names in scheme_labels().items():
        yield f"| {', '.join(f'`{name}`' for name in names)} | {meaning} |"


def channels() -> Iterator[str]:
    """A row per channel, with what its class says."""
    yield from ("| example | class | what it is |", "|---|---|---|")
    for name in EXAMPLES:
        channel = type(channel_from_name(name))
        first = (channel.__doc__ or "").split("\n")[0].replace("|", "\\|")
        yield f"| `{name}` | `{channel.__name__}` | {first} |"


def commands() -> Iterator[str]:
    """The help of every command."""
    top = click.Context(cli, info_name="semlink", max_content_width=100, terminal_width=100)
    for own in COMMANDS:
        yield from _help(own.click, top, "semlink")


def _help(own: click.Command, parent: click.Context, above: str) -> Iterator[str]:
    """The help of a command, and of those under it."""
    name = f"{above} {own.name}"
    context = click.Context(
        own, info_name=own.name, parent=parent, max_content_width=100, terminal_width=100
    )
    yield from (f"## {name}", "", "```text", own.get_help(context), "```", "")
    for under in own.commands.values() if isinstance(own, click.Group) else ():
        yield from _help(under, context, name)
