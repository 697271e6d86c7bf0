"""One experiment, from images to numbers on disk.

`commands` holds the commands, `resolve` turns names into objects, `schemes` sends an image, and
`engine` repeats this over channels, SNRs and channel uses.
"""
