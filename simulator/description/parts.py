"""A trained part: what shapes it, which others it is trained on, and which stage makes it."""

from typing import NamedTuple

TEACHER = "teacher"  # how the names of teachers' parts begin


class Part(NamedTuple):
    """One file of weights, as a recipe describes it."""

    name: str  # "student", "codec", ...: of its file, of its streams
    description: tuple[object, ...]  # what shapes it besides data and seed
    made_from: tuple[str, ...] = ()  # names of the parts that it is trained on
    stage: str = ""  # of `semlink train` that makes it
