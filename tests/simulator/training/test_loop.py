"""The training loop: resumed training takes the same steps as uninterrupted training."""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from channels.streams import Streams
from simulator.description.basis import Part
from simulator.description.stages import TrainConfig
from simulator.errors import TimeUp, UserError
from simulator.training.history import TrainLog
from simulator.training.loop import (
    Checkpoint,
    Epoch,
    Lesson,
    fresh,
    learning_rate_factor,
    train,
)
from simulator.training.run import TrainingRun

STREAMS = Streams(seed=3)
INPUTS = torch.linspace(-1, 1, 40).view(40, 1)


def config(optimiser: str = "adamw", epochs: int = 4) -> TrainConfig:
    """A tiny training."""
    return TrainConfig(
        epochs=epochs,
        least_steps=0,
        batch_size=16,
        optimiser=optimiser,  # type: ignore[arg-type]
        learning_rate=0.05,
        weight_decay=0.01,
        warmup=0.25,
        clip=1.0,
        precision="fp32",
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Line(Lesson[nn.Linear]):
    """Fits a line to points with fresh noise in every step; Ctrl-C at the start of epoch `stop_at`.

    With `steps`, Ctrl-C comes after this number of steps.
    """

    stop_at: int | None
    steps: Iterator[int]
    scale: float
    model: nn.Linear = field(default_factory=lambda: fresh(lambda: nn.Linear(1, 1), seed=1))
    labels = INPUTS

    def build(self) -> nn.Linear:
        return self.model

    def epoch(self, model: nn.Linear, index: int) -> Epoch:
        if index == self.stop_at:
            raise KeyboardInterrupt
        generator = STREAMS("noise", index)

        def loss(indices: Tensor) -> Tensor:
            if next(self.steps, None) is None:
                raise KeyboardInterrupt
            noise = 0.1 * torch.randn((len(indices), 1), generator=generator)
            target = 2 * INPUTS[indices] + noise
            error: Tensor = model(INPUTS[indices]) - target
            return self.scale * error.square().mean()

        return Epoch(loss, (generator,))

    def validate(self, model: nn.Linear) -> float:
        return 0.5


def stage(
    settings: TrainConfig, *, stop_at: int | None = None, steps: int = 10**6, scale: float = 1.0
) -> Line:
    """A lesson for one training."""
    return Line(
        run=cast(TrainingRun, None),  # the lesson has its own labels
        part=Part("line", ()),
        config=settings,
        stop_at=stop_at,
        steps=iter(range(steps)),
        scale=scale,
    )


def trained(
    line: Line, checkpoint: Checkpoint, log: TrainLog | None = None
) -> list[dict[str, float]]:
    """Train, and return the history."""
    return train(line, line.model, streams=STREAMS, checkpoint=checkpoint, log=log)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("stop_at", [1, 3])
def test_resumed_training_ends_bitwise_equal(tmp_path: Path, optimiser: str, stop_at: int) -> None:
    whole = stage(config(optimiser))
    history = trained(whole, Checkpoint(path=tmp_path / "a", key="k"))

    again = Checkpoint(path=tmp_path / "b", key="k")
    with pytest.raises(KeyboardInterrupt):
        trained(stage(config(optimiser), stop_at=stop_at), again)
    resumed = stage(config(optimiser))
    assert trained(resumed, again) == history
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_averaged_weights_are_an_exponential_moving_average(tmp_path: Path) -> None:
    settings, decay = replace(config("sgd", epochs=2), batch_size=40), 0.8
    plain = stage(settings)
    paths = [Checkpoint(path=tmp_path / f"plain_{n}", key="k", until=n) for n in (1, 2)]
    trained(plain, paths[0])
    first = plain.model.weight.detach().clone()
    paths[0].path.rename(paths[1].path)
    trained(plain, paths[1])
    second = plain.model.weight.detach()

    averaged = stage(replace(settings, average=decay))
    checkpoint = Checkpoint(path=tmp_path / "a", key="k")
    trained(averaged, checkpoint)
    torch.testing.assert_close(averaged.model.weight, decay * first + (1 - decay) * second)

    again = stage(replace(settings, average=decay), stop_at=1)
    checkpoint = Checkpoint(path=tmp_path / "b", key="k")
    with pytest.raises(KeyboardInterrupt):
        trained(again, checkpoint)
    again = stage(replace(settings, average=decay))
    trained(again, checkpoint)
    trained(again, checkpoint)  # once more, when nothing is left to do
    assert torch.equal(again.model.weight, averaged.model.weight)


@pytest.mark.parametrize("steps", [1, 3, 6])  # of 8, two in an epoch
def test_training_resumes_within_an_epoch(tmp_path: Path, steps: int) -> None:
    whole = stage(config())
    history = trained(whole, Checkpoint(path=tmp_path / "a", key="k"))
    often = Checkpoint(path=tmp_path / "b", key="k", seconds=0)
    with pytest.raises(KeyboardInterrupt):
        trained(stage(config(), steps=steps), often)
    rest = stage(config(), steps=8 - steps)  # no step is repeated
    assert trained(rest, often) == history
    for one, other in zip(whole.model.parameters(), rest.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_deadline_stops_at_a_checkpoint(tmp_path: Path) -> None:
    checkpoint = Checkpoint(path=tmp_path / "c", key="k", deadline=0.0)
    with pytest.raises(TimeUp):
        trained(stage(config()), checkpoint)
    rest = stage(config(), steps=7)
    again = Checkpoint(path=tmp_path / "c", key="k")
    assert len(trained(rest, again)) == 4


def test_log_holds_every_epoch_once(tmp_path: Path) -> None:
    checkpoint = Checkpoint(path=tmp_path / "c", key="k")
    with pytest.raises(KeyboardInterrupt):
        log = TrainLog(tmp_path, "line", images=40)
        trained(stage(config(), stop_at=2), checkpoint, log)
    log = TrainLog(tmp_path, "line", images=40)
    history = trained(stage(config()), checkpoint, log)
    rows = pd.read_csv(tmp_path / "history" / "line.csv")
    assert rows["epoch"].tolist() == [1, 2, 3, 4]
    assert rows["loss"].tolist() == pytest.approx([entry["loss"] for entry in history])
    assert rows["learning_rate"].iloc[-1] == pytest.approx(0)


def test_tensorboard_scalars_match_the_history(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TrainLog(tmp_path, "line", images=40)
    checkpoint = Checkpoint(path=tmp_path / "c", key="k")
    history = trained(stage(config()), checkpoint, log)
    events = EventAccumulator(str(tmp_path / "tensorboard" / "line"))
    events.Reload()
    names = {"loss", "validation", "learning_rate", "images_per_second"}
    assert set(events.Tags()["scalars"]) == names
    loss = [event.value for event in events.Scalars("loss")]
    assert loss == pytest.approx([entry["loss"] for entry in history], rel=1e-5)


def test_training_reduces_the_loss(tmp_path: Path) -> None:
    line = stage(config(epochs=60))
    history = trained(line, Checkpoint(path=tmp_path / "c", key="k"))
    assert history[-1]["loss"] < 0.1 * history[0]["loss"]


def test_checkpoint_of_another_description_raises_an_error(tmp_path: Path) -> None:
    path = tmp_path / "c"
    trained(stage(config()), Checkpoint(path=path, key="one"))
    with pytest.raises(UserError, match=f"{path} belongs to another description"):
        trained(stage(config()), Checkpoint(path=path, key="two"))


def test_non_finite_loss_stops_training_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    checkpoint = Checkpoint(path=tmp_path / "c", key="k")
    with pytest.raises(KeyboardInterrupt):
        trained(stage(config(), stop_at=2), checkpoint)
    before = checkpoint.path.read_bytes()
    with pytest.raises(UserError, match="stage line: the loss must be a .*, got nan; lower"):
        trained(stage(config(), scale=math.nan), checkpoint)
    assert checkpoint.path.read_bytes() == before


def test_fresh_weights_depend_only_on_the_seed() -> None:
    before = torch.random.get_rng_state()
    one = fresh(lambda: nn.Linear(3, 3), seed=5)
    torch.rand(7)
    other = fresh(lambda: nn.Linear(3, 3), seed=5)
    torch.random.set_rng_state(before)
    assert torch.equal(one.weight, other.weight)
    assert not torch.equal(one.weight, fresh(lambda: nn.Linear(3, 3), seed=6).weight)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_learning_rate_rises_then_falls_to_zero() -> None:
    assert learning_rate_factor(0.05, 0.1) == pytest.approx(0.5)
    assert learning_rate_factor(0.1, 0.1) == pytest.approx(1.0)
    assert learning_rate_factor(0.55, 0.1) == pytest.approx(0.5)
    assert learning_rate_factor(1.0, 0.1) == pytest.approx(0.0)


def test_last_progress_line_has_the_final_loss_and_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("simulator.progress.EVERY", 0.0)
    monkeypatch.setattr("simulator.training.loop.EVERY", 0.0)
    monkeypatch.setattr("sys.stderr", stream)
    history = trained(stage(config()), Checkpoint(path=tmp_path / "a", key="k"))
    last = stream.getvalue().splitlines()[-1]
    assert f"loss={history[-1]['loss']:.4f}, val=50.00%" in last
