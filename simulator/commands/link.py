"""`semlink link`: only the digital link, measured beside the closed form."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from simulator.commands.options import (
    CHANNEL,
    Parsed,
    command,
    flag,
    name_figures,
    option,
    out_option,
    seed_option,
    whole,
)
from simulator.errors import Stopped, UserError
from simulator.parse import parse_snr_db

if TYPE_CHECKING:
    import pandas as pd

    from simulator.measures.digital_link import LinkTest

MOST_BLOCKS = 10_000_000


def _modulation(text: str, *, option: str) -> int:
    """The number of points of a constellation; whether it is supported is checked later."""
    if not text.strip().isdecimal():
        raise UserError(f"{option} must be 4 for QPSK, or 16, 64 or 256 for QAM, got {text!r}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class LinkRequest:
    """The options of `semlink link`."""

    modulation: int = option(
        default=4,
        type=Parsed("m", _modulation),
        metavar="M",
        help="Points of the QAM constellation: 4 (QPSK), 16, 64 or 256.",
    )
    code_rate: str = option(
        default="1/2",
        metavar="R",
        help="Highest ratio of payload and CRC bits to transmitted bits, such as 1/2 or 0.75; "
        "1 is uncoded.",
    )
    channel: str = option(type=CHANNEL, default="awgn", metavar="NAME", help="As for sweep.")
    ebn0_db: tuple[float, ...] = option(
        default=parse_snr_db("0:10:1"),
        show_default=False,  # click would show a list of numbers
        help="FIRST:LAST:STEP or a list; Eb is the energy of a payload bit.  [default: 0:10:1]",
    )
    payload_bits: int | None = option(
        metavar="B", help="Payload bits per block.  [default: about 512]"
    )
    channel_uses: int | None = option(
        metavar="K", help="Channel uses per block.  [default: by the rate]"
    )
    errors: int = option(
        default=200,
        type=whole(1, MOST_BLOCKS),
        metavar="N",
        help="A point is finished at N block errors ...",
    )
    max_blocks: int = option(
        default=20_000, type=whole(1, MOST_BLOCKS), metavar="N", help="... or after N blocks."
    )
    decoder: Literal["layered", "sionna"] = option(
        default="layered", help="Layered min-sum, or Sionna's belief propagation (much slower)."
    )
    fresh: bool = flag(help="Replace the results of another link in --out.")
    seed: int = seed_option("Seed of all draws.")
    out: Path | None = out_option("results/runs/link")


@command(LinkRequest)
def link(request: LinkRequest) -> None:
    """Send random bits: bit and block error rates over Eb/N0.

    The link consists of CRC, 5G LDPC, QAM, channel and receiver, or of uncoded QAM. The closed form
    of uncoded QAM is shown beside it. Writes link.csv, run.json and a figure.
    """
    import torch

    from simulator.measures.digital_link import LinkTest, measure_link, pipe_of
    from simulator.parse import MOST_SEED, check_pilots_named, in_range
    from simulator.resolve import channels_named
    from simulator.storage.folders import check_writable

    test = LinkTest(
        pipe=pipe_of(
            modulation=request.modulation,
            code_rate=request.code_rate,
            payload_bits=request.payload_bits,
            channel_uses=request.channel_uses,
            decoder=request.decoder,
        ),
        channel=channels_named((request.channel,), option="--channel")[0],
        ebn0_db=request.ebn0_db,
        errors=in_range("--errors", request.errors, 1, MOST_BLOCKS),
        max_blocks=in_range("--max-blocks", request.max_blocks, 1, MOST_BLOCKS),
        seed=in_range("--seed", request.seed, 0, MOST_SEED),
    )
    check_pilots_named(test.channel)
    folder = request.out or Path("results/runs/link")
    check_writable(folder)
    if not request.fresh:
        _check_same(test, folder)
    torch.set_num_threads(1)  # small tensors: a second thread would only wait
    click.echo(_words(test), err=True)
    try:
        rows = measure_link(test)
    except KeyboardInterrupt:
        raise Stopped("nothing was written; a smaller --max-blocks or --errors is faster") from None
    _write(folder, test, rows)


def _settings(test: "LinkTest") -> dict[str, Any]:
    """The settings that decide the numbers, in the form of run.json."""
    settings = {name: value for name, value in vars(test).items() if name != "pipe"}
    pipe = {"type": type(test.pipe).__name__, **asdict(test.pipe)}
    return {**settings, "pipe": pipe, "channel": test.channel.name}


def _check_same(test: "LinkTest", folder: Path) -> None:
    """Raises: UserError if the folder holds a result of other settings."""
    try:
        old = json.loads((folder / "run.json").read_text(encoding="utf-8"))["link"]
        new = json.loads(json.dumps(_settings(test)))
        changed = [name for name in new if old.get(name) != new[name]]
    except FileNotFoundError:
        return
    except (AttributeError, KeyError, TypeError, ValueError):
        changed = ["run.json, which does not describe a link"]
    if changed:
        raise UserError(
            f"{folder} holds a result with other settings; changed: {', '.join(changed)}. Add "
            "--fresh to replace it, or choose another --out"
        )


def _words(test: "LinkTest") -> str:
    """The link in one line."""
    from channels.digital.bit_pipe import BitPipe

    pipe = test.pipe
    coding = "uncoded"
    if isinstance(pipe, BitPipe):
        coding = f"CRC{pipe.crc_bits}, 5G LDPC rate {pipe.code_rate:.3f} ({pipe.decoder} decoder)"
    pilots = f" and {test.channel.pilots} pilots" if test.channel.pilots else ""
    return (
        f"{pipe.payload_bits} payload bits, {coding}, {pipe.modulation}, {pipe.channel_uses} "
        f"channel uses{pilots}, {test.channel.name}; "
        f"SNR = Es/N0 = Eb/N0 {test.snr_db(0.0):+.2f} dB."
    )


def _write(folder: Path, test: "LinkTest", rows: "pd.DataFrame") -> None:
    """Write table, description and figure, and print the table."""
    import torch

    from simulator.resolve import draw_link
    from simulator.storage.environment import environment
    from simulator.storage.files import write_json, write_table

    write_table(folder / "link.csv", rows)
    about = {"link": _settings(test), "environment": environment(torch.device("cpu"))}
    write_json(folder / "run.json", about)
    title = f"{test.pipe.modulation} on {test.channel.name}"
    figures = draw_link(rows, folder / "figures", title=title, about=_words(test))
    columns = ["ebn0_db", "snr_db", "bits", "ber", "theory_ber", "blocks", "block_errors", "bler"]
    shown = rows[[*columns, "ci_low", "ci_high"]]
    click.echo(shown.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    known = test.channel.law.qam_bit_error_rate is not None
    theory = "uncoded at the same Eb/N0" if known else f"not known for {test.channel.name}"
    click.echo(f"theory_ber: {theory}; ci_low, ci_high: 95 % interval of bler")
    click.echo(f"table:   {folder / 'link.csv'}")
    name_figures(figures)
    if not figures:
        click.echo("no figure: there is no error rate above 0 at any Eb/N0")
