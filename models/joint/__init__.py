"""Joint source-channel coding baselines: a separate network from image to symbols for each k."""
