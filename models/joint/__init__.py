"""Joint source-channel coding baselines: one network from image to symbols, one for each k."""
