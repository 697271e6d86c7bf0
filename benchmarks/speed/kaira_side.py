"""Deep JSCC of images in Kaira: run by `benchmarks.speed` with the interpreter of --kaira-python.

    python -m venv KAIRA && KAIRA/bin/pip install -r requirements-kaira.txt
    KAIRA/bin/python benchmarks/speed/kaira_side.py GIVEN.npz REPEATS

GIVEN.npz holds images, the SNRs and the weights of our network, in the order of Kaira's. The script
prints a line of JSON: transmissions per core-second in every repeat, and mean PSNR in dB at every
SNR. It imports nothing of semlink.
"""

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

BATCH = 256


def declare_missing_operators() -> None:
    """Make torchvision importable even if its compiled operators do not match torch.

    Kaira imports torchvision, but nothing of it is used here.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        try:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        except RuntimeError:  # already defined
            continue
    declare_missing_operators.kept = library  # type: ignore[attr-defined]


def network(weights: list[Any]) -> tuple[Any, Any]:
    """Kaira's encoder and decoder with our weights."""
    from kaira.models.image.bourtsoulatze2019_deepjscc import (  # type: ignore[import-not-found]
        Bourtsoulatze2019DeepJSCCDecoder,
        Bourtsoulatze2019DeepJSCCEncoder,
    )

    ends = (Bourtsoulatze2019DeepJSCCEncoder(8), Bourtsoulatze2019DeepJSCCDecoder(8))
    left = iter(weights)
    for end in ends:
        own = {name: torch.from_numpy(next(left)) for name in end.state_dict()}
        end.load_state_dict(own)
        end.eval()
    return ends


@torch.inference_mode()
def sweep(images: Any, snr_db: list[float], ends: tuple[Any, Any]) -> list[float]:
    """Transmit every image at every SNR; return the mean PSNR in dB at each SNR."""
    from kaira.channels import AWGNChannel  # type: ignore[import-not-found]
    from kaira.constraints import AveragePowerConstraint  # type: ignore[import-not-found]
    from kaira.models.joint.deepjscc import DeepJSCCModel  # type: ignore[import-not-found]

    found = []
    for snr in snr_db:
        # power 1/2 per real value is 1 per complex use; the SNR is the same
        constraint, channel = AveragePowerConstraint(0.5), AWGNChannel(snr_db=snr)
        model = DeepJSCCModel(ends[0], constraint, channel, ends[1])
        total = 0.0
        for batch in images.split(BATCH):
            sent = batch.float() / 255
            error = (model(sent) - sent).square().mean(dim=(1, 2, 3))
            total += float((-10 * error.log10()).sum())
        found.append(total / len(images))
    return found


def main() -> None:
    """The command."""
    torch.set_num_threads(1)
    declare_missing_operators()
    given = np.load(sys.argv[1])
    images, snr_db = torch.from_numpy(given["images"]), [float(snr) for snr in given["snr_db"]]
    ends = network([given[name] for name in sorted(given.files) if name.startswith("weight")])
    sweep(images[:BATCH], snr_db, ends)
    rates, psnr = [], []
    for _ in range(int(sys.argv[2])):
        start = time.process_time()
        psnr = sweep(images, snr_db, ends)
        rates.append(len(images) * len(snr_db) / (time.process_time() - start))
    print(json.dumps({"version": version("pykaira"), "rates": rates, "psnr": psnr}))


if __name__ == "__main__":
    main()
