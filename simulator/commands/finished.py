"""`semlink plot`, `compare` and `seeds`: figures and tables from finished sweeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from simulator.commands.options import (
    Parsed,
    argument,
    command,
    name_figures,
    note,
    option,
    out_option,
)
from simulator.errors import UserError
from simulator.names import Measure
from simulator.parse import parse_names

if TYPE_CHECKING:
    import pandas as pd


def _swept_schemes(text: str, *, option: str) -> tuple[str, ...]:
    """`a,b` to scheme names in lower case, as in tables, except for the B in +3dB."""
    return parse_names(text.lower().replace("db", "dB"), option=option)


def _names(text: str, *, option: str) -> dict[str, str]:
    """`a=TEXT,b=TEXT` to names in legends by scheme."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(sign and scheme.strip() for scheme, sign, _ in pairs):
        raise UserError(
            f"{option} must be pairs SCHEME=NAME, separated by commas, got {text!r}; a name with "
            "a comma can be given in Python"
        )
    found = {_swept_schemes(scheme, option=option)[0]: name.strip() for scheme, _, name in pairs}
    if len(found) < len(pairs):
        raise UserError(f"{option} must name every scheme once, got {text!r}")
    return found


SWEPT, NAMED = Parsed("a,b", _swept_schemes), Parsed("a=name,b=name", _names)


@dataclass(frozen=True, kw_only=True)
class ChoiceRequest:
    """A finished sweep, and a selection of its rows."""

    folder: Path = argument()
    schemes: tuple[str, ...] | None = option(
        type=SWEPT, help="Only these schemes, in this order.  [default: all]"
    )
    channels: tuple[str, ...] | None = option(help="Only these channels.  [default: all]")
    channel_uses: tuple[int, ...] | None = option(help="Only these k.  [default: all]")


@dataclass(frozen=True, kw_only=True)
class PlotRequest(ChoiceRequest):
    """The options of `semlink plot`."""

    schemes: tuple[str, ...] | None = option(
        type=SWEPT, help="Draw these schemes, in this order.  [default: at most eight]"
    )
    axis: Measure = option(
        default="accuracy",
        help="Accuracy, the error rate on a logarithmic axis, or the quality of reconstructed "
        "images.",
    )
    width: Literal["auto", "column", "text"] = option(
        default="auto",
        help="column: 3.5 inches, a figure for each channel; text: 7.16 inches, a panel for each; "
        "auto: column for one channel, text for several.",
    )
    add: Path | None = option(
        metavar="FILE",
        help="Draw the curves of a CSV file too: scheme, channel, channel_uses, snr_db, accuracy "
        "(0 to 1), and if known ci_low, ci_high, settings.",
    )
    names: Mapping[str, str] | None = option(
        type=NAMED,
        help="Names of schemes in legends, such as rkd_sc=Proposed; $ signs enclose mathematics.",
    )
    out: Path | None = out_option("FOLDER")


@command(PlotRequest)
def plot(request: PlotRequest) -> None:
    """Draw figures of a finished sweep again. FOLDER is the --out of the sweep.

    Writes each as PDF and PNG for print below figures/, with caption and notes as .txt and .tex.
    """
    from simulator.resolve import draw
    from simulator.storage.folders import read_results

    rows, run = read_results(request.folder)
    drawn = draw(
        rows,
        run,
        (request.out or request.folder) / "figures",
        schemes=request.schemes,
        channels=request.channels,
        channel_uses=request.channel_uses,
        axis=request.axis,
        width=request.width,
        added=request.add,
        names=request.names,
    )
    note(*_absent(rows, request))
    name_figures(drawn)


def _absent(rows: "pd.DataFrame", request: PlotRequest) -> list[str]:
    """One line that lists requested schemes without points at some k that is drawn, or none."""
    wanted = rows if request.channels is None else rows[rows["channel"].isin(request.channels)]
    uses = wanted.groupby("scheme", sort=False)["channel_uses"].agg(set)
    asked = [name for name in request.schemes or () if name in set(rows["scheme"])]
    drawn = set[int]().union(*(uses.get(name, set()) for name in asked))
    if request.channel_uses is not None:
        drawn &= set(request.channel_uses)
    gaps = {name: sorted(drawn - uses.get(name, set())) for name in asked}
    lines = [f"{name} at k = {', '.join(map(str, own))}" for name, own in gaps.items() if own]
    return [f"not drawn, the sweep has no such points: {'; '.join(lines)}"] if lines else []


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """The options of `semlink compare`."""

    folder: Path = argument()
    channels: tuple[str, ...] | None = option(help="Only these channels.  [default: all]")
    channel_uses: tuple[int, ...] | None = option(help="Only these k.  [default: all]")
    a: str | None = option(
        metavar="SCHEME", help="The scheme that is compared with B.  [default: all]"
    )
    b: str = option(required=True, metavar="SCHEME", help="The scheme that A is compared with.")
    family: Literal["pair", "all"] = option(
        default="pair", help="Holm's correction for the points of each pair, or of all pairs."
    )


@command(CompareRequest)
def compare(request: CompareRequest) -> None:
    """Compare two schemes of a finished sweep, image by image, or all others with B.

    FOLDER is the --out of the sweep. Writes compare_A_B.csv or compare_all_B.csv there. Holm's
    correction counts the points that are compared: those of --channels and --channel-uses, of each
    pair or (--family all, then the file's name ends in _all_pairs.csv) of all pairs.
    """
    from simulator.measures.compare import compare_sweep, compared_text
    from simulator.storage.files import write_table
    from simulator.storage.folders import read_results

    table, left_out = compare_sweep(
        *(request.folder, *read_results(request.folder), request.a, request.b),
        channels=request.channels,
        channel_uses=request.channel_uses,
        family=request.family,
    )
    note(*left_out)
    a = "all" if request.a is None else table["a"].iloc[0]
    suffix = "_all_pairs" if request.family == "all" else ""
    name = f"compare_{a}_{table['b'].iloc[0]}{suffix}.csv".replace(":", "-")
    write_table(request.folder / name, table)
    click.echo(compared_text(table))
    click.echo(f"table:   {request.folder / name}")


@dataclass(frozen=True, kw_only=True)
class SeedsRequest:
    """The options of `semlink seeds`."""

    folders: tuple[Path, ...] = argument(nargs=-1, required=True)
    out: Path | None = out_option("results/runs/seeds")


@command(SeedsRequest)
def seeds(request: SeedsRequest) -> None:
    """Mean and spread of accuracies over training runs from several seeds.

    FOLDERS are sweeps of the same recipe, data and noise, each with weights from a different
    training seed. Writes seeds.csv.
    """
    import pandas as pd

    from simulator.measures.seeds import across_seeds
    from simulator.storage.files import write_table
    from simulator.storage.folders import check_writable

    table = across_seeds(request.folders)
    out = request.out or Path("results/runs/seeds")
    check_writable(out)
    path = out / "seeds.csv"
    write_table(path, table)
    spread = table.groupby(["scheme", "channel"], sort=False)["deviation"]
    shown = pd.DataFrame({"median": spread.median(), "largest": spread.max()}) * 100
    count = len(request.folders)
    click.echo(f"standard deviation of the accuracy over {count} training runs, in points")
    click.echo(shown.round(2).to_string())
    click.echo(f"table:   {path}")
