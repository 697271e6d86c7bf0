"""Standard errors of accuracies that are due to tables of block error rates from finite samples.

`python -m benchmarks.tools.table_errors` goes through the choices of all committed sweeps, except
those of genie schemes, which choose per image. It writes
results/reference/block_errors/table_errors.csv: the number of points and the largest standard error
of an accuracy, for each sweep, scheme and channel that uses tables. It takes half a minute.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pandas as pd

from benchmarks.baselines.adaptation import (
    Choice,
    CodedLink,
    distribution,
    lost_accuracy,
    table_error,
)
from benchmarks.baselines.block_errors import COMMITTED
from benchmarks.baselines.digital import DigitalConfig
from channels.names import channel_from_name
from simulator.resolve import recipe_named
from simulator.storage.environment import REFERENCE
from simulator.storage.files import write_table
from simulator.storage.folders import CHOICES

FILE: Final = COMMITTED / "table_errors.csv"
PLACE: Final = ["sweep", "scheme", "channel"]


def errors_of(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows of choices with the standard error of the accuracy, if it depends on a table."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    schemes = recipe_named(run["recipe"]["name"]).schemes
    configs = {own.kind: own for own in schemes if isinstance(own, DigitalConfig)}
    for found in pd.read_csv(folder / CHOICES).to_dict("records"):
        row = {str(name): value for name, value in found.items()}
        config = configs[row["scheme"].partition(":")[0]]
        if _by_table(row):
            error = error_at(row, _link(row, config), int(run["data"]["classes"]))
            yield {"sweep": folder.relative_to(REFERENCE).as_posix(), **row, "table_error": error}


def _by_table(row: dict[str, Any]) -> bool:
    """Whether a row uses a table: a coded link with one known gain per block, and no genie."""
    if "genie" in row["scheme"] or row["modulation"] == "any":
        return False
    law = channel_from_name(row["channel"]).law
    return law.knowledge == "perfect" and bool(law.one_gain(row["channel_uses"]))


def _link(row: dict[str, Any], config: DigitalConfig) -> CodedLink:
    """The link that a row of choices describes."""
    links = [CodedLink(pipe) for pipe in config.pipes(row["channel_uses"])]
    told = {"modulation": row["modulation"], "code_rate": row["code_rate"]}
    (link,) = (own for own in links if own.payload_bits == row["payload_bits"] and own.text == told)
    return link


def error_at(row: dict[str, Any], link: CodedLink, classes: int) -> float:
    """The standard error of the accuracy of one choice, from its estimate on validation images."""
    channel, bits = channel_from_name(row["channel"]), link.bits_per_symbol
    met = distribution(
        channel, snr_db=row["snr_db"], uses=row["channel_uses"], modulations=(bits,)
    )[bits]
    arrived, accuracy = 1 - link.error_rate(met).mean(), row["validation_accuracy"]
    lost = lost_accuracy(link, classes)
    at_stake = (accuracy - lost) / arrived if arrived > 0 else 0.0
    choice = Choice(row["codec"], link, row["validation_delivered"], accuracy, at_stake)
    return table_error([(choice, met)])


def largest() -> pd.DataFrame:
    """A row for each sweep, scheme and channel; `largest` is a fraction."""
    folders = sorted(path.parent for path in REFERENCE.rglob(CHOICES))
    rows = pd.DataFrame([row for folder in folders for row in errors_of(folder)])
    found = rows.groupby(PLACE, sort=False)["table_error"].agg(points="size", largest="max")
    return found.round(5).reset_index()


def main() -> None:
    """Compute, write and print the table."""
    rows = largest()
    write_table(FILE, rows)
    print(rows.to_string(index=False))


if __name__ == "__main__":
    main()
