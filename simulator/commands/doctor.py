"""`semlink doctor`: versions, and every channel measured against its closed form."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.options import (
    CHANNELS,
    command,
    data_option,
    device_option,
    load_dataset_with_notes,
    option,
    resize_option,
)


@dataclass(frozen=True, kw_only=True)
class DoctorRequest:
    """The options of `semlink doctor`."""

    data: Path | None = data_option()
    resize: int | None = resize_option()
    channels: tuple[str, ...] | None = option(
        type=CHANNELS, help="Measure these channels.  [default: a selection of all kinds]"
    )
    device: str = device_option()


@command(DoctorRequest)
def doctor(request: DoctorRequest) -> None:
    """Measure every channel against its closed form.

    Prints versions, device, available data and a table; exit status 1 if a channel deviates.
    """
    from simulator.measures.doctor import IMAGES, SNR_DB, check_channels, in_one_line, versions
    from simulator.resolve import channels_named, device_named, recipe_named

    device = device_named(request.device)
    channels = None if request.channels is None else channels_named(request.channels)
    recipe = recipe_named("images" if request.data else "digits")
    dataset = load_dataset_with_notes(recipe, request.data, request.resize)
    click.echo(versions(device))
    click.echo(in_one_line(dataset))
    table = check_channels(device, channels)
    click.echo(f"channels at {SNR_DB:g} dB Es/N0, {IMAGES:,} images")
    click.echo(table.to_string(index=False))
    bad = int((table["verdict"] != "ok").sum())
    click.echo("all channels agree with theory" if not bad else f"{bad} measurements are off")
    if bad:
        sys.exit(1)
