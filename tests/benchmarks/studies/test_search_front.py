"""The front of searched networks and controls, on the digits, quickly."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from benchmarks.studies.search_front import __main__ as search_front
from benchmarks.studies.search_front import entries as front_entries
from benchmarks.studies.search_front.answers import answers_of
from benchmarks.studies.search_front.entries import Searches
from models.blocks import parameter_count
from simulator import resolve
from simulator.errors import UserError
from simulator.measures import sizes
from simulator.schemes.codec import LinkModel
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.search.run import search_run
from simulator.storage.files import load_tensors
from tests.commands import few_images
from tests.simulator.search.short_search import short, short_preset, teach

HERE: dict[str, Any] = {"dataset": few_images(), "device": torch.device("cpu")}


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a teacher and what it says."""
    return teach(tmp_path_factory.mktemp("training"))


@pytest.fixture(autouse=True, scope="module")
def _short() -> Iterator[None]:
    """One short recipe and preset; networks are timed once; the command's tests draw cells."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "recipe_named", lambda *_, **__: short())
        patch.setattr(search_front, "preset", short_preset)
        patch.setattr(sizes, "RUNS", 1)
        patch.setattr(resolve, "dataset_of", lambda *_: few_images())
        patch.setattr(front_entries, "search_figures", lambda *_: [])
        yield


def run_front(out: Path, training: Path, *more: str) -> None:
    """The front of two lambdas into a folder, as from the command line."""
    asked = [*("front", "digits", "--training", str(training), "--out", str(out))]
    asked += ["--lambdas", "0,0.3", "--main-lambda", "0", "--search-epochs", "1", "--epochs", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [*asked, *more])
        search_front.main()


@pytest.fixture(scope="module")
def finished(training: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a whole front, which nobody changes."""
    out = tmp_path_factory.mktemp("front")
    run_front(out, training)
    return out


@pytest.fixture
def _no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_front, "draw_front", lambda *_, **__: None)


def without_weights(finished: Path, out: Path) -> Path:
    """A copy of what is finished, as it is kept: without weights and checkpoints."""
    ignored = shutil.ignore_patterns("weights", "checkpoints")
    return Path(shutil.copytree(finished, out, ignore=ignored))


def table(folder: Path, name: str) -> pd.DataFrame:
    """A table of a front."""
    return pd.read_csv(folder / f"{name}.csv")


def test_front_holds_every_network_and_control(finished: Path) -> None:
    rows = table(finished, "front")
    assert list(rows.columns) == [
        *("name", "kind", "lambda", "seed", "params", "macs", "cpu_ms"),
        *("accuracy", "ci_low", "ci_high", "retention", "retraining_seeds"),
    ]
    kinds = rows["kind"].value_counts()
    assert rows["name"].tolist() == front_entries.names([0.0, 0.3])
    assert kinds["kdl_darts"] == 2
    assert kinds["random"] + kinds["random_best"] == 4
    assert {"hand_made", "ce_only", "no_penalty", "no_residual"} <= set(kinds.index)
    size = rows.set_index("name")["params"]["kdl_darts_0"]
    equal = rows[~rows["kind"].eq("kdl_darts")]["params"] / size
    assert equal.between(0.85, 1.05).all()
    assert (rows["ci_low"] <= rows["accuracy"]).all()
    assert (finished / "front.png").stat().st_size > 5_000
    assert len(list((finished / "genotypes").glob("*.json"))) == len(rows)


def test_sizes_count_the_recipes_codec_too(finished: Path) -> None:
    rows, found = table(finished, "front"), table(finished, "sizes").set_index("name")
    assert list(found.index) == ["teacher", *rows["name"]]
    assert found["encoder_parameters"].iloc[1:].tolist() == rows["params"].tolist()
    link = LinkModel(short().one(RkdScConfig).codec.model, num_classes=10)
    codec = parameter_count(link) - parameter_count(link.head)
    both = found["both_ends_parameters"] - found["encoder_parameters"]
    assert both.iloc[1:].eq(codec).all()


