"""A sweep: its grid, its workers, its journal, and its table."""
