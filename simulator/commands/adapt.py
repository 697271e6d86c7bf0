"""`semlink adapt`: the fewest channel uses that keep the accuracy, at every SNR."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from simulator.commands.options import (
    SCHEME,
    GridRequest,
    WeightsRequest,
    command,
    device_option,
    note,
    number,
    option,
)
from simulator.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

PERCENT = (
    *("accuracy", "ci_low", "ci_high", "accuracy_at_most_uses"),
    *("difference", "difference_low", "difference_high"),
)
SHORT = {
    "channel_uses": "k",
    "most_uses": "largest_k",
    "accuracy_at_most_uses": "accuracy_there",
    "difference_low": "diff_low",
    "difference_high": "diff_high",
}


@dataclass(frozen=True, kw_only=True)
class AdaptRequest(WeightsRequest, GridRequest):
    """The options of `semlink adapt`; None: as in the recipe."""

    channel_uses: tuple[int, ...] | None = option(help="The k to choose from.")
    scheme: str = option(type=SCHEME, default="rkd_sc", help="The scheme whose k is adapted.")
    retention: float = option(
        default=0.99,
        type=number("above 0 and at most 1", lambda share: 0 < share <= 1),
        metavar="Q",
        help="Share of the accuracy with the largest k that must be kept.",
    )
    device: str = device_option()


@command(AdaptRequest)
def adapt(request: AdaptRequest) -> None:
    """Find the fewest channel uses that keep the accuracy, at every SNR.

    k is chosen on validation images and evaluated on test images. Writes adaptive.csv: k for each
    channel and SNR, its accuracy, the difference from that with the largest k, and whether the
    share is kept on test images.
    """
    from simulator.engine.grid import plan
    from simulator.measures.budget import adaptive_table
    from simulator.resolve import device_named
    from simulator.schemes.experiment import build_scheme
    from simulator.storage.files import write_table
    from simulator.storage.folders import check_writable

    experiment = request.experiment()
    if not 0 < request.retention <= 1:
        raise UserError(f"--retention must be above 0 and at most 1, got {request.retention:g}")
    grid, device = request.grid(experiment), device_named(request.device)
    (experiment, weights), test = request.loaded(experiment, device)
    validation = weights.dataset.validation
    if validation is None:
        raise UserError(
            "the data must hold validation images to choose k on, but holds none; "
            "add a validation split"
        )
    scheme = build_scheme(request.scheme, experiment, weights, option="--scheme").scheme
    check_writable(request.folder)
    points, left_out = plan([scheme], grid)
    note(*(own.text for own in left_out))
    rows = adaptive_table(
        scheme,
        points,
        grid,
        validation=validation,
        test=test,
        share=request.retention,
        num_classes=weights.dataset.num_classes,
        device=device,
    )
    write_table(request.folder / "adaptive.csv", rows)
    click.echo(f"{request.scheme}: accuracy in % and differences in points, on test images")
    click.echo(shown(rows).to_string(index=False))
    click.echo(missed_places(rows, request.retention))
    click.echo(f"mean k over these SNRs: {rows['channel_uses'].mean():.1f}")
    click.echo(f"table:   {request.folder / 'adaptive.csv'}")


def shown(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The table as it is printed: in percent, with short column names."""
    percent = {name: (100 * rows[name]).round(1) for name in PERCENT}
    kept = rows["kept"].map({True: "yes", False: "no"})
    table = rows.assign(**percent, kept=kept, snr_db=rows["snr_db"].map("{:g}".format))
    return table.drop(columns=["scheme", "images", "realizations"]).rename(columns=SHORT)


def missed_places(rows: "pd.DataFrame", share: float) -> str:
    """The points at which test images miss the share kept on validation images, in one line."""
    missed = rows[~rows["kept"].astype(bool)]
    if missed.empty:
        return f"{100 * share:g} % of the accuracy is kept on test images at every point"
    places = zip(missed["channel"], missed["snr_db"], missed["channel_uses"], strict=True)
    told = ", ".join(f"{channel} {snr_db:g} dB (k = {k})" for channel, snr_db, k in places)
    count = f"{len(missed)} of {len(rows)} points"
    return f"less than {100 * share:g} % of the accuracy is kept on test images at {count}: {told}"
