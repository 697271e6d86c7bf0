"""One experiment, from images to numbers on disk.

`config` describes it, `data` reads the images, `distill` trains the link, `link` sends images
through it, `sweep` repeats that over channels, SNR and channel uses, `records` writes the results,
and `__main__` is the command line `semlink`.
"""
