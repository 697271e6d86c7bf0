"""The history of a part, written while it is trained."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from simulator.storage.files import write_table


class TrainLog:
    """Writer of a part's history: `history/PART.csv` and `tensorboard/PART/` in a run's folder."""

    def __init__(self, folder: Path, part: str, *, images: int) -> None:
        self._csv = folder / "history" / f"{part}.csv"
        self._events = folder / "tensorboard" / part
        self._images = images  # per epoch
        self._writer: Any = None

    def write(self, history: Sequence[Mapping[str, float]], *, seconds: float) -> None:
        """Write the history so far, and the scalars of the last epoch, which took `seconds`."""
        write_table(self._csv, pd.DataFrame(history))
        last = history[-1]
        if self._opened(len(history)):
            for name in ("loss", "validation", "learning_rate"):
                self._writer.add_scalar(name, last[name], int(last["epoch"]))
            rate = self._images / seconds
            self._writer.add_scalar("images_per_second", rate, int(last["epoch"]))
            self._writer.flush()

    def close(self) -> None:
        """End the thread of the TensorBoard writer."""
        if self._writer is not None:
            self._writer.close()

    def _opened(self, epoch: int) -> bool:
        """Open the TensorBoard writer at this epoch; return False if it is not installed."""
        with contextlib.suppress(ImportError):  # pip install 'semlink[tensorboard]'
            from torch.utils.tensorboard import SummaryWriter

            self._writer = self._writer or SummaryWriter(str(self._events), purge_step=epoch)
        return self._writer is not None
