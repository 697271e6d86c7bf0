"""What a training leaves to look at: a CSV file, and TensorBoard scalars where it is installed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.records import write_table


class TrainLog:
    """History of one part below a run's folder: `history/PART.csv` and `tensorboard/PART/`."""

    def __init__(self, folder: Path, part: str, *, images: int) -> None:
        self._csv = folder / "history" / f"{part}.csv"
        self._events = folder / "tensorboard" / part
        self._images = images  # per epoch
        self._writer: Any = None

    def write(self, history: Sequence[Mapping[str, float]], *, seconds: float) -> None:
        """The whole history so far, and the last epoch's scalars.

        `seconds` is how long the last epoch took in this process.
        """
        write_table(self._csv, pd.DataFrame(history))
        last = history[-1]
        writer = self._open(len(history))
        if writer is not None:
            for name in ("loss", "validation", "learning_rate"):
                writer.add_scalar(name, last[name], int(last["epoch"]))
            writer.add_scalar("images_per_second", self._images / seconds, int(last["epoch"]))
            writer.flush()

    def _open(self, epoch: int) -> Any:
        """TensorBoard's writer; epochs from this one on are overwritten. None without it."""
        if self._writer is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:  # pip install 'semlink[tensorboard]'
                return None
            writer = SummaryWriter(str(self._events), purge_step=epoch)
            self._writer = writer
        return self._writer
