"""A sweep: its grid, who computes it, the journal that keeps it, and the table of it all."""
