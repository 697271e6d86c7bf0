"""The options that all studies on the proxy share."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.studies.architectures.proxy import Proxy, proxy_of
from simulator.commands.options import data_option, option, whole
from simulator.data.dataset import load_dataset
from simulator.errors import UserError
from simulator.storage.environment import REFERENCE
from simulator.storage.folders import check_writable


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """Where the images and the teachers are, and where to write."""

    data: Path | None = data_option()
    weights: Path = option(
        default=REFERENCE / "cifar100/weights", help="Folder with the teachers' weights."
    )
    out: Path = option(default=Path("results/runs/study"), help="Folder to write to.")
    workers: int = option(default=2, type=whole(1, 1000), help="Processes of one thread each.")

    def images(self) -> Path:
        """The folder of the images. Raises: UserError without one, or if --out is not writable."""
        if self.data is None:
            raise UserError("--data must name the folder of CIFAR-100, got none")
        check_writable(self.out)
        return self.data

    def prepared(self) -> Proxy:
        """The proxy; the teachers' outputs are computed at first use. Raises: UserError."""
        return proxy_of(load_dataset(self.images()), self.weights, self.out)
