"""What the commands do: read options, check all, work, then write."""
