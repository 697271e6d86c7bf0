"""Physics of the link: everything between the transmitter's symbols and what the receiver knows.

`base` holds the contract of every channel, `symbols` turns features into symbols of unit power,
`awgn`, `fading` and `ofdm` are the channels, `mixture` is several in one batch, `own` one of the
user's, `names` is their table, `equalize` holds the receivers, `estimate` those that know the gain
from `pilots` alone, `interleave` spreads symbols over a grid, `digital` is the digital link,
`streams` gives the random numbers, `units` converts decibels, `theory` holds the closed forms that
all of it is measured against, and `law` is how a channel says which of them are its own.
Sionna is imported here alone, but for the crosscheck. Names come from these modules themselves, so
that `names` can be asked without torch.
"""
