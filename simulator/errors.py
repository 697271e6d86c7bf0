"""What the command line tells in one line."""


class UserError(ValueError):
    """A mistake of the user: what must hold, what came, the way out, in one line."""


class Stopped(Exception):
    """The user stopped the work: what is kept and how to go on, in one line."""


class TimeUp(Exception):
    """The time given to a training is over; its checkpoint is written."""
