"""`semlink iq` as users see it: the round trip, and a one-line error for every mistake."""

import errno
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import semlink as face
from tests.commands import WEIGHTS, Command, refused, status

WRITE = ["iq", "write", "digits", "--weights", WEIGHTS, "--images", 40, "--channel-uses", 16]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sent.sigmf-meta, and received.sigmf-meta from the simulated radio."""
    folder = tmp_path_factory.mktemp("iq")
    with pytest.MonkeyPatch.context() as patch:
        out = ["--out", folder / "sent.sigmf-meta"]
        assert status(patch, *WRITE, "--scheme", "rkd_sc", *out) == 0
        radio = ["--snr-db", 30, "--seed", 3, "--out", folder / "received.sigmf-meta"]
        assert status(patch, "iq", "simulate", folder / "sent.sigmf-meta", *radio) == 0
    return folder


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Path:
    """A copy of these files that a test may damage."""
    for path in kept.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))


def test_round_trip_at_30_db_matches_the_simulation(
    semlink: Command, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert semlink("iq", "read", kept / "received.sigmf-meta", "--csv", "a.csv") == 0
    out = capsys.readouterr().out
    link = face.load("digits", weights=WEIGHTS)
    images = link.data.test.images[:40]
    ideal = face.send(link["rkd_sc"], images, channel="awgn", snr_db=30, k=16)
    table = pd.read_csv("a.csv")
    assert table["class"].tolist() == ideal.classes.tolist()
    assert table["image"].tolist() == list(range(40))
    scores = table.filter(regex="^score_").to_numpy()
    assert scores.argmax(axis=1).tolist() == ideal.classes.tolist()
    right = np.mean(ideal.classes.numpy() == link.data.test.labels[:40].numpy())
    assert f"accuracy: {right:.1%} of 40 images" in out
    assert "SNR 30." in out or "SNR 29." in out


def test_written_recordings_are_valid_sigmf(kept: Path) -> None:
    import sigmf

    found = sigmf.fromfile(kept / "sent.sigmf-meta")
    found.validate()
    samples = found.read_samples()
    assert np.abs(samples).max() == pytest.approx(0.9)
    meta = json.loads((kept / "sent.sigmf-meta").read_text())
    told = meta["global"]
    assert told["core:datatype"] == "cf32_le"
    assert told["core:sample_rate"] == 1.92e6
    assert told["semlink:scheme"] == "rkd_sc"
    assert told["semlink:images"] == 40
    assert set(told["semlink:weights"]) == {"student", "codec"}
    images = [own for own in meta["annotations"] if "semlink:image" in own]
    assert [own["semlink:image"] for own in images] == list(range(40))
    assert not any("semlink:class" in own for own in images)
    assert images[-1]["core:sample_start"] + images[-1]["core:sample_count"] <= len(samples)


def test_equal_requests_give_equal_samples_and_optional_labels(
    semlink: Command, kept: Path, tmp_path: Path
) -> None:
    assert semlink(*WRITE, "--scheme", "rkd_sc", "--labels", "--out", "b.sigmf-meta") == 0
    data = "sent.sigmf-data", "b.sigmf-data"
    assert (kept / data[0]).read_bytes() == (tmp_path / data[1]).read_bytes()
    meta = json.loads((tmp_path / "b.sigmf-meta").read_text())
    labels = face.load("digits", weights=WEIGHTS).data.test.labels[:40]
    shown = [own["semlink:class"] for own in meta["annotations"][1:]]
    assert shown == [str(int(label)) for label in labels]


@pytest.mark.parametrize("scheme", ["label_code", "adjscc", "digital_semantic"])
def test_other_schemes_are_decoded_from_recordings(
    semlink: Command, scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert semlink(*WRITE, "--scheme", scheme, "--out", "a.sigmf-meta") == 0
    assert semlink("iq", "read", "a.sigmf-meta", "--weights", WEIGHTS) == 0
    accuracy = capsys.readouterr().out.partition("accuracy: ")[2]
    assert float(accuracy.partition("%")[0]) >= 95


def test_recording_with_foreign_metadata_is_read_with_sent(
    semlink: Command, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bare(meta: dict[str, Any]) -> None:
        kept = ("core:datatype", "core:sample_rate", "core:version")
        meta["global"] = {name: meta["global"][name] for name in kept}
        meta["annotations"] = []

    edit(copy / "received.sigmf-meta", bare)
    assert semlink("iq", "read", "received.sigmf-meta") == 2
    assert "must have semlink:recipe, but has none; add --sent and the file" in refused(capsys)
    arguments = ["--sent", "sent.sigmf-meta", "--snr-db", 30]
    assert semlink("iq", "read", "received.sigmf-meta", *arguments) == 0
    assert "SNR 30.0 dB" in capsys.readouterr().out


def changed(name: str, value: object) -> Callable[[Path], None]:
    """A change of one global field."""
    return lambda path: edit(path, lambda meta: meta["global"].update({name: value}))


def without_hash(path: Path, keep: Callable[[bytes], bytes]) -> None:
    """Change the data, and remove the hash that would reveal it."""
    edit(path, lambda meta: meta["global"].pop("core:sha512"))
    data = path.with_suffix(".sigmf-data")
    data.write_bytes(keep(data.read_bytes()))


def cut(path: Path) -> None:
    data = path.with_suffix(".sigmf-data")
    data.write_bytes(data.read_bytes()[:8000])


def drop_annotation(path: Path) -> None:
    edit(path, lambda meta: meta["annotations"].pop())


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, "was truncated or changed"),
        (lambda path: without_hash(path, lambda data: data[:-5]), "it is truncated"),
        (lambda path: without_hash(path, lambda data: data[:20_000]), "it is cut off"),
        (lambda path: without_hash(path, lambda data: b""), "got 0 bytes; it is truncated"),
        (lambda path: without_hash(path, bytes_of_nan), "must hold finite samples"),
        (lambda path: without_hash(path, lambda data: bytes(len(data))), "no frame was found"),
        (lambda path: path.with_suffix(".sigmf-data").unlink(), "but there is no such file"),
        (changed("core:sample_rate", 2e6), "must have the sample rate of its frame, 1.92e+06 Hz"),
        (changed("core:datatype", "ci16_le"), "of type cf32_le, got ci16_le; convert them"),
        (changed("core:datatype", "float"), "must be a meta file of SigMF, but"),
        (changed("core:sample_rate", "fast"), "must be a meta file of SigMF, but"),
        (changed("semlink:recipe", "none_such"), "none_such"),
        (changed("semlink:scheme", "none_such"), "none_such"),
        (changed("semlink:channel_uses", "16"), "semlink:channel_uses of "),
        (changed("semlink:subcarriers", 7), "must describe a frame, but"),
        (changed("semlink:images", 41), "an annotation for each of its 41 images"),
        (changed("semlink:weights", {"codec": "0"}), "was sent with other weights than those of"),
        (changed("semlink:amplitude", 0), "must have an amplitude in (0, 1]"),
        (changed("semlink:snr_db", float("nan")), "an SNR within 100 dB"),
        (drop_annotation, "an annotation for each of its 40 images"),
        (lambda path: path.write_text("{"), "must be a meta file of SigMF, but"),
        (lambda path: path.write_text("[]"), "must be a meta file of SigMF, but"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "must be a meta file of SigMF, but"),
        (lambda path: path.unlink(), "no such file"),
    ],
)
def test_damaged_recordings_raise_one_line_errors(
    semlink: Command,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    told: str,
) -> None:
    damage(copy / "received.sigmf-meta")
    arguments = ["--weights", WEIGHTS, "--csv", "new.csv"]
    assert semlink("iq", "read", "received.sigmf-meta", *arguments) == 2
    assert told in refused(capsys)
    assert not (copy / "new.csv").exists()


def test_student_must_be_a_genotype_file(
    semlink: Command, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--weights", WEIGHTS, "--student", "none.json"]
    assert semlink("iq", "read", "received.sigmf-meta", *asked) == 2
    assert "no such file: none.json" in refused(capsys)


def bytes_of_nan(data: bytes) -> bytes:
    return np.full(len(data) // 8, np.nan, dtype="<c8").tobytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--scheme", "capacity_bound"], "capacity_bound must send 16 symbols for every image"),
        (["--scheme", "none_such"], "--scheme"),
        (["--scheme", "deep_jscc", "--channel-uses", "17"], "deep_jscc serves k"),
        (["--scheme", "rkd_sc", "--subcarriers", "13"], "subcarriers of a frame must be even"),
        (["--scheme", "rkd_sc", "--spacing-khz", "0"], "--spacing-khz must be 1 to 960 kHz"),
        (["--scheme", "rkd_sc", "--snr-db", "many"], "--snr-db must be a number of dB"),
        (["--scheme", "rkd_sc", "--images", "501"], "--images must be"),
        (["--scheme", "rkd_sc", "--out", "a.wav"], "--out must end in .sigmf-meta, got a.wav"),
    ],
)
def test_invalid_write_requests_raise_one_line_errors(
    semlink: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    assert semlink(*WRITE, "--out", "a.sigmf-meta", *arguments) == 2
    assert told in refused(capsys)
    assert list(tmp_path.iterdir()) == []


def test_no_recording_is_overwritten(
    semlink: Command, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["iq", "simulate", "sent.sigmf-meta", "--snr-db", 10]
    assert semlink(*arguments, "--out", "received.sigmf-meta") == 2
    assert "--out must be a new file, but received.sigmf-meta is there" in refused(capsys)


def test_missing_sigmf_package_is_named_in_the_error(
    semlink: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sigmf", None)
    assert semlink("iq", "read", "a.sigmf-meta") == 2
    assert "needs sigmf: pip install 'semlink[iq]'" in refused(capsys)


def test_full_disk_leaves_no_files(
    semlink: Command,
    copy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    before = sorted(copy.iterdir())
    monkeypatch.setattr(Path, "write_bytes", full)
    arguments = ["iq", "simulate", "sent.sigmf-meta", "--snr-db", 10, "--out", "new.sigmf-meta"]
    assert semlink(*arguments) == 2
    assert "No space left on device; make room there" in refused(capsys)
    assert sorted(copy.iterdir()) == before
