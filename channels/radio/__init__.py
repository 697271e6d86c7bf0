"""Symbols of many images as one OFDM signal in the time domain, and back.

`frame` makes the signal, `preamble` its known beginning; `synchronise` finds it in a recording,
`receive` estimates the gains and gives what a receiver of symbols needs; `simulated` is a radio.
"""
