"""What the commands do, a file for each kind: read options, check all, work, then write.

`simulator/__main__.py` imports a file when its command runs, so that `--help` answers at once.
"""
