"""ONNX files: written by PyTorch, quantised and run by ONNX Runtime.

They are written by PyTorch's TorchScript exporter. The newer exporter takes ten times as long, and
its files run no faster (DECISIONS, 180).
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.jit._trace import TracerWarning

from simulator.export.parts import LinkPart

CALIBRATION_BATCH = 64
OPSET = 17  # the first version with an operator for layer normalisation
Network = Callable[..., Tensor]  # a part in any runtime: tensors to a tensor


def write_onnx(part: LinkPart, inputs: Sequence[Tensor], path: Path) -> None:
    """Write a part for any batch size; `inputs` are examples with at least two images."""
    names = [*part.inputs, part.output]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the exporter is deprecated
        warnings.simplefilter("ignore", TracerWarning)  # traced sizes are constants
        torch.onnx.export(
            part.network,
            tuple(inputs),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=names[:-1],
            output_names=names[-1:],
            dynamic_axes={name: {0: "batch"} for name in names},
        )


def write_int8(source: Path, path: Path, images: Tensor | None) -> None:
    """Quantise the weights of a file to int8, with one scale per output channel.

    Activations are quantised to uint8. With `images` [N, C, H, W], their ranges are measured on
    these images (static quantisation); without, on each call (dynamic quantisation). Convolutions
    are slow with dynamic quantisation; codecs are larger and slower with static quantisation
    (DECISIONS, 181).
    """
    from onnxruntime import quantization as own

    prepared = path.with_suffix(".prepared.onnx")
    with _quiet():
        own.quant_pre_process(source, prepared, skip_symbolic_shape=True)
        usual = {"weight_type": own.QuantType.QInt8, "per_channel": True}
        if images is None:
            own.quantize_dynamic(prepared, path, **usual)
        else:
            own.quantize_static(prepared, path, _Batches(images), **usual)
    prepared.unlink()


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the advice that ONNX Runtime logs during quantisation."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


class _Batches:
    """Calibration images in the interface that ONNX Runtime expects."""

    def __init__(self, images: Tensor) -> None:
        self._left = iter(images.split(CALIBRATION_BATCH))

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, or None after the last."""
        batch = next(self._left, None)
        return None if batch is None else {"images": batch.numpy()}


def onnx_network(path: Path) -> Network:
    """The network of a file as a function, run by ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [own.name for own in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        given = dict(zip(names, (own.numpy() for own in inputs), strict=True))
        return torch.from_numpy(session.run(None, given)[0])

    return run
