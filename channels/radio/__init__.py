"""Symbols of many images as one OFDM signal in the time domain, and back.

`frame` makes the signal, and `preamble` its known beginning. `synchronise` finds the frame in a
recording, and `receive` estimates gains and noise power and outputs them with the symbols.
`simulated` is a simulated radio link.
"""
