"""The content of a recipe as frozen values: stages, parts, and the origin of weights."""
