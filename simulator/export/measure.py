"""Size, time and accuracy of a link in each runtime, and differences between its outputs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from channels.awgn import AwgnChannel
from channels.streams import Streams
from models.blocks import parameter_count
from simulator.data.dataset import Split, to_float
from simulator.engine.evaluate import BLOCK
from simulator.export.files import Network, onnx_network
from simulator.export.parts import LinkPart
from simulator.measures.sizes import cpu_ms
from simulator.statistics.intervals import accuracy_interval

LINK_PARTS = ("encoder", "transmitter", "receiver", "head")  # the parts that a transmission runs
SNR_DB = 0.0  # of the transmission on which runtimes are compared


class Runtime(NamedTuple):
    """The parts of a link in one runtime."""

    name: str
    networks: Mapping[str, Network]
    megabytes: Mapping[str, float]  # 10^6 bytes of weights (torch) or of the file


class Sent(NamedTuple):
    """The inputs of every part during one transmission of a batch, and the resulting scores."""

    inputs: Mapping[str, tuple[Tensor, ...]]
    scores: Tensor


def in_torch(parts: Mapping[str, LinkPart]) -> Runtime:
    """The parts as PyTorch modules."""
    networks = {name: own.network for name, own in parts.items()}
    sizes = {name: 4e-6 * parameter_count(own) for name, own in networks.items()}
    return Runtime("torch", networks, sizes)


def in_onnx(name: str, files: Mapping[str, Path]) -> Runtime:
    """The parts as ONNX files, run by ONNX Runtime."""
    networks = {part: onnx_network(path) for part, path in files.items()}
    sizes = {part: 1e-6 * path.stat().st_size for part, path in files.items()}
    return Runtime(name, networks, sizes)


@torch.inference_mode()
def send(
    networks: Mapping[str, Network], images: Tensor, *, k: int, generator: torch.Generator
) -> Sent:
    """Send images [B, C, H, W] over AWGN at `SNR_DB`, with k symbols each."""
    snr_db = torch.full((len(images), 1), SNR_DB)
    uses = torch.full((len(images), 1), k)
    features = networks["encoder"](images)
    x = networks["transmitter"](features, snr_db, uses)
    received = AwgnChannel()(torch.view_as_complex(x), snr_db=snr_db, generator=generator)
    y, h = torch.view_as_real(received.y), torch.view_as_real(received.h)
    arrived = (y, h, received.noise_power, uses)
    estimate = networks["receiver"](*arrived)
    inputs = {
        "encoder": (images,),
        "transmitter": (features, snr_db, uses),
        "receiver": arrived,
        "head": (estimate,),
        "classifier": (features,),
    }
    return Sent(inputs, networks["head"](estimate))


class Trip(NamedTuple):
    """Test images, the number k of symbols per image, and the seed of the noise."""

    test: Split
    k: int
    seed: int

    def each(self, networks: Mapping[str, Network]) -> list[Sent]:
        """Send all images, in blocks; the noise is the same in every runtime."""
        generator = Streams(self.seed)("channel", "awgn", SNR_DB, self.k)
        return [
            send(networks, to_float(images), k=self.k, generator=generator)
            for images in self.test.images.split(BLOCK)
        ]

    def right(self, sent: list[Sent]) -> NDArray[np.float64]:
        """1 for every correctly classified image, else 0: [N]."""
        decided = torch.cat([own.scores.argmax(dim=1) for own in sent])
        return (decided == self.test.labels).double().numpy()


def rows_of(
    runtime: Runtime, truth: list[Sent], reference: Runtime, trip: Trip
) -> list[dict[str, Any]]:
    """A row for each part, and one for the link as a whole.

    Each part is compared with that of the reference, on the same inputs: those that `truth`, a
    transmission with the reference, holds for this part.
    """
    rows = [
        {
            "part": part,
            "runtime": runtime.name,
            "megabytes": runtime.megabytes[part],
            "cpu_ms": _ms(network, truth[0].inputs[part]),
            "largest_difference": _difference(network, reference.networks[part], part, truth),
        }
        for part, network in runtime.networks.items()
    ]
    return [*rows, _whole(rows, trip.right(trip.each(runtime.networks)), trip)]


def _whole(rows: list[dict[str, Any]], right: NDArray[np.float64], trip: Trip) -> dict[str, Any]:
    """Size and time summed over the parts that a transmission runs, and its accuracy."""
    met = [row for row in rows if row["part"] in LINK_PARTS]
    interval = accuracy_interval(right)
    return {
        "part": "link",
        "runtime": rows[0]["runtime"],
        **{name: sum(row[name] for row in met) for name in ("megabytes", "cpu_ms")},
        "images": len(right),
        "snr_db": SNR_DB,
        "channel_uses": trip.k,
        "accuracy": right.mean(),
        "ci_low": interval.low,
        "ci_high": interval.high,
    }


def _ms(network: Network, inputs: tuple[Tensor, ...]) -> float:
    """CPU milliseconds for a batch of one image."""
    one = tuple(own[:1].contiguous() for own in inputs)
    return cpu_ms(lambda _: network(*one), one[0])


@torch.inference_mode()
def _difference(network: Network, reference: Network, part: str, sent: list[Sent]) -> float:
    """Largest absolute difference between the outputs of a part and those of the reference."""
    given = [own.inputs[part] for own in sent]
    return max(float((network(*own) - reference(*own)).abs().max()) for own in given)
