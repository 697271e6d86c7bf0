"""`semlink submit`: enter a submission or semlink's own schemes, and write the leaderboard."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.open.about import About
from benchmarks.open.answers import read_answers
from benchmarks.open.board import write_board
from benchmarks.open.entry import (
    OWN,
    RUN,
    Entry,
    Origin,
    entries_of,
    path_of,
    read_entry,
    write_entry,
)
from benchmarks.open.run import Swept, made_with, swept, swept_checked
from benchmarks.open.submission import Given, read_submission
from benchmarks.open.task import Task, tasks
from simulator.data.dataset import Dataset
from simulator.errors import UserError
from simulator.schemes.experiment import Experiment, build_scheme, requested_schemes
from simulator.storage.describe import digest
from simulator.storage.environment import OPEN
from simulator.training.weights import Weights

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Submissions:
    """A task, its data, and the folder to which entries are written.

    Raises: UserError if an existing entry is damaged.
    """

    task: Task
    dataset: Dataset
    folder: Path
    fresh: bool  # compute again and replace an existing entry of the same name
    say: Say

    def __post_init__(self) -> None:
        """Read the entries of the leaderboard, so that errors appear before the computation."""
        entries_of((OPEN, self.folder), self.task)

    def take(self, path: Path) -> None:
        """Enter a file `.py` or a folder of answers.

        Raises: UserError if it is invalid; then nothing is written.
        """
        if path.is_dir():
            self._take_answers(path)
        elif path.suffix == ".py" and path.is_file():
            self._take_file(path)
        else:
            raise UserError(
                f"SUBMISSION must be a file .py or a folder with answers.npz, got {path}"
            )

    def take_own(self, experiment: Experiment, weights: Weights, names: Sequence[str]) -> None:
        """Enter semlink's own schemes, each as soon as it is computed. Raises: UserError."""
        split = self.task.test_split(self.dataset)
        asked, left_out = requested_schemes(experiment, weights, names)
        for own in left_out:
            self.say(f"note:    {own.text}")
        for name in asked:
            built = build_scheme(name, experiment, weights)
            submission = {f"semlink scheme {name}": digest(built.identity)}
            description = f"scheme {name} of recipe {experiment.name}"
            about = About(name=name, authors="semlink", description=description)
            if not self._is_there(about, submission):
                self._enter(about, RUN, submission, swept(self.task, [built.scheme], split))

    def _take_file(self, path: Path) -> None:
        split = self.task.test_split(self.dataset)
        submission = read_submission(path)
        about = submission.about
        schemes, files = submission.schemes(Given.of(self.task, self.dataset, path.parent))
        if not self._is_there(about, files):
            self._enter(about, RUN, files, swept_checked(self.task, schemes, about.name, split))

    def _take_answers(self, folder: Path) -> None:
        labels = self.task.test_split(self.dataset).labels.numpy()
        about, files, settings, outcomes = read_answers(folder, self.task, labels)
        if not self._is_there(about, files):
            told = {place.channel_uses: settings for place in outcomes}
            self._enter(about, OWN, files, Swept(told, outcomes))

    def _is_there(self, about: About, submission: Mapping[str, str]) -> bool:
        """Whether this very submission is already entered; False if `fresh`.

        Raises: UserError if a different submission of the same name is entered and not `fresh`.
        """
        path = path_of(self.folder, self.task.name, about.name)
        if self.fresh or not path.exists():
            return False
        if read_entry(path, self.task).submission != dict(submission):
            raise UserError(
                f"{path} is an entry of that name with other files; add --fresh to replace it, "
                "or choose another name"
            )
        self.say(f"entry:   {path} is there already; --fresh runs it again")
        return True

    def _enter(
        self, about: About, origin: Origin, submission: Mapping[str, str], found: Swept
    ) -> None:
        missing = [place for place in self.task.places if place not in found.outcomes]
        entry = Entry(
            task=self.task.name,
            task_digest=self.task.digest,
            about=about,
            origin=origin,
            submission=submission,
            made_with=made_with(),
            settings=found.settings,
            outcomes=found.outcomes,
        )
        self.say(f"entry:   {write_entry(self.folder, entry)}")
        if missing:
            told = ", ".join(f"{place.channel} k = {place.channel_uses}" for place in missing)
            self.say(f"note:    {about.name} does not serve {told}")


def board_of(folder: Path) -> Path:
    """Write the leaderboard of the entries in a folder and of semlink's committed ones.

    Raises: UserError if an entry is damaged, or there is none.
    """
    folders = (OPEN, folder)
    found = {task.name: (task, entries_of(folders, task)) for task in tasks().values()}
    return write_board(folder, [own for own in found.values() if own[1]])
