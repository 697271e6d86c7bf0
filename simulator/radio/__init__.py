"""SigMF recordings of the symbols that a scheme sends, and the receiver for such recordings.

`separate` splits a scheme into transmitter and receiver, `recording` reads and writes SigMF,
`transmission` describes a transmission in the meta file, `transfer` converts images to samples and
samples to scores.
"""
