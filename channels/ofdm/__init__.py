"""OFDM over 3GPP multipath.

`multipath` reads its settings, `tdl` is the channel, and `waveform` is what an amplifier and a
frequency offset do to it in the time domain.
"""
