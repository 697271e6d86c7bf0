"""Physics of the link: everything between the transmitter's symbols and what the receiver knows.

`base` holds the contract of every channel, `symbols` turns features into symbols of unit power,
`awgn` and `fading` are the channels, `mixture` is several in one batch, `names` is their table,
`equalize` holds the receivers, `pilots` those that estimate the gain, `digital` is the digital
link, `streams` gives the random numbers, `units` converts decibels, `theory` holds the closed forms
that all of it is measured against, and `law` is how a channel says which of them are its own.
Sionna is imported here alone, but for the crosscheck.
"""

from channels.awgn import AwgnChannel
from channels.base import Channel, ChannelOutput
from channels.digital.bit_pipe import BitPipe, BitPipeOutput, payload_bits_for
from channels.equalize import mmse, receive_snr_db, zero_forcing
from channels.fading import NakagamiChannel, RayleighChannel, RicianChannel
from channels.law import ChannelLaw
from channels.mixture import ChannelMixture
from channels.names import CHANNEL_NAMES, channel_from_name
from channels.streams import PointStreams, Streams
from channels.symbols import from_symbols, to_symbols

__all__ = [
    "CHANNEL_NAMES",
    "AwgnChannel",
    "BitPipe",
    "BitPipeOutput",
    "Channel",
    "ChannelLaw",
    "ChannelMixture",
    "ChannelOutput",
    "NakagamiChannel",
    "PointStreams",
    "RayleighChannel",
    "RicianChannel",
    "Streams",
    "channel_from_name",
    "from_symbols",
    "mmse",
    "payload_bits_for",
    "receive_snr_db",
    "to_symbols",
    "zero_forcing",
]
