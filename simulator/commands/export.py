"""`semlink export`: a trained link as ONNX files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulator.commands.options import WeightsRequest, command, note, out_option, seed_option

if TYPE_CHECKING:
    import pandas as pd

MOST_LOSS = 0.005  # largest loss of accuracy by int8 without a remark


@dataclass(frozen=True, kw_only=True)
class ExportRequest(WeightsRequest):
    """The options of `semlink export`."""

    out: Path | None = out_option("results/runs/RECIPE/export")
    seed: int = seed_option("Seed of the noise with which runtimes are compared.")

    @property
    def folder(self) -> Path:
        """Where to write."""
        return self.out or Path("results/runs") / self.recipe_name / "export"


@command(ExportRequest)
def export(request: ExportRequest) -> None:
    """Write the trained link of a recipe as ONNX files, fp32 and int8.

    Encoder, transmitter, receiver and head are separate files, so that each end of a link can run
    its own. They are compared with PyTorch on the test images, over AWGN at 0 dB; export.csv has
    sizes, CPU time per image on one thread, largest differences and accuracies.
    """
    import torch

    from simulator.export.build import check_runtime, export_link
    from simulator.parse import MOST_SEED, in_range
    from simulator.schemes.rkd_sc import RkdScConfig
    from simulator.storage.folders import check_writable

    check_runtime()
    experiment, folder = request.experiment(), request.folder
    check_writable(folder.parent)
    seed = in_range("--seed", request.seed, 0, MOST_SEED)
    (trained, weights), test = request.loaded(experiment, torch.device("cpu"))
    table = export_link(trained.one(RkdScConfig), weights, test, folder, seed=seed)
    shown = table.astype(object).where(table.notna(), "")
    click.echo(shown.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    click.echo(f"files:   {folder}")
    remark_loss(table)


def remark_loss(table: "pd.DataFrame") -> None:
    """Print a remark if int8 loses accuracy."""
    accuracy = table[table["part"] == "link"].set_index("runtime")["accuracy"]
    loss = accuracy["torch"] - accuracy["int8"]
    if loss > MOST_LOSS:
        note(f"int8 files lose {100 * loss:.1f} points of accuracy")
