"""The content of a recipe as frozen dataclasses: stages, parts, and the origin of weights."""
