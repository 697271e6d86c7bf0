"""Measurements made with the engine: comparisons, budgets, sizes, links, the physics."""
