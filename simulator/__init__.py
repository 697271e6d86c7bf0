"""One experiment, from images to numbers on disk; `__main__` is the command line `semlink`."""
