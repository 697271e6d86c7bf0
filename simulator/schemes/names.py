"""Names of schemes: a kind, and labels behind colons, as in `separate:webp_file:genie`."""

from typing import NamedTuple, Self

from simulator.errors import UserError


class SchemeName(NamedTuple):
    """KIND or KIND:LABEL:LABEL..."""

    kind: str
    labels: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The name in a text. Raises: UserError if a label is empty."""
        kind, *labels = text.split(":")
        if labels and not all(labels):
            raise UserError(f"--schemes must have a label behind each colon, got {text!r}")
        return cls(kind, tuple(labels))

    def __str__(self) -> str:
        """As users write it."""
        return ":".join((self.kind, *self.labels))

    @property
    def label(self) -> str:
        """All labels, joined by colons."""
        return ":".join(self.labels)

    @property
    def for_files(self) -> str:
        """As a part of a file's name."""
        return "-".join((self.kind, *self.labels))

    @property
    def for_parts(self) -> str:
        """As a part of a trained part's name."""
        return "_".join((self.kind, *self.labels))


class Label(NamedTuple):
    """A label that a scheme takes, as users write it, and what it means."""

    text: str
    meaning: str
