"""Semantic communication from Python: load a link, send images, sweep, compare, plot.

For example::

    import semlink

    link = semlink.load("digits")
    test = link.data.test
    sent = semlink.send(link["rkd_sc"], test.images[:10], channel="rayleigh", snr_db=5, k=16)
    print(sent.classes, test.labels[:10])
    grid = semlink.Grid(snr_db=(-10, 0, 10), channel_uses=16, channels="awgn")
    print(semlink.sweep(link, "rkd_sc,label_code", grid, images=200))

SNR is Es/N0 in dB per complex channel use, averaged over fading; k is the number of complex channel
uses per image. Torch and Sionna are imported only when they are needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from simulator.errors import Error, naming_arguments

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

    from channels.base import Channel
    from channels.own import Transmit
    from simulator.data.dataset import Dataset
    from simulator.engine.outcomes import UnitStore
    from simulator.engine.send import Sent
    from simulator.scheme import Scheme
    from simulator.schemes.experiment import Experiment
    from simulator.schemes.own import Network
    from simulator.training.weights import Weights

__all__ = [
    "Error",
    "Grid",
    "Link",
    "Results",
    "doctor",
    "load",
    "load_data",
    "own_channel",
    "own_scheme",
    "recipe",
    "send",
    "sweep",
    "train",
]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The points of a sweep; None stands for the recipe's own values.

    `channels` are names ("awgn", "rician:4") or channels; `realizations` are the channel draws per
    image and point. Strings as on the command line are accepted too: `snr_db="-10:20:2"`.

    >>> semlink.Grid(snr_db=(-10, 0, 10), channel_uses=(16, 64), channels=("awgn", "rayleigh"))
    """

    channels: "Channel | str | Sequence[str | Channel] | None" = None
    snr_db: Sequence[float] | float | str | None = None
    channel_uses: Sequence[int] | int | str | None = None
    realizations: Mapping[str, int] | int | str | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Link:
    """A recipe, its data and its trained weights: `link["rkd_sc"]` is a scheme ready to send.

    Names are those of `semlink sweep --schemes`, with labels if any: `link["separate:genie"]`. Case
    does not matter.

    >>> link = semlink.load("digits")
    >>> link.schemes
    >>> link["label_code"].settings(16)
    """

    recipe: "Experiment"
    data: "Dataset"
    weights: "Weights"

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes that are trained."""
        from simulator.schemes.experiment import trained_schemes

        return tuple(trained_schemes(self.recipe, self.weights)[0])

    @naming_arguments
    def __getitem__(self, name: str) -> "Scheme":
        """The scheme of this name. Raises: Error."""
        from simulator import arguments
        from simulator.schemes.experiment import build_scheme

        asked = arguments.scheme_name(name, self.recipe)
        return build_scheme(asked, self.recipe, self.weights, option="name").scheme

    def __repr__(self) -> str:
        from simulator.measures.doctor import in_one_line

        return f"<Link: recipe {self.recipe.name}; {in_one_line(self.data)}>"


@dataclass(frozen=True, kw_only=True)
class Results:
    """The rows of a sweep, and comparisons, thresholds and figures made from them.

    `table` has a row per point: scheme, channel, snr_db, channel_uses, accuracy with the 95 %
    intervals over images (ci_low, ci_high) and over channel draws (mc_low, mc_high), delivered, ...
    Printed, the results are the accuracies in percent, a line per scheme and a column per SNR.

    >>> results = semlink.Results.read("results/reference/digits")
    >>> print(results)
    >>> results.table.query("scheme == 'rkd_sc'")
    """

    table: "pd.DataFrame"
    run: Mapping[str, Any]  # description of the sweep for figures: the data, the recipe
    _store: "UnitStore | Path"  # the outcome of every image; or the folder that holds it

    @classmethod
    @naming_arguments
    def read(cls, folder: str | Path) -> "Results":
        """Read a finished sweep; `folder` is its `out` or `--out`. Raises: Error."""
        from simulator import arguments
        from simulator.storage.folders import read_results

        place = arguments.folder("folder", folder)
        table, run = read_results(place)
        return Results(table=table, run=run, _store=place)

    @naming_arguments
    def save(self, folder: str | Path, *, fresh: bool = False) -> Path:
        """Write a sweep that is only in memory into a folder, for `Results.read`.

        `semlink plot`, `compare`, `threshold` and `report` accept the folder too. `fresh` replaces
        other results that were saved there. Raises: Error, also for a folder that holds others.

        >>> results.save("results/runs/mine")
        """
        from simulator import arguments
        from simulator.engine.outcomes import save_results

        place = arguments.folder("folder", folder)
        if isinstance(self._store, Path):
            raise Error(f"these results must be only in memory, but they are in {self._store}")
        save_results(place, self.table, self.run, self._store, fresh=bool(fresh))
        return place

    @naming_arguments
    def compare(
        self,
        *,
        b: str,
        a: str | None = None,
        channels: str | Sequence[str] | None = None,
        channel_uses: Sequence[int] | int | str | None = None,
        family: Literal["pair", "all"] = "pair",
    ) -> "pd.DataFrame":
        """Accuracy of `a`, or of every other scheme, minus that of `b`, image by image.

        Columns: difference with its 95 % interval, its p-value, and Holm's adjustment for the
        points of each pair, or with `family="all"` of all pairs. Printed, it is the table of
        `semlink compare`, in points. Raises: Error.

        >>> results.compare(a="rkd_sc", b="label_code", channels="awgn")
        """
        from simulator import arguments
        from simulator.measures.compare import compare_sweep
        from simulator.progress import announce

        names = arguments.text_or_none("a", a), arguments.text("b", b)
        place = arguments.place(self.table, channels, channel_uses)
        sweep = self._store, self.table, self.run
        table, left_out = compare_sweep(*sweep, *names, **place, family=family)
        for line in left_out:
            announce(line)
        return table

    @naming_arguments
    def threshold(
        self,
        accuracy: float | str,
        *,
        schemes: str | Sequence[str] | None = None,
        channels: str | Sequence[str] | None = None,
        channel_uses: Sequence[int] | int | str | None = None,
        reference: str | None = None,
    ) -> "pd.DataFrame":
        """The SNR that each scheme needs for an accuracy in %, printed as by `semlink threshold`.

        A row per channel, k and scheme. `snr_db` is the lowest SNR above which the linearly
        interpolated accuracy stays at or above the target: minus infinity if it does at every
        swept SNR, infinity if it does not at the last. The 95 % interval ci_low, ci_high applies
        the same rule to the ends of the accuracy's interval. difference_db is the SNR minus that of
        the `reference` scheme, with a paired bootstrap interval over images. Raises: Error.

        >>> results = semlink.Results.read("results/reference/digits")
        >>> results.threshold(90, channels="awgn", channel_uses=64, reference="separate")
        """
        from simulator import arguments
        from simulator.measures.threshold import sweep_thresholds

        return sweep_thresholds(
            *(self._store, self.table, self.run, arguments.percent("accuracy", accuracy)),
            **arguments.choice(self.table, schemes, channels, channel_uses),
            reference=arguments.text_or_none("reference", reference),
        )

    @naming_arguments
    def plot(
        self,
        folder: str | Path,
        *,
        schemes: str | Sequence[str] | None = None,
        channels: str | Sequence[str] | None = None,
        channel_uses: Sequence[int] | int | str | None = None,
        axis: Literal["accuracy", "error", "psnr", "ssim"] = "accuracy",
        width: Literal["auto", "column", "text"] = "auto",
        added: "str | Path | pd.DataFrame | None" = None,
        names: Mapping[str, str] | None = None,
    ) -> list[Path]:
        """Draw the figures of the sweep into a folder, as `semlink plot`; returns the files.

        `axis="error"` draws error rates on a logarithmic axis, "psnr" and "ssim" the quality of
        rebuilt images; the width "column" is 3.5 inches with a figure per channel, "text" 7.16
        inches. `added` are curves of your own: a CSV file or rows of scheme, channel, channel_uses,
        snr_db, accuracy (0 to 1; or psnr_db, ssim). `names` are names of schemes in legends, such
        as {"rkd_sc": "Proposed"}. Raises: Error.

        >>> results.plot("figures", schemes="rkd_sc,label_code", channel_uses=16, width="column")
        """
        from simulator import arguments
        from simulator.resolve import draw

        place = arguments.writable("folder", folder)
        chosen = arguments.choice(self.table, schemes, channels, channel_uses)
        curves = arguments.rows_or_file("added", added)
        form: dict[str, Any] = {"axis": axis, "width": width, "names": arguments.names(names)}
        return draw(self.table, dict(self.run), place, **chosen, added=curves, **form)

    def __repr__(self) -> str:
        from simulator.measures.shown import results_text

        return results_text(self.table)


@naming_arguments
def recipe(name: str) -> "Experiment":
    """A recipe by its name: networks, training, schemes, default grid. Raises: Error.

    >>> semlink.recipe("digits").scheme_names
    """
    from simulator import arguments
    from simulator.resolve import recipe_named

    return recipe_named(arguments.text("name", name))


@naming_arguments
def load_data(folder: str | Path, *, resize: int | None = None) -> "Dataset":
    """Your own images: parquet files as on the Hugging Face hub, or a folder per class.

    `resize=32` rescales the centre squares to 32x32 pixels. The splits `train`, `validation` and
    `test` hold uint8 images [N, C, H, W] and labels [N]. Raises: Error.

    >>> semlink.load_data("my_images").test.images.shape
    """
    from simulator import arguments
    from simulator.data.dataset import load_dataset
    from simulator.progress import announce

    dataset = load_dataset(arguments.folder("folder", folder), resize=resize)
    for remark in dataset.remarks:
        announce(remark)
    return dataset


@naming_arguments
def load(
    recipe: str = "digits",
    *,
    data: str | Path | None = None,
    resize: int | None = None,
    weights: str | Path | None = None,
    device: str = "cpu",
    bit_true: bool = False,
) -> Link:
    """Load a recipe, its data and its trained weights, which are checked against both.

    Without `weights`, those of your own finished training run in results/runs are used, else the
    committed ones; if there are none, schemes of your own can still be swept and sent. `data` is a
    folder of images, for recipes that bring none; `resize` is as in `load_data`. With `bit_true`,
    digital schemes decode every block; otherwise they draw block errors from tables of error rates.
    Raises: Error.

    >>> link = semlink.load("digits", bit_true=True)
    """
    from simulator import arguments
    from simulator.progress import announce
    from simulator.resolve import dataset_of, device_named, recipe_named, weights_of

    experiment = recipe_named(arguments.text("recipe", recipe))
    experiment = experiment.decoding_all() if bit_true else experiment
    dataset = dataset_of(experiment, arguments.folder_or_none("data", data), resize)
    for remark in dataset.remarks:
        announce(remark)
    folder = arguments.folder_or_none("weights", weights)
    trained = weights_of(experiment, dataset, folder, device_named(device), must=False)
    if weights is not None or trained.weights.has(*experiment.student_parts()):
        trained.weights.classifier()  # read now, and so checked against recipe and data
    return Link(recipe=trained.experiment, data=dataset, weights=trained.weights)


@naming_arguments
def send(
    scheme: "Scheme",
    images: "Tensor | np.ndarray[Any, Any]",
    *,
    channel: "str | Channel" = "awgn",
    snr_db: float = 10.0,
    k: int = 16,
    seed: int = 0,
    realization: int = 0,
) -> "Sent":
    """Send images once, and return all intermediate results.

    `images` are uint8 [N, C, H, W]. The result has the symbols x, y and gains h [N, k], the noise
    power [N, 1] or [N, k], the equalised symbols, features or rebuilt images where the scheme makes
    them, scores [N, num_classes], decided `classes`, and which images were `delivered`; digital
    schemes add their choice, and with `load(..., bit_true=True)` bits and modulated symbols. Image
    i gets the channel draws of test image i in a sweep with this seed and realisation.
    Raises: Error.

    >>> link = semlink.load("digits")
    >>> sent = semlink.send(link["rkd_sc"], link.data.test.images[:4], channel="rayleigh", k=16)
    >>> sent.classes, sent.h.abs()
    """
    from simulator import arguments
    from simulator.engine.send import send_images

    asked = arguments.scheme(scheme)
    return send_images(
        *(asked, arguments.pixels(images, asked.image_shape)),
        channel=arguments.channel(channel),
        snr_db=arguments.snr(snr_db),
        **arguments.draws(k, seed, realization),
    )


@naming_arguments
def sweep(
    link: Link,
    schemes: "Scheme | str | Sequence[str | Scheme]" = "all",
    grid: Grid | None = None,
    *,
    images: int | None = None,
    quality: bool = False,
    out: str | Path | None = None,
    workers: int | None = None,
    fresh: bool | str | Sequence[str] = False,
) -> Results:
    """Accuracy of schemes over a grid, on the first `images` test images or all.

    Schemes are names ("rkd_sc,label_code" or a list) or objects. With `out` the sweep is journalled
    in that folder as by `semlink sweep`, can be stopped and resumed, and uses `workers` processes;
    with schemes or channels of your own, only this one. `fresh` deletes the sweep in the folder,
    or the units of the schemes that it names. Without `out` the sweep stays in memory.
    `quality` adds PSNR and SSIM of the images that schemes rebuild (for schemes of your own:
    `Received.seen["images"]`). Raises: Error.

    >>> link = semlink.load("digits")
    >>> grid = semlink.Grid(snr_db=(0, 10), channel_uses=(16,))
    >>> semlink.sweep(link, ["rkd_sc", "label_code"], grid, images=100)
    """
    from simulator import arguments
    from simulator.engine.evaluate import Setting
    from simulator.engine.folder import sweep_folder, sweep_in_memory
    from simulator.engine.sweep import Sweep
    from simulator.measures.doctor import own_channel_remarks
    from simulator.measures.quality import check_quality, image_quality
    from simulator.progress import announce
    from simulator.resolve import first_images, grid_of

    own = arguments.instance("link", link, Link, "semlink.load('digits')")
    named = arguments.schemes(schemes, own.recipe)
    points = grid_of(own.recipe.sweep, **arguments.axes(grid or Grid(), Grid))
    if quality:
        check_quality()
    folder = arguments.folder_or_none("out", out)
    if folder is None:
        arguments.only_with_out(workers=workers, fresh=fresh)
    processes = arguments.workers(workers, named, points.channels) if folder else None
    plan, left_out = Sweep.of(
        *(own.weights, own.recipe, named, points),
        test=first_images(arguments.split(own.data.test, own.weights.dataset), images),
        setting=Setting(points.seed, own.weights.device),
    )
    measure = partial(image_quality, plan) if quality else None
    wrong = own_channel_remarks(
        points.channels, snr_db=min(points.snr_db), uses=min(points.channel_uses)
    )
    for line in (*(one.text for one in left_out), *wrong):
        announce(line)
    if folder is None:
        table, run, store = sweep_in_memory(plan, left_out=left_out, measure=measure)
        return Results(table=table, run=run, _store=store)
    with sweep_folder(plan, folder, fresh=arguments.fresh(fresh, plan.built)) as place:
        for line in place.remarks:
            announce(line)
        results = place.compute(workers=processes)
        more = measure(results.realizations) if measure else None
        table, run = place.write(results, left_out=left_out, more=more)
    return Results(table=table, run=run, _store=folder)


@naming_arguments
def train(
    recipe: str,
    *,
    out: str | Path | None = None,
    data: str | Path | None = None,
    resize: int | None = None,
    stage: str | None = None,
    schemes: str | Sequence[str] | None = None,
    variants: str | Sequence[str] | None = None,
    seed: int = 0,
    from_scratch: bool = False,
    epochs: int | None = None,
    lr: float | None = None,
    fresh: bool = False,
    minutes: float | None = None,
    device: str = "cpu",
) -> Path:
    """Train as `semlink train` with these options; returns the folder of weights. Raises: Error.

    `epochs` and `lr` are for quick trials; other teachers and students are set in a recipe file.
    With `minutes` it may stop before all is trained; the same call again resumes it.

    >>> semlink.train("images", data="my_images", out="results/runs/mine", stage="stage2")
    """
    from simulator import arguments, parse
    from simulator.commands import train as command

    request = command.TrainRequest(
        recipe=parse.parse_recipe(arguments.text("recipe", recipe)),
        out=arguments.folder_or_none("out", out),
        data=arguments.folder_or_none("data", data),
        resize=resize,
        stage=None if stage is None else arguments.text("stage", stage).lower(),
        schemes=arguments.scheme_names(schemes),
        variants=tuple(arguments.text("variants", own) for own in arguments.texts(variants) or ()),
        seed=seed,
        from_scratch=from_scratch,
        epochs=epochs,
        lr=None if lr is None else arguments.number("lr", lr),
        fresh=fresh,
        minutes=None if minutes is None else arguments.number("minutes", minutes),
        device=device,
    )
    command.train(request)
    return request.folder / "weights"


@naming_arguments
def doctor(channels: "Channel | str | Sequence[str | Channel] | None" = None) -> "pd.DataFrame":
    """Measure channels at 6 dB against closed form; by default, examples of all kinds.

    The table has a row per channel and quantity.

    >>> semlink.doctor(["awgn", "rayleigh"])
    """
    from simulator import arguments
    from simulator.measures.doctor import check_channels
    from simulator.resolve import device_named

    return check_channels(device_named("cpu"), arguments.channels_or_none(channels))


@naming_arguments
def own_channel(name: str, transmit: "Transmit") -> "Channel":
    """A channel of your own: `transmit(x, snr_db, generator)` returns (y, h, noise_power).

    Shapes: x, y, h [B, k] complex, snr_db [B, 1], noise_power [B, 1] or [B, k]; y = h x + w with
    E|h|^2 = 1 and E|w|^2 = noise_power, on average 10^(-snr_db / 10). Draw only from `generator`.

    >>> def impulsive(x, snr_db, generator):
    ...     power = 10 ** (-snr_db / 10)
    ...     w = torch.randn(2, *x.shape, generator=generator) * (power / 2) ** 0.5
    ...     strong = torch.rand(x.shape, generator=generator) < 0.1
    ...     w = w * torch.where(strong, 10.0, 1.0).div(1.9).sqrt()
    ...     return x + torch.complex(w[0], w[1]), torch.ones_like(x), power
    >>> channel = semlink.own_channel("impulsive", impulsive)
    """
    from simulator import arguments

    return arguments.own_channel(name, transmit)


@naming_arguments
def own_scheme(
    name: str,
    encoder: "Network | Mapping[int, Network]",
    decoder: "Network | Mapping[int, Network]",
    *,
    k: int | None = None,
    classify: "Network | None" = None,
    uses_snr: bool = False,
    settings: str | None = None,
) -> "Scheme":
    """A scheme of your own, of two modules or functions for k channel uses.

    `encoder`: images [B, C, H, W] in [0, 1] -> [B, 2k], scaled to unit power; `decoder`: the MMSE
    estimate of these [B, 2k] -> scores [B, num_classes]. With `uses_snr` both get an SNR in dB
    [B, 1] as second argument: the encoder the average SNR, the decoder the receive SNR. For several
    k, give mappings from k to networks, without `k`. With `classify`, such as
    `link.weights.classifier().classify`, the decoder rebuilds images [B, C, H, W], of which
    `classify` gives the scores. `settings` describes the scheme in tables and figures. Modules
    compute in eval mode; call `eval()` yourself on those inside a function. What needs the gains is
    a `simulator.scheme.Scheme`. Raises: Error for a name that is taken.

    >>> encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 32))
    >>> scheme = semlink.own_scheme("mine", encoder, torch.nn.Linear(32, 10), k=16)
    >>> semlink.sweep(semlink.load("digits"), scheme, semlink.Grid(channel_uses=16), images=50)
    """
    from simulator import arguments

    return arguments.own_scheme(name, encoder, decoder, k, classify, uses_snr, settings)
