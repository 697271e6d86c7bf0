"""`semlink submit`: an entry into the open benchmark, and its leaderboard."""

from dataclasses import dataclass
from pathlib import Path

import click

from simulator.commands.options import (
    PATH,
    SCHEMES,
    argument,
    check_apart,
    command,
    data_option,
    flag,
    note,
    option,
    out_option,
)
from simulator.errors import UserError

COMMITTED = Path("results/open")  # if the current folder is a checkout


@dataclass(frozen=True, kw_only=True)
class SubmitRequest:
    """The options of `semlink submit`."""

    submission: Path | None = argument(type=PATH, required=False)
    task: str = option(default="digits", metavar="NAME", help="Task: digits or cifar100.")
    data: Path | None = data_option()
    schemes: tuple[str, ...] | None = option(
        type=SCHEMES, help="Enter schemes of semlink instead: a,b or all."
    )
    weights: Path | None = option(metavar="DIR", help="Trained weights of --schemes.")
    out: Path | None = out_option("results/open if it is there, else open")
    fresh: bool = flag(help="Replace an entry of the same name.")

    def __post_init__(self) -> None:
        """Raises: UserError if --out lies among the images of --data."""
        check_apart(self.out, self.data)

    @property
    def folder(self) -> Path:
        """The folder of the entries and the leaderboard."""
        return self.out or (COMMITTED if COMMITTED.is_dir() else Path("open"))


@command(SubmitRequest)
def submit(request: SubmitRequest) -> None:
    """Enter a scheme into the open benchmark, and write the leaderboard.

    SUBMISSION is a Python file with NAME, AUTHORS, DESCRIPTION and a function scheme(task), which
    is executed (read files from others first), or a folder with answers.npz and submission.toml.
    Without SUBMISSION only the leaderboard is written, from the entries in --out and those shipped
    with semlink.
    """
    from simulator import resolve
    from simulator.storage.folders import check_writable

    if request.submission is not None and request.schemes is not None:
        raise UserError("SUBMISSION and --schemes must not both be given; leave one out")
    if request.weights is not None and request.schemes is None:
        raise UserError("--weights belongs to --schemes; add it, or leave --weights out")
    if request.submission is not None and not request.submission.exists():
        raise UserError(
            f"SUBMISSION must be a file .py or a folder, got {request.submission}, which does not "
            "exist; check the path"
        )
    check_writable(request.folder)
    if request.submission is not None or request.schemes is not None:
        task = (request.task, request.data)
        submissions = resolve.open_submissions(
            *task, request.folder, fresh=request.fresh, say=click.echo
        )
        note(*submissions.dataset.remarks)
        if request.submission is not None:
            submissions.take(request.submission)
        else:
            resolve.enter_own(submissions, request.schemes or (), request.weights)
    click.echo(f"board:   {resolve.leaderboard(request.folder)}")
