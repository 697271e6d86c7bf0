"""`semlink sweep`: check everything, compute what the journal lacks, write tables and a report."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

from simulator.commands.options import (
    SCHEMES,
    GridRequest,
    WeightsRequest,
    command,
    device_option,
    flag,
    name_figures,
    note,
    number,
    option,
    whole,
)
from simulator.errors import UserError
from simulator.parse import MOST_REALIZATIONS, MOST_WORKERS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

    from simulator.engine.sweep import Sweep
    from simulator.left_out import LeftOut


def _schemes() -> str:
    from simulator.resolve import scheme_labels, scheme_names

    labels = [f"{', '.join(names)} ({means})" for means, names in scheme_labels().items()]
    return (
        f"{', '.join(scheme_names())}, or all: every trained scheme. Labels: {'; '.join(labels)}."
    )


@dataclass(frozen=True, kw_only=True)
class SweepRequest(WeightsRequest, GridRequest):
    """The options of `semlink sweep`; None: as in the recipe."""

    schemes: tuple[str, ...] | None = option(type=SCHEMES, help=_schemes)
    mc: float | None = option(
        type=number("a half-width between 0 and 100 points", lambda points: 0 < points < 100),
        metavar="POINTS",
        help="Add R channel draws at a time until their 95 % interval is +-POINTS of accuracy.",
    )
    max_realizations: int | None = option(
        type=whole(1, MOST_REALIZATIONS),
        metavar="N",
        help="Maximum number of draws with --mc.  [default: 200]",
    )
    precision: Literal["fp32", "bf16"] = option(
        default="fp32",
        help="Precision of networks; separate and digital_semantic always use fp32.",
    )
    compiled: bool = flag(
        "--compile",
        help="Compile the receiver of rkd_sc first: faster if a sweep takes minutes.",
    )
    quality: bool = flag(
        help="Add PSNR and SSIM of the images that separate, deep_jscc_image and others "
        "reconstruct."
    )
    bit_true: bool = flag(help="Decode every LDPC block instead of using tables.")
    workers: int | None = option(
        type=whole(1, MOST_WORKERS),
        metavar="N",
        help="Number of processes.  [default: one per core; 1 for little work or a GPU]",
    )
    cluster: str | None = option(
        metavar="ADDRESS|auto|local",
        help="Compute on a Ray cluster instead; local: start one of --workers CPUs here.",
    )
    fresh: bool = flag(help="Delete finished units of an earlier sweep in --out.")
    verbose: bool = flag("-v", "--verbose", help="Give the reason for everything left out.")
    device: str = device_option()


@command(SweepRequest)
def sweep(request: SweepRequest) -> None:
    """Evaluate schemes over a grid; write a table, samples, figures and a report.

    RECIPE is one of {recipes}. The default grid is the recipe's.
    Stop with Ctrl-C at any time; the same command computes what is missing.
    """
    from simulator.engine.folder import noiseless_accuracy, sweep_folder
    from simulator.measures.quality import check_quality, image_quality
    from simulator.parse import in_range
    from simulator.resolve import draw, report
    from simulator.storage.folders import REPORT, forget_figures

    if request.quality:
        check_quality()
    if request.max_realizations is not None and request.mc is None:
        raise UserError("--max-realizations is the limit of --mc; add --mc POINTS, or leave it out")
    if request.workers is not None and request.cluster not in (None, "local"):
        raise UserError(
            f"--workers counts processes of this machine, not of --cluster {request.cluster}; "
            "leave out one of them"
        )
    if request.workers is not None:
        in_range("--workers", request.workers, 1, MOST_WORKERS)
    asked, left_out = resolved(request)
    clean = noiseless_accuracy(asked)
    folder = request.folder
    with sweep_folder(asked, folder, fresh=request.fresh) as place:
        named = set(request.schemes or ()) - {"all"}
        told = reasons(left_out, given=None if request.verbose else named)
        note(*told, *_remarks(asked), *place.remarks, size_of(asked))
        results = place.compute(workers=request.workers, cluster=request.cluster)
        images = image_quality(asked, results.realizations) if request.quality else None
        table, run = place.write(results, noiseless=clean, left_out=left_out, more=images)
        forget_figures(folder / "figures")
        figures = draw(table, run, folder / "figures")
        report([(folder, table, run)], folder / REPORT)
    _show(table)
    click.echo(
        f"noiseless: {100 * clean['accuracy']:.1f} % (student and head, no channel; "
        f"95 % interval {100 * clean['ci_low']:.1f} to {100 * clean['ci_high']:.1f} %)"
    )
    click.echo(f"table:   {folder / 'results.csv'}")
    name_figures(figures)
    click.echo(f"report:  {folder / REPORT}")


def resolved(request: SweepRequest) -> "tuple[Sweep, list[LeftOut]]":
    """The requested sweep, and everything left out of it. Raises: UserError."""
    from simulator.engine.evaluate import Setting
    from simulator.engine.sweep import Sweep
    from simulator.resolve import check_compiler, device_named

    experiment = request.experiment()
    experiment = experiment.decoding_all() if request.bit_true else experiment
    grid = request.grid(experiment).until(request.mc, request.max_realizations)
    device = device_named(request.device)
    if request.compiled:
        check_compiler()
    (experiment, weights), test = request.loaded(experiment, device)
    setting = Setting(grid.seed, device, request.precision, request.compiled)
    schemes = request.schemes or ("all",)
    return Sweep.of(weights, experiment, schemes, grid, test=test, setting=setting)


def reasons(left_out: "Sequence[LeftOut]", *, given: "Collection[str] | None") -> list[str]:
    """Lines about what is left out, with the reasons.

    Schemes that are not in `given` share one line, with only their names. If `given` is None, or if
    one line holds all reasons, every reason is given.
    """
    grouped = _grouped(left_out)
    if given is None or len(grouped) < 2:
        return grouped
    own = [one for one in left_out if one.scheme in given]
    others = dict.fromkeys(one.scheme for one in left_out if one.scheme not in given)
    if not others:
        return grouped
    short = f"left out, wholly or in part: {', '.join(others)}; add -v to this command for the"
    return [*_grouped(own), f"{short} reasons"]


def _grouped(left_out: "Sequence[LeftOut]") -> list[str]:
    """Entries that differ only in k share a line, and so do schemes that serve the same k."""
    groups: dict[tuple[str, str], list[LeftOut]] = {}  # by scheme ("": shared) and reason
    for one in left_out:
        together = one.trained and one.why.startswith("serves ")
        groups.setdefault(("" if together else one.scheme, one.reason), []).append(one)
    return [_line(group) for group in groups.values()]


def _line(group: "Sequence[LeftOut]") -> str:
    """One line for all schemes and all k that are left out for a reason."""
    if not group[0].trained:
        return group[0].text
    names = list(dict.fromkeys(one.scheme for one in group))
    uses = list(dict.fromkeys(str(one.k) for one in group))
    reason = group[0].reason
    verb = reason.replace("serves ", "serve ", 1) if len(names) > 1 else reason
    return f"{', '.join(names)} {verb}k = {', '.join(uses)} left out"


def size_of(sweep: "Sweep") -> str:
    """The size of a sweep, in one line."""
    schemes, channels, snrs, uses = (len(set(each)) for each in zip(*sweep.points, strict=True))
    counts = ((schemes, "scheme"), (channels, "channel"), (snrs, "SNR"))
    told = ", ".join(f"{count} {name}{'s' * (count > 1)}" for count, name in counts)
    least = "" if sweep.grid.mc is None else "at least "
    return f"{told}, {uses} k: {least}{sweep.transmissions:,} transmissions"


def _remarks(sweep: "Sweep") -> list[str]:
    """Remarks on the origin of the weights and on the speed."""
    from simulator.description.trained_on import data_name
    from simulator.device import native

    weights, setting = sweep.weights, sweep.setting
    remarks = [f"weights from {weights.folder}", *weights.remarks]
    if native(setting.device, setting.precision) != setting.precision:
        remarks.append(
            f"this device has no {setting.precision} arithmetic; --precision fp32 is faster"
        )
    if weights.trained_on == {weights.dataset.key}:
        return remarks
    if weights.trained_on == {data_name(weights.folder, weights.dataset)}:
        other = "the training images of --data, but beside other test images"
    else:
        other = "data other than --data: training or test images differ"
    return [*remarks, f"these weights were made with {other}"]


def _show(results: "pd.DataFrame") -> None:
    """Print accuracy in percent, one line per scheme, channel and k, one column per SNR."""
    from simulator.measures.shown import in_percent

    click.echo("accuracy in % at SNR (Es/N0 per channel use) in dB")
    click.echo(in_percent(results).to_string())
