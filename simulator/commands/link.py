"""`semlink link`: the digital link by itself, measured beside the closed form."""

from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import click
import pandas as pd
import torch

from channels.base import Channel
from channels.bit_pipe import (
    HIGHEST_CODE_RATE,
    LONGEST_CODE_BLOCK,
    MODULATIONS,
    BitPipe,
    channel_uses_for,
    payload_bits_for,
)
from channels.names import channel_from_name
from channels.uncoded import UncodedPipe
from simulator.errors import Stopped, UserError
from simulator.measures.digital_link import LinkTest, measure_link
from simulator.parse import MOST_SEED, MOST_USES, in_range, parse_snr_db
from simulator.resolve import draw_link
from simulator.storage.environment import environment
from simulator.storage.files import write_json, write_table
from simulator.storage.folders import check_writable

Decoder = Literal["layered", "sionna"]


POINTS: Final = {2**bits: bits for bits in MODULATIONS}  # of the constellation, to bits per symbol


LONGEST_PAYLOAD: Final = LONGEST_CODE_BLOCK - 24  # one code block with its CRC


USUAL_PAYLOAD: Final = 512


LOWEST_CODE_RATE: Final = Fraction(1, 5)


MOST_BLOCKS: Final = 10_000_000


def link(
    *,
    modulation: int,
    code_rate: str,
    channel: str,
    ebn0_db: str,
    payload_bits: int | None,
    channel_uses: int | None,
    errors: int,
    max_blocks: int,
    decoder: Decoder,
    seed: int,
    out: Path | None,
) -> None:
    """`semlink link`: check everything, send, then write table, description and figure."""
    if payload_bits is not None:
        in_range("--payload-bits", payload_bits, 1, LONGEST_PAYLOAD)
    if channel_uses is not None:
        in_range("--channel-uses", channel_uses, 1, MOST_USES)
    rate, bits_per_symbol = _code_rate(code_rate), _bits_per_symbol(modulation)
    test = LinkTest(
        pipe=(
            _uncoded(bits_per_symbol, payload_bits, channel_uses, decoder)
            if rate == 1
            else _coded(bits_per_symbol, rate, payload_bits, channel_uses, decoder)
        ),
        channel=_channel(channel),
        ebn0_db=parse_snr_db(ebn0_db, option="--ebn0-db"),
        errors=in_range("--errors", errors, 1, MOST_BLOCKS),
        max_blocks=in_range("--max-blocks", max_blocks, 1, MOST_BLOCKS),
        seed=in_range("--seed", seed, 0, MOST_SEED),
    )
    folder = out or Path("results/runs/link")
    check_writable(folder)
    torch.set_num_threads(1)  # small tensors: a second thread only waits
    click.echo(_words(test), err=True)
    try:
        rows = measure_link(test)
    except KeyboardInterrupt:
        raise Stopped("nothing was written; --max-blocks or --errors make it shorter") from None
    _write(folder, test, rows)


def _bits_per_symbol(modulation: int) -> int:
    if modulation not in POINTS:
        known = ", ".join(map(str, POINTS))
        raise UserError(
            f"--modulation must be the points of a QAM constellation, one of {known}, "
            f"got {modulation}"
        )
    return POINTS[modulation]


def _code_rate(text: str) -> Fraction:
    """The rate that is asked for; 1 is uncoded."""
    hint = (
        f"--code-rate must be from {LOWEST_CODE_RATE} to {float(HIGHEST_CODE_RATE):.3f} (5G LDPC) "
        f"or 1 (uncoded), such as 1/2 or 0.75, got {text!r}"
    )
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UserError(hint) from None
    if rate != 1 and not LOWEST_CODE_RATE <= rate <= HIGHEST_CODE_RATE:
        raise UserError(hint)
    return rate


def _channel(name: str) -> Channel:
    try:
        return channel_from_name(name)
    except ValueError as error:
        raise UserError(f"--channel: {error}") from None


def _uncoded(bits: int, payload: int | None, uses: int | None, decoder: Decoder) -> UncodedPipe:
    """Uncoded symbols, as many as the payload fills."""
    if decoder != "layered":
        raise UserError(f"--decoder {decoder} must have a code to decode; --code-rate 1 is uncoded")
    if uses is None:
        payload = USUAL_PAYLOAD // bits * bits if payload is None else payload
        uses = payload // bits
    if payload is not None and payload != uses * bits:
        raise UserError(
            f"--payload-bits must fill whole symbols of {bits} bits where nothing is coded, "
            f"{max(uses, 1) * bits} for {max(uses, 1)} channel uses, got {payload}"
        )
    return UncodedPipe(channel_uses=uses, bits_per_symbol=bits)


def _coded(
    bits: int, rate: Fraction, payload: int | None, uses: int | None, decoder: Decoder
) -> BitPipe:
    """A link whose code rate, CRC included, is as large as it can be without exceeding `rate`."""
    try:
        if uses is None:
            payload = USUAL_PAYLOAD if payload is None else payload
            uses = channel_uses_for(payload_bits=payload, bits_per_symbol=bits, code_rate=rate)
        most = payload_bits_for(channel_uses=uses, bits_per_symbol=bits, code_rate=rate)
        payload = most if payload is None else payload
        if payload > most:
            raise UserError(
                f"--payload-bits must be at most {most} for {uses} channel uses of {bits} bits at "
                f"code rate {rate}, got {payload}"
            )
        return BitPipe(
            payload_bits=payload, channel_uses=uses, bits_per_symbol=bits, decoder=decoder
        )
    except ValueError as error:
        raise UserError(str(error)) from None


def _words(test: LinkTest) -> str:
    """The link in one line."""
    pipe = test.pipe
    coding = (
        f"CRC{pipe.crc_bits}, 5G LDPC rate {pipe.code_rate:.3f} ({pipe.decoder} decoder)"
        if isinstance(pipe, BitPipe)
        else "uncoded"
    )
    return (
        f"{pipe.payload_bits} payload bits, {coding}, {pipe.modulation}, {pipe.channel_uses} "
        f"channel uses, {test.channel.name}; SNR = Es/N0 = Eb/N0 {test.snr_db(0.0):+.2f} dB."
    )


def _write(folder: Path, test: LinkTest, rows: pd.DataFrame) -> None:
    """Table, description and figure; the table also to the screen."""
    write_table(folder / "link.csv", rows)
    pipe = {"type": type(test.pipe).__name__, **asdict(test.pipe)}
    settings = {name: value for name, value in vars(test).items() if name != "pipe"}
    write_json(
        folder / "run.json",
        {
            "link": {**settings, "pipe": pipe, "channel": test.channel.name},
            "environment": environment(torch.device("cpu")),
        },
    )
    title = f"{test.pipe.modulation} on {test.channel.name}"
    figures = draw_link(rows, folder / "figures", title=title, about=_words(test))
    columns = ["ebn0_db", "snr_db", "bits", "ber", "theory_ber", "blocks", "block_errors", "bler"]
    shown = rows[[*columns, "ci_low", "ci_high"]]
    click.echo(shown.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
    known = test.channel.law.qam_bit_error_rate is not None
    theory = "uncoded at the same Eb/N0" if known else f"not known for {test.channel.name}"
    click.echo(f"theory_ber: {theory}; ci_low, ci_high: 95 % interval of bler")
    click.echo(f"table:   {folder / 'link.csv'}")
    for figure in figures:
        click.echo(f"figure:  {figure}")
    if not figures:
        click.echo("no figure: there is no error rate above 0 at any Eb/N0")
