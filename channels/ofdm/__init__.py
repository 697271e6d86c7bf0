"""OFDM over 3GPP multipath.

`multipath` parses its settings, `tdl` is the channel, and `waveform` adds a power amplifier and a
carrier frequency offset in the time domain.
"""
