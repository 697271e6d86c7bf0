"""The options that all studies on the proxy share."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.studies.architectures.proxy import Proxy, proxy_of
from benchmarks.studies.request import ParallelStudyRequest
from simulator.commands.options import option
from simulator.storage.environment import REFERENCE


@dataclass(frozen=True, kw_only=True)
class ProxyRequest(ParallelStudyRequest):
    """A study with the proxy's teachers."""

    weights: Path = option(
        default=REFERENCE / "cifar100/weights", help="Folder with the teachers' weights."
    )

    def prepared(self) -> Proxy:
        """The proxy; the teachers' outputs are computed at first use. Raises: UserError."""
        return proxy_of(self.dataset(), self.weights, self.out)
