"""ONNX files: written by PyTorch, quantised and run by ONNX Runtime.

The exporter is that of TorchScript: the files of the newer one are no faster, and it takes ten
times as long (DECISIONS, 180).
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
OPSET = 17  # the first with layer normalisation as one operator
Network = Callable[..., Tensor]  # a part in whatever runtime: tensors in, a tensor out


def write_onnx(part: LinkPart, inputs: Sequence[Tensor], path: Path) -> None:
    """Write a part with a batch of any size; `inputs` are an example of two images or more."""
    names = [*part.inputs, part.output]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of this exporter
        warnings.simplefilter("ignore", TracerWarning)  # sizes that are fixed
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
    """Quantise a file to int8 weights, one scale per output channel.

    With `images` [N, C, H, W], activations are uint8 by their range over these (static); without,
    by that of each call (dynamic). Convolutions are slow when dynamic, and codecs are
    larger and slower when static (DECISIONS, 181).
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
    """Without the advice that ONNX Runtime logs while it quantises."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


class _Batches:
    """Images for calibration, as ONNX Runtime reads them."""

    def __init__(self, images: Tensor) -> None:
        self._left = iter(images.split(CALIBRATION_BATCH))

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, or None after the last."""
        batch = next(self._left, None)
        return None if batch is None else {"images": batch.numpy()}


def onnx_network(path: Path) -> Network:
    """A file as a function, run by ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [own.name for own in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        given = dict(zip(names, (own.numpy() for own in inputs), strict=True))
        return torch.from_numpy(session.run(None, given)[0])

    return run
