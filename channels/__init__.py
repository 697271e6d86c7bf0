"""Physics of the link: everything between the transmitter's symbols and the receiver's inputs.

`base` defines the interface of all channels, and `symbols` maps features to symbols of unit power.
`awgn`, `fading` and `ofdm` contain the channels, `mixture` sends one batch over several of them,
`own` wraps a user's function, and `names` lists all channels by name. `equalize` contains
equalisers for a known gain, `estimate` estimates the gain from `pilots`, and `interleave` permutes
the symbols. `digital` is the digital link, and `radio` converts symbols to and from IQ samples.
`streams` provides random streams, and `units` converts decibels. `theory` contains the closed forms
that the simulator is tested against, and `law` states which of them apply to a channel.

Only this package imports Sionna, apart from the study `crosscheck`. This file exports nothing, so
that `names` can be imported without torch.
"""