def test_pairs_are_differences_of_the_front(finished: Path) -> None:
    found = table(finished, "pairs")
    # each searched one against eight controls, and one another; seven against the hand-made one
    assert len(found) == 2 * 8 + 1 + 7
    assert found[["seeds_low", "seeds_high"]].isna().all(axis=None)  # one training each
    accuracy = table(finished, "front").set_index("name")["accuracy"]
    expected = accuracy[found["a"]].to_numpy() - accuracy[found["b"]].to_numpy()
    assert found["difference"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert (found["ci_low"] <= found["difference"]).all()


def test_ranking_holds_what_the_supernet_says(finished: Path) -> None:
    ranks, names = table(finished, "ranking"), set(table(finished, "front")["name"])
    assert set(ranks["name"]) == names - {"hand_made", "no_residual", "kdl_darts_0.3"}
    ends = table(finished, "searches/kd_lambda0/search")
    own = ranks.set_index("name")["supernet_loss"]["kdl_darts_0"]
    assert own == pytest.approx(ends["validation_genotype"].iloc[-1], abs=1e-5)


@pytest.mark.usefixtures("_no_figure")
def test_what_is_finished_outlives_the_weights(
    finished: Path, training: Path, tmp_path: Path
) -> None:
    out = without_weights(finished, tmp_path / "out")
    run_front(out, training)
    assert not [*out.rglob("weights"), *out.rglob("checkpoints")]
    for name in ("ranking.csv", "pairs.csv"):
        assert (out / name).read_bytes() == (finished / name).read_bytes()


@pytest.mark.usefixtures("_no_figure")
def test_few_networks_can_be_retrained_from_several_seeds(
    finished: Path, training: Path, tmp_path: Path
) -> None:
    out = without_weights(finished, tmp_path / "out")
    (out / "searches/kd_lambda0/supernet_losses.json").unlink()
    few = ["kdl_darts_0", "random_1"]
    run_front(out, training, "--only", *few, "--retraining-seeds", "0", "1")
    means = table(out, "front").set_index("name")
    assert means["kind"].to_dict() == {"kdl_darts_0": "kdl_darts", "random_1": "random"}
    assert means["retraining_seeds"].tolist() == [2, 2]
    seeds = table(out, "seeds").set_index(["name", "retraining_seed"])["accuracy"]
    first = table(finished, "front").set_index("name")["accuracy"]
    assert seeds[:, 0].to_dict() == first[few].to_dict()
    assert seeds["kdl_darts_0"].mean() == pytest.approx(means["accuracy"]["kdl_darts_0"])
    assert seeds["kdl_darts_0", 0] != seeds["kdl_darts_0", 1]
    pair = table(out, "pairs")
    assert len(pair) == 1
    assert (pair["seeds_low"] < pair["difference"]).all()
    assert (pair["difference"] < pair["seeds_high"]).all()
    assert table(out, "ranking").empty  # no supernet that could be asked is left


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--epochs", "0"], "--epochs must be"),
        (["--search-epochs", "0"], "--search-epochs must be"),
        (["--lambdas", "0,5000"], "--lambda must be"),
        (["--only", "random_1", "best_of_all"], "got best_of_all"),
        (["--retraining-seeds", "-1"], "--retraining-seeds must be"),
        (["--lambdas", "0.1"], "--lambdas must be numbers with 0"),
        (["--target-params", "big"], "--target-params must be"),
    ],
)
def test_front_tells_mistakes_before_the_work(
    more: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    asked = ["front", "digits", "--main-lambda", "0", "--lambdas", "0", *more]
    monkeypatch.setattr("sys.argv", [*asked, "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="2"):
        search_front.main()
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_answers_are_kept_and_never_mixed_up(training: Path, tmp_path: Path) -> None:
    where: dict[str, Any] = {
        **HERE,
        "taught_in": training,
        "folder": tmp_path,
    }
    whole = search_run(short(), short_preset(short(), "cpu"), **where)
    model = short().student.model
    first = answers_of(whole, "one", model, 1)
    assert load_tensors(tmp_path / "weights/student_one.safetensors")[1]["precision"] == "fp32"
    path = tmp_path / "answers/one.json"
    kept = json.loads(path.read_text())
    kept["validation"] = 0.5  # what is kept is what is given
    path.write_text(json.dumps(kept))
    again = answers_of(whole, "one", model, 1)
    assert again.validation == 0.5
    assert again.right.tolist() == first.right.tolist()
    with pytest.raises(UserError, match="made with other settings"):
        answers_of(whole, "one", model, 2)
    path.write_text("{")
    with pytest.raises(UserError, match="must be a JSON object with a key"):
        answers_of(whole, "one", model, 1)


def test_searches_are_kept_and_never_mixed_up(training: Path, tmp_path: Path) -> None:
    where: dict[str, Any] = {
        **HERE,
        "taught_in": training,
        "folder": tmp_path,
    }
    whole = search_run(short(), short_preset(short(), "cpu"), **where)
    searches = Searches(
        whole=whole, codec=short().one(RkdScConfig).codec.model, seed=0, target=None, epochs=1
    )
    found = searches.found(0.1)
    genotypes = {"itself": found.genotype}
    losses = searches.supernet_losses(0.1, genotypes)
    own = found.genotype
    other = replace(own, normal=own.reduce, reduce=own.normal)
    both = searches.supernet_losses(0.1, {"other": other, "itself": own})
    assert both["itself"] == losses["itself"] != both["other"]
    shutil.rmtree(tmp_path / "searches/kd_lambda0.1/checkpoints")
    assert searches.found(0.1) == found
    unknown = replace(own, reduce=own.normal)
    again = searches.supernet_losses(0.1, {"itself": own, "unknown": unknown, "other": other})
    assert again == both
    assert not list(tmp_path.rglob("checkpoints"))
    with pytest.raises(UserError, match="made with other settings"):
        replace(searches, epochs=2).found(0.1)


def test_front_with_its_own_views_asks_the_teachers_itself(training: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in training.rglob("*") if path.is_file()}
    asked: dict[str, Any] = {
        **HERE,
        "folder": tmp_path / "out",
        "views": 2,
    }
    chosen = short_preset(short(), "cpu")
    whole = search_run(short(), chosen, taught_in=training, **asked)
    assert len(whole.views.features) == 2
    assert (tmp_path / "out/teaching/cache").is_dir()
    assert before == {path: path.read_bytes() for path in training.rglob("*") if path.is_file()}
    mine = replace(short(), embedded_data=None)
    with pytest.raises(UserError, match="must hold the weights of teacher"):
        search_run(mine, chosen, taught_in=tmp_path, **asked)
    pairs = replace(mine, views=2, mirrored=True)
    with pytest.raises(UserError, match="--views: views must be even"):
        search_run(pairs, chosen, taught_in=training, **{**asked, "views": 3})
