"""What the command line tells in one line."""


class UserError(ValueError):
    """A mistake of the user: what must hold, what came, the way out, in one line."""
