"""Studies: each docstring states question, command, time and files."""
