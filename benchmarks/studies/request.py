"""The options that studies on CIFAR-100 share."""

from dataclasses import dataclass
from pathlib import Path

from simulator.commands.options import check_apart, data_option, option, whole
from simulator.data.dataset import Dataset, load_dataset
from simulator.errors import UserError
from simulator.storage.folders import check_writable


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """Where the images are, and where to write."""

    data: Path | None = data_option()
    out: Path = option(default=Path("results/runs/study"), help="Folder to write to.")

    def __post_init__(self) -> None:
        """Raises: UserError if --out lies among the images of --data."""
        check_apart(self.out, self.data)

    def images(self) -> Path:
        """The folder of the images. Raises: UserError without one, or if --out is not writable."""
        if self.data is None:
            raise UserError("--data must name the folder of CIFAR-100, got none")
        check_writable(self.out)
        return self.data

    def dataset(self) -> Dataset:
        """The images. Raises: UserError as `images`."""
        return load_dataset(self.images())


@dataclass(frozen=True, kw_only=True)
class ParallelStudyRequest(StudyRequest):
    """A study by several processes, see `benchmarks.studies.pool`."""

    workers: int = option(default=2, type=whole(1, 1000), help="Processes of one thread each.")
