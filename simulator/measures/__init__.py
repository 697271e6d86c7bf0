"""Measurements with the engine: comparisons, thresholds, budgets, sizes, links, channels."""
