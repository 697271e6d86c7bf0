"""Recordings of what a scheme sends: SigMF files, and the receiver that reads them.

`separate` splits a scheme into transmitter and receiver, `recording` reads and writes SigMF,
`transmission` is what a file says of its frame, `transfer` goes from images to samples and back.
"""
