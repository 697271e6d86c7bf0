"""How fast the simulator is: core-seconds, medians, and ratios measured in one run."""
