"""Mean and spread over training runs with different seeds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from simulator.__main__ import cli, main
from simulator.errors import UserError
from simulator.measures.seeds import across_seeds
from tests.commands import DATA, ROW

Sweep = Callable[..., Path]


def weights(epochs: int = 10, **others: int) -> dict[str, Any]:
    """The weights in run.json: the codec and other parts, with their epochs."""
    parts = {"codec": epochs, **others}
    return {part: {"origin": {"description": [{"epochs": own}]}} for part, own in parts.items()}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Writes a sweep of one scheme with an accuracy for every SNR."""

    def write(name: str, accuracies: dict[float, float], **run: object) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        place = ROW | {"scheme": "rkd_sc", "channel": "awgn", "channel_uses": 16, "images": 500}
        rows = [
            {**place, "snr_db": snr, "accuracy": got, "ci_low": got - 0.1}
            for snr, got in accuracies.items()
        ]
        pd.DataFrame(rows).to_csv(folder / "results.csv", index=False)
        about: dict[str, Any] = {"seed": 0, "train_seed": 0, "data": {"hash": "a"}}
        about |= {"weights": weights(), **run}
        about["data"] = DATA | about["data"]
        (folder / "run.json").write_text(json.dumps(about))
        return folder

    return write


def test_mean_spread_and_interval_of_shared_points(sweep: Sweep) -> None:
    folders = [
        sweep(f"{seed}", {0.0: got, 10.0 + seed: 0.9}, train_seed=seed)
        for seed, got in enumerate((0.5, 0.6, 0.7))
    ]
    table = across_seeds(folders)
    assert table["snr_db"].tolist() == [0.0]
    row = table.iloc[0]
    assert row[["seeds", "images", "lowest", "highest"]].tolist() == [3, 500, 0.5, 0.7]
    assert row["accuracy"] == pytest.approx(0.6)
    assert row["lowest_ci_low"] == 0.4
    assert row["deviation"] == pytest.approx(0.1)
    half = 4.302653 * 0.1 / 3**0.5  # Student's t with two degrees of freedom
    assert row[["ci_low", "ci_high"]].tolist() == pytest.approx([0.6 - half, 0.6 + half])


@pytest.mark.parametrize(
    ("run", "wrong"),
    [
        ({"train_seed": 0}, "different training seed"),
        ({"train_seed": 1, "seed": 5}, "seed of the noise"),
        ({"train_seed": 1, "data": {"hash": "b"}}, "same test images"),
        ({"train_seed": 1, "data": {"hash": "a", "test_images": 9}}, "number of test images"),
        ({"train_seed": 1, "weights": weights(epochs=20)}, "codec trained like that"),
    ],
)
def test_sweeps_that_differ_in_more_than_the_seed_raise_an_error(
    sweep: Sweep, run: dict[str, object], wrong: str
) -> None:
    folders = [sweep("0", {0.0: 0.5}), sweep("1", {0.0: 0.6}, **run)]
    with pytest.raises(UserError, match=wrong):
        across_seeds(folders)


def test_parts_used_by_only_one_sweep_may_differ(sweep: Sweep) -> None:
    others = {"train_seed": 1, "weights": weights(adjscc=20)}
    folders = [sweep("0", {0.0: 0.5}), sweep("1", {0.0: 0.6}, **others)]
    assert across_seeds(folders)["accuracy"].tolist() == [pytest.approx(0.55)]


def test_one_sweep_or_no_common_point_raises_an_error(sweep: Sweep) -> None:
    one, other = sweep("0", {0.0: 0.5}), sweep("1", {5.0: 0.5}, train_seed=1)
    with pytest.raises(UserError, match="two sweeps or more, got 1"):
        across_seeds([one])
    with pytest.raises(UserError, match="a point in common"):
        across_seeds([one, other])


def test_seeds_command_writes_the_table(sweep: Sweep, tmp_path: Path) -> None:
    folders = [sweep(f"{seed}", {0.0: 0.5 + seed / 10}, train_seed=seed) for seed in range(2)]
    out = tmp_path / "out"
    done = CliRunner().invoke(cli, ["seeds", *map(str, folders), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert pd.read_csv(out / "seeds.csv")["accuracy"].tolist() == [0.55]
    assert "over 2 training runs" in done.output


def test_folder_without_a_sweep_raises_a_one_line_error(
    sweep: Sweep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(sweep("0", {0.0: 0.5})), str(tmp_path / "none"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["semlink", "seeds", *given])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "none must be the folder of a finished sweep" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
