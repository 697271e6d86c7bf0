"""The commands: read options, check everything, compute, then write."""
