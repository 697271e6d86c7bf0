"""Is what a search finds any good? The front of accuracy over parameters, with controls."""
