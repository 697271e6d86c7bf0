"""One experiment, from images to numbers on disk.

Read `commands` for what can be asked, `resolve` for what names mean, `schemes` for how an image is
sent, and `engine` for how that is repeated over channels, SNR and channel uses.
"""
