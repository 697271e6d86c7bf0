"""Deep JSCC of images: transmitted symbols, accuracy, training and error messages."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.recipes.digits import digits
from channels.awgn import AwgnChannel
from channels.streams import PointStreams, Streams
from models import DeepJsccImage, DeepJsccImageConfig
from simulator.data.embedded import embedded
from simulator.errors import UserError
from simulator.scheme import Scheme
from simulator.schemes.experiment import Experiment, build_scheme
from simulator.schemes.image import ImageJsccConfig, ImageJsccScheme, PairLesson, RebuiltStage
from simulator.storage.environment import ROOT
from simulator.storage.files import load_tensors
from simulator.training.loop import fresh, train_part
from simulator.training.run import TrainingRun
from simulator.training.student import Session
from simulator.training.weights import Weights
from tests.commands import stop_within_epochs

NAME = "deep_jscc_image"
WEIGHTS = ROOT / "results/reference/digits/weights"
CPU = torch.device("cpu")


def config() -> ImageJsccConfig:
    """The config of the digits."""
    return digits().one(ImageJsccConfig)


def with_pairs(own: ImageJsccConfig) -> Experiment:
    """The recipe `digits` with other encoder-decoder pairs."""
    others = (scheme for scheme in digits().schemes if not isinstance(scheme, ImageJsccConfig))
    return replace(digits(), schemes=(own, *others))


def built(name: str, recipe: Experiment | None = None, weights: Path = WEIGHTS) -> Scheme:
    """A scheme; by default with the recipe and the committed weights of the digits."""
    recipe = recipe or digits()
    return build_scheme(name, recipe, Weights(recipe, embedded("digits"), weights, CPU)).scheme


def scheme() -> ImageJsccScheme:
    """The scheme with the committed weights of the digits."""
    found = built(NAME)
    assert isinstance(found, ImageJsccScheme)
    return found


def train_rebuilt(run: TrainingRun, own: ImageJsccConfig) -> None:
    """What `--stage rebuilt` does."""
    own.check(run, "rebuilt")
    own.train(Session(run), "rebuilt")


def right_at(sent: Scheme, snr_db: float) -> float:
    """Accuracy on the test images over AWGN at k = 64."""
    test, channel = embedded("digits").test, AwgnChannel()
    snr = torch.full((len(test.labels), 1), snr_db)
    prepared = sent.prepare(test.images.float() / 255)
    encoded = sent.encode(prepared, channel=channel, snr_db=snr, k=64)
    streams = PointStreams(Streams(seed=0), "test", snr_db)
    received = sent.transmit(encoded, channel=channel, snr_db=snr, k=64, streams=streams)
    return float((received.scores.argmax(dim=1) == test.labels).double().mean())


def test_only_k_with_a_whole_number_of_bottleneck_channels_are_served() -> None:
    wanted = replace(config(), uses=(16, 64, 256))
    assert {k: c.bottleneck for k, c in wanted.models((3, 32, 32)).items()} == {64: 2, 256: 8}
    assert set(wanted.models((1, 8, 8))) == {16, 64, 256}
    assert wanted.models((3, 30, 32)) == {}


def test_symbols_have_unit_power_and_do_not_depend_on_other_images() -> None:
    sent = scheme()
    images = embedded("digits").test.images[:6].float() / 255
    snr_db = torch.full((6, 1), 5.0)
    encoded = sent.encode(sent.prepare(images), channel=AwgnChannel(), snr_db=snr_db, k=64)
    power = encoded["x"].abs().square().mean(dim=1)
    assert torch.allclose(power, torch.ones(6), atol=1e-5)
    changed = images.clone()
    changed[1:] = 0
    other = sent.encode(sent.prepare(changed), channel=AwgnChannel(), snr_db=snr_db, k=64)
    assert torch.allclose(encoded["x"][0], other["x"][0], atol=1e-5)


def test_committed_pairs_are_accurate_and_improve_with_the_snr() -> None:
    found = [right_at(scheme(), snr_db) for snr_db in (-10.0, 10.0)]
    assert found[0] < found[1]
    assert found[1] > 0.8


def test_committed_retrained_student_is_better_on_rebuilt_images() -> None:
    before, after = (right_at(built(name), -4.0) for name in (NAME, f"{NAME}:retrained"))
    assert after > before + 0.02


def test_training_lowers_the_squared_error_and_is_resumed_and_reloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(config(), training=replace(config().training, epochs=3), uses=(16,))

    def train(folder: Path = tmp_path) -> DeepJsccImage:
        recipe = with_pairs(short)
        run = TrainingRun(
            recipe=recipe, dataset=embedded("digits"), folder=folder, seed=0, device=CPU
        )
        model = short.models(run.dataset.image_shape)[16]
        part = short.pair_part(recipe, 16)
        lesson = PairLesson(run=run, part=part, config=short.training, scheme=short, model=model)
        return train_part(lesson)

    trained = train()
    untrained = fresh(
        lambda: DeepJsccImageConfig(bottleneck=8).build(image_channels=1), seed=0
    ).eval()
    images = embedded("digits").test.images[:50].float() / 255
    assert error(trained, images) < 0.8 * error(untrained, images)
    again = train()  # loaded from its file
    assert torch.equal(again.encode(images), trained.encode(images))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_within_epochs(patch)
        train(tmp_path / "resumed")
    again = train(tmp_path / "resumed")
    assert torch.equal(again.encode(images), trained.encode(images))


def test_pairs_are_trained_on_natural_images(tmp_path: Path) -> None:
    """Not on images altered by RandAugment, which other parts see."""
    short = replace(config(), training=replace(config().training, epochs=1), uses=(16,))
    natural = with_pairs(short)
    altered = replace(natural, stronger=replace(natural.augment, operations=2))
    found = []
    for name, recipe in {"natural": natural, "altered": altered}.items():
        run = TrainingRun(
            recipe=recipe, dataset=embedded("digits"), folder=tmp_path / name, seed=0, device=CPU
        )
        model, part = short.models(run.dataset.image_shape)[16], short.pair_part(recipe, 16)
        lesson = PairLesson(run=run, part=part, config=short.training, scheme=short, model=model)
        found.append((run.shared_view(0), train_part(lesson), run.origin(part).key))
    (view, one, key), (other_view, other, other_key) = found
    assert not torch.equal(view, other_view)
    assert key == other_key
    images = embedded("digits").test.images[:50].float() / 255
    assert torch.equal(one.encode(images), other.encode(images))


def test_retraining_improves_the_student_on_rebuilt_images(tmp_path: Path) -> None:
    copy_weights(tmp_path, "student", "head", "deep_jscc_image_k64")
    retraining = RebuiltStage(
        training=replace(digits().student.training, epochs=3, learning_rate=0.01),
        snr_db=(-6.0, 0.0),
    )
    own = replace(config(), retraining=retraining)
    recipe = with_pairs(own)
    run = TrainingRun(
        recipe=recipe, dataset=embedded("digits"), folder=tmp_path, seed=0, device=CPU
    )
    train_rebuilt(run, own)
    _, header = load_tensors(run.path("rebuilt_student_k64"))
    assert header["origin"]["made_from"].keys() == {"student", "head", "deep_jscc_image_k64"}
    before, after = (
        right_at(built(name, recipe, tmp_path / "weights"), -4.0)
        for name in (NAME, f"{NAME}:retrained")
    )
    assert after > before + 0.02


def test_missing_prerequisites_of_retraining_are_named(tmp_path: Path) -> None:
    run = TrainingRun(
        recipe=digits(), dataset=embedded("digits"), folder=tmp_path, seed=0, device=CPU
    )
    with pytest.raises(UserError, match=r"student.safetensors must be there first"):
        train_rebuilt(run, config())
    copy_weights(tmp_path, "student", "head")
    with pytest.raises(
        UserError, match=r"k64.* --stage baselines --schemes deep_jscc_image --out "
    ):
        train_rebuilt(run, config())
    copy_weights(tmp_path, "deep_jscc_image_k64")
    with pytest.raises(UserError, match=r"no rebuilt_student_k64 in .* --stage rebuilt --out "):
        built(f"{NAME}:retrained", weights=tmp_path / "weights")
    none = replace(config(), uses=(3,))
    with pytest.raises(UserError, match=r"recipe digits has none for 1x8x8: "):
        train_rebuilt(replace(run, recipe=with_pairs(none)), none)


def copy_weights(folder: Path, *parts: str) -> None:
    """Copy committed parts into the folder of a training run."""
    (folder / "weights").mkdir(exist_ok=True)
    for part in parts:
        shutil.copy(WEIGHTS / f"{part}.safetensors", folder / "weights")


@torch.no_grad()
def error(model: DeepJsccImage, images: Tensor) -> float:
    """Mean squared error without a channel, with values of unit power."""
    values = model.encode(images)
    values = values / values.square().mean(dim=1, keepdim=True).sqrt() / math.sqrt(2)
    return float((model.decode(values, height=8, width=8) - images).square().mean())


def test_unknown_label_raises_a_one_line_error() -> None:
    with pytest.raises(UserError, match="takes one label, as in deep_jscc_image:teacher, .*nobody"):
        built("deep_jscc_image:nobody")
