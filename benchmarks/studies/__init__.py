"""Studies: the docstring of each states the question, the command, the time and the files."""
