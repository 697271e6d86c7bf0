"""Digital links by modulation, code rate and sizes, checked as a user gives them."""

from fractions import Fraction
from typing import Final, Literal

from channels.digital.bit_pipe import (
    HIGHEST_CODE_RATE,
    LONGEST_CODE_BLOCK,
    MODULATIONS,
    BitPipe,
    channel_uses_for,
    payload_bits_for,
)
from channels.digital.uncoded import UncodedPipe
from simulator.errors import UserError
from simulator.parse import MOST_USES, in_range

Decoder = Literal["layered", "sionna"]
POINTS: Final = {2**bits: bits for bits in MODULATIONS}  # of the constellation, to bits per symbol
LONGEST_PAYLOAD: Final = LONGEST_CODE_BLOCK - 24  # one code block with its CRC
USUAL_PAYLOAD: Final = 512
LOWEST_CODE_RATE: Final = Fraction(1, 5)


def pipe_of(
    *,
    modulation: int,
    code_rate: str,
    payload_bits: int | None,
    channel_uses: int | None,
    decoder: Decoder,
) -> BitPipe | UncodedPipe:
    """The link; payload or uses that are None follow from the rate. Raises: UserError."""
    if payload_bits is not None:
        in_range("--payload-bits", payload_bits, 1, LONGEST_PAYLOAD)
    if channel_uses is not None:
        in_range("--channel-uses", channel_uses, 1, MOST_USES)
    rate, bits = _code_rate(code_rate), _bits_per_symbol(modulation)
    if rate == 1:
        return _uncoded(bits, payload_bits, channel_uses, decoder)
    return _coded(bits, rate, payload_bits, channel_uses, decoder)


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
