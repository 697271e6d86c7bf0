"""Further tasks at the receiver: superclasses, retrieval, and the limits of a label."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.studies.second_task import __main__ as second_task
from benchmarks.studies.second_task.answers import (
    DECAY,
    FINE,
    SUPERCLASSES,
    Answers,
    Known,
    coarse_classes,
    credits_of,
    fit_linear,
    nearest,
    with_one,
)
from simulator.data.dataset import Dataset, Split
from simulator.data.embedded import embedded
from tests.commands import WEIGHTS


def test_superclasses_match_the_cifar_100_files() -> None:
    """Compared with the coarse labels in the dataset's files, ordered by fine label."""
    own = [4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7]
    own += [6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18]
    own += [10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1]
    own += [16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14]
    own += [13]
    assert len(FINE) == 100
    assert all(len(group.split()) == 5 for group in SUPERCLASSES.values())
    for classes in (tuple(map(str, range(100))), FINE):
        found = coarse_classes(data(classes))
        assert found is not None
        assert found.tolist() == own
    assert coarse_classes(data(tuple(f"class {i}" for i in range(100)))) is None
    digits = coarse_classes(embedded("digits"))
    assert digits is not None
    assert digits.tolist() == [0, 1] * 5


def data(classes: tuple[str, ...]) -> Dataset:
    test = Split(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64))
    return Dataset(
        name="some", classes=classes, train=None, validation=None, test=test, key="no key"
    )


def test_coarse_head_matches_scikit_learn(generator: torch.Generator) -> None:
    labels = torch.randint(0, 3, (400,), generator=generator)
    features = torch.randn(400, 5, generator=generator) * torch.tensor([1.0, 5, 0.2, 1, 1])
    features[:, 0] += labels
    features[:, 2] -= 0.3 * (labels == 1)
    ours = with_one(features) @ fit_linear(features, labels)
    scaled = (features / features.std(dim=0)).numpy()
    oracle = LogisticRegression(C=1 / (2 * DECAY * 400), max_iter=500).fit(scaled, labels.numpy())
    expected = torch.from_numpy(oracle.predict_proba(scaled)).float()
    assert float((ours.softmax(dim=1) - expected).abs().max()) < 0.01


def test_credits_are_counted_for_the_right_images() -> None:
    """Three images from index 2 on, with queries of known nearest neighbours."""
    views = torch.eye(6)
    known = Known(
        coarse_of=torch.tensor([0, 1, 0]),
        coarse_weights=None,
        means=torch.zeros(3, 6),
        gallery=torch.eye(6)[:3],
        gallery_labels=torch.tensor([2, 2, 1]),
        views=views,
    )
    query = 5 * torch.eye(6)[[2, 3, 1, 0]] + 0.1  # the last belongs to a padding image
    fine, coarse = torch.tensor([1, 1, 2, 0]), torch.tensor([0, 0, 0, 0])
    answers = Answers(fine, coarse, query, torch.ones(4, dtype=torch.bool))
    labels = torch.tensor([1, 0, 0])
    earned = credits_of(answers, known, labels, first=2)
    assert earned["fine"].tolist() == [1, 0, 0]
    assert earned["coarse"].tolist() == [0, 1, 1]
    assert earned["retrieval"].tolist() == [1, 0, 0]
    assert earned["instance"].tolist() == [1, 1, 0]
    lost = answers._replace(delivered=torch.tensor([False, True, True, True]))
    guessed = credits_of(lost, known, labels, first=2)
    for task, among in (("fine", 3), ("coarse", 2), ("retrieval", 3), ("instance", 6)):
        assert guessed[task].tolist() == pytest.approx([1 / among, *earned[task][1:].tolist()])
    assert nearest(query[:2], views).tolist() == [2, 3]


def test_label_code_solves_class_tasks_but_not_instance_retrieval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["digits", "--images", "250", "--snr-db", "20", "--channel-uses", "16"]
    arguments += ["--channels", "awgn", "--realizations", "1", "--out", str(tmp_path)]
    arguments += ["--weights", str(WEIGHTS)]
    monkeypatch.setattr("sys.argv", ["second_task", *arguments])
    second_task.main()
    rows = pd.read_csv(tmp_path / "second_task.csv")
    assert (rows["ci_low"] <= rows["accuracy"]).all()
    assert (rows["correct"] - rows["accuracy"] * rows["images"]).abs().max() < 1e-6
    found = rows.set_index(["task", "scheme"])["accuracy"]
    for scheme in ("rkd_sc", "digital_semantic", "label_code"):
        for task in ("fine", "coarse", "retrieval"):
            assert found[task, scheme] > 0.9
    assert found["coarse", "label_code"] >= found["fine", "label_code"]
    for scheme in ("rkd_sc", "digital_semantic"):
        assert found["instance", scheme] > found["instance", "label_code"] + 0.02
    assert found["instance", "label_code"] <= 12 / 250  # about one image of each class
    assert len(list((tmp_path / "figures").glob("second_task_awgn_k16.*"))) == 4
    assert "instance" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["digits", "--schemes", "separate"], "--schemes must name rkd_sc, label_code or"),
        (["digits", "--images", "501"], "--images"),
        (["cifar100"], "needs images: add --data DIR"),
    ],
)
def test_mistakes_raise_one_line_errors(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["second_task", *arguments, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        second_task.main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
