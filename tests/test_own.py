"""User-defined schemes and channels, next to those of the recipe."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import semlink
from channels.awgn import AwgnChannel
from channels.base import ChannelOutput
from simulator.errors import UserError
from simulator.measures.seeds import across_seeds
from simulator.schemes.own import weights_hash
from simulator.storage.environment import ROOT
from simulator.training.weights import Weights

K = 16


def link() -> semlink.Link:
    """The digits with the committed weights."""
    return semlink.load("digits", weights=ROOT / "results/reference/digits/weights")


@cache
def used() -> semlink.Link:
    return link()


def mine(name: str = "mine", encoder: Any = None, decoder: Any = None) -> Any:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 2 * K))
    return semlink.own_scheme(name, encoder or flat, decoder or nn.Linear(2 * K, 10), k=K)


def silent(x: Tensor, snr_db: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    return torch.zeros_like(x), torch.ones_like(x), 10 ** (-snr_db / 10)


def loud(x: Tensor, snr_db: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    return x, torch.ones_like(x), 10 ** (-snr_db / 10)


def sweep(schemes: Any, *channels: Any) -> Any:
    grid = semlink.Grid(snr_db=(0,), channel_uses=(K,), channels=channels or ("awgn",))
    return semlink.sweep(used(), schemes, grid, images=20).table


def test_own_schemes_need_no_trained_weights() -> None:
    grid = semlink.Grid(snr_db=(0,), channel_uses=(K,), channels=("awgn",))
    unread = Weights(link().recipe, link().data, Path("nowhere"), torch.device("cpu"))
    bare = semlink.Link(recipe=link().recipe, data=link().data, weights=unread)
    table = semlink.sweep(bare, [mine()], grid, images=20).table
    assert table["scheme"].tolist() == ["mine"]
    assert table["train_seed"].isna().all()


@pytest.mark.parametrize(
    "name", ["rkd_sc", "RKD_SC:mine", "all", "a,b", " ", "../up", "a\\b", "a\n"]
)
def test_invalid_names_of_own_schemes_raise_an_error(name: str) -> None:
    with pytest.raises(semlink.Error, match="^name of an own scheme must"):
        mine(name)


@pytest.mark.parametrize("name", ["awgn", "Rician:3", "rician", "a+b", "a,b", " "])
def test_invalid_names_of_own_channels_raise_an_error(name: str) -> None:
    with pytest.raises(semlink.Error, match="^name of an own channel must"):
        semlink.own_channel(name, silent)


def test_duplicate_names_raise_an_error() -> None:
    for schemes in ([mine(), mine()], ["rkd_sc", link()["rkd_sc"]]):
        with pytest.raises(semlink.Error, match="^schemes must have different names"):
            sweep(schemes)
    two = [semlink.own_channel("own", act) for act in (silent, loud)]
    with pytest.raises(semlink.Error, match="^channels must have different names"):
        sweep(["label_code"], *two)
    scheme = mine()
    assert len(sweep([scheme, scheme, "label_code", "label_code"], "awgn", "awgn")) == 2


def test_modules_run_in_eval_mode_and_keep_their_training_mode() -> None:
    norm, frozen = nn.BatchNorm1d(2 * K), nn.Dropout(0.5).eval()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 2 * K), norm, frozen, nn.Dropout(0.5))
    decoder = nn.Sequential(nn.Dropout(0.5), nn.Linear(2 * K, 10))
    scheme = mine("net", encoder, decoder.forward)
    images = used().data.test.images[:5]
    one, two = (semlink.send(scheme, images, k=K) for _ in range(2))
    assert torch.equal(one.scores, two.scores)
    assert sweep([scheme]).equals(sweep([scheme]))
    assert not any(norm.running_mean.tolist() if norm.running_mean is not None else [1])
    modes = [module.training for module in (encoder, norm, frozen, decoder)]
    assert modes == [True, True, False, True]


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        (
            {"decoder": lambda v: v[:, :3]},
            r"mine must give scores .* = \[250, 10\], got \[250, 3\]",
        ),
        ({"decoder": lambda v: v[:, 0]}, "decoder of mine must give scores"),
        ({"decoder": lambda v: v[:, :10] > 0}, "a tensor of real numbers, got torch.bool"),
        ({"decoder": lambda v: v[:, :10] * torch.nan}, "decoder of mine must give finite"),
        ({"encoder": lambda x: x.flatten(1)[:, :32] / 0}, "encoder of mine must give finite"),
    ],
)
def test_outputs_of_own_networks_are_validated(networks: dict[str, Any], told: str) -> None:
    with pytest.raises(semlink.Error, match=told):
        sweep([mine(**networks)])


def bursts(x: Tensor, snr_db: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """One image in four receives nearly all of the noise power."""
    power = 10 ** (-snr_db / 10)
    w = torch.randn(2, *x.shape, generator=generator) * (power / 2) ** 0.5
    w = w * torch.where(torch.rand(len(x), 1, generator=generator) < 0.25, 3.97, 0.01) ** 0.5
    return x + torch.complex(w[0], w[1]), torch.ones_like(x), power


def faded(x: Tensor, snr_db: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    h = torch.randn(2, len(x), 1, generator=generator) * 0.5**0.5
    power = 10 ** (-snr_db / 10)
    w = torch.randn(2, *x.shape, generator=generator) * (power / 2) ** 0.5
    gain = torch.complex(h[0], h[1]).expand_as(x)
    return gain * x + torch.complex(w[0], w[1]), gain, power


def in_place(x: Tensor, *given: Any) -> tuple[Tensor, Tensor, Tensor]:
    y, h, power = faded(x, *given)
    return x.copy_(y), h, power


def test_a_channel_may_change_its_input() -> None:
    """Symbols are encoded once for all draws, so the next draw must not see the change."""
    tables = [sweep(["rkd_sc"], semlink.own_channel("mine", act)) for act in (faded, in_place)]
    assert tables[0].equals(tables[1])


def strong(*given: Any) -> tuple[Tensor, Tensor, Tensor]:
    y, h, power = faded(*given)
    return 2 * y, 2 * h, power


def test_channels_whose_power_is_not_that_of_their_snr_are_reported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    channels = {"faded": faded, "loud": loud, "strong": strong}
    sweep(["label_code"], *(semlink.own_channel(*own) for own in channels.items()))
    told = [line for line in capsys.readouterr().err.splitlines() if "channel " in line]
    assert [line.partition(" at 0 dB: ")[0] for line in told] == [
        "semlink: channel loud",
        "semlink: channel strong",
    ]
    assert "E|w|^2 is 0, not 1; so accuracies over it" in told[0]
    assert "E|h|^2 is" in told[1]


def test_digital_schemes_decode_on_an_own_channel() -> None:
    """Error-rate tables for Gaussian noise do not cover bursts, which lose one image in four."""
    channel, images = semlink.own_channel("bursts", bursts), used().data.test.images[:60]
    scheme = used()["separate"]
    gaussian, own = (
        semlink.send(scheme, images, channel=over, snr_db=8, k=64) for over in ("awgn", channel)
    )
    assert gaussian.bits is None
    assert own.bits is not None
    assert float(gaussian.delivered.float().mean()) > 0.95
    assert 0.55 < float(own.delivered.float().mean()) < 0.92


@pytest.mark.parametrize("name", ["capacity_bound", "digital_semantic:genie"])
def test_schemes_that_need_gaussian_noise_skip_own_channels(name: str) -> None:
    with pytest.raises(semlink.Error, match=f"{name} needs Gaussian noise.*: own with k = 16 left"):
        sweep([name], semlink.own_channel("own", loud))


def test_own_channel_class_with_a_builtin_name_is_not_journalled(tmp_path: Path) -> None:
    class Silent(AwgnChannel):
        def __call__(self, x: Tensor, **given: Any) -> ChannelOutput:
            return super().__call__(0 * x, **given)

    grid = semlink.Grid(channels=(Silent(),), channel_uses=16, snr_db=20, realizations=1)
    with pytest.raises(semlink.Error, match="must have a name of its own, got awgn"):
        semlink.sweep(used(), "rkd_sc", grid, images=20, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["rkd_sc", "deep_jscc", "dt_jscc", "digital_semantic"])
def test_schemes_decode_noiseless_symbols_with_erasures(name: str) -> None:
    def erasures(x: Tensor, snr_db: Tensor, generator: torch.Generator) -> Any:
        h = (torch.rand(x.shape, generator=generator) >= 0.3).to(x.dtype)
        return h * x, h, torch.zeros_like(snr_db)

    channel = semlink.own_channel("erasures", erasures)
    grid = semlink.Grid(channels=(channel,), channel_uses=16, snr_db=20, realizations=1)
    table = semlink.sweep(used(), name, grid, images=100).table
    assert table["accuracy"].item() > 0.4  # a guess: 0.1


def test_own_networks_may_use_the_snr_and_differ_per_k() -> None:
    heard: list[tuple[str, float]] = []

    def encode(images: Tensor, snr_db: Tensor) -> Tensor:
        heard.append(("encoder", float(snr_db.mean())))
        return images.flatten(1)[:, :8] + snr_db

    def decode(values: Tensor, snr_db: Tensor) -> Tensor:
        heard.append(("decoder", float(snr_db.std())))
        assert snr_db.shape == (len(values), 1)
        return values.repeat(1, 2)[:, :10]

    scheme = semlink.own_scheme(
        "snr", {4: encode, K: encode}, {4: decode, K: decode}, uses_snr=True, settings="two\nlines"
    )
    assert scheme.channel_uses == f"k in {{4, {K}}}"
    assert scheme.settings(4) == "two lines"
    usual = semlink.own_scheme("snr", {4: encode}, {4: decode}, uses_snr=True)
    assert "average SNR, gain and noise power known" in usual.settings(4)
    sent = semlink.send(scheme, used().data.test.images[:3], channel="rayleigh", snr_db=7, k=4)
    assert sent.scores.shape == (3, 10)
    ends = dict(heard)
    assert ends["encoder"] == pytest.approx(7)  # the average SNR
    assert ends["decoder"] > 1  # the SNR of every image, after fading
    with pytest.raises(semlink.Error, match=r"encoder of snr must give \[B, 2k\]"):
        semlink.send(scheme, used().data.test.images[:3], k=K)


def test_networks_for_several_k_form_one_scheme() -> None:
    def ends(k: int) -> tuple[nn.Module, nn.Module]:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 2 * k)), nn.Linear(2 * k, 10)

    pairs = {k: ends(k) for k in (4, K)}
    both = semlink.own_scheme(
        "mine", *({k: own[end] for k, own in pairs.items()} for end in (0, 1))
    )
    grid = semlink.Grid(snr_db=0, channel_uses=(4, K), channels="awgn")
    table = semlink.sweep(used(), both, grid, images=20).table
    for k, (encoder, decoder) in pairs.items():
        one = semlink.own_scheme("mine", encoder, decoder, k=k)
        alone = semlink.sweep(used(), one, replace(grid, channel_uses=k), images=20).table
        assert table.query("channel_uses == @k")["correct"].tolist() == alone["correct"].tolist()


@pytest.mark.parametrize(
    ("ends", "line"),
    [
        (({4: len}, {8: len}), r"must be for the same k, got \[4\] and \[8\]"),
        (({4: len}, len), "k must be given, or decoder a mapping"),
        (({}, {}), "encoder must be one network for k, or a mapping"),
        (({0: len}, {0: len}), "k must be"),
    ],
)
def test_mismatched_networks_per_k_raise_an_error(ends: tuple[Any, Any], line: str) -> None:
    with pytest.raises(semlink.Error, match=line):
        semlink.own_scheme("mine", *ends)


def test_training_runs_of_an_own_scheme_are_compared(tmp_path: Path) -> None:
    grid = semlink.Grid(snr_db=(0, 10), channel_uses=K, channels="awgn")
    folders = []
    for seed in range(3):
        torch.manual_seed(seed)
        results = semlink.sweep(used(), ["rkd_sc", mine()], grid, images=20)
        assert results.run["grid"]["snr_db"] == [0.0, 10.0]
        assert results.run["environment"]
        assert len(results.run["own_schemes"]["mine"]) == 64
        assert "rkd_sc" not in results.run["own_schemes"]
        folders.append(results.save(tmp_path / str(seed)))
    table = across_seeds(folders)
    assert table["scheme"].unique().tolist() == ["mine"]  # rkd_sc has only one training run
    assert table["seeds"].tolist() == [3, 3]
    with pytest.raises(UserError, match="must have other weights of mine, but .* repeats some"):
        across_seeds([folders[0], folders[0]])


def test_identical_training_runs_raise_an_error(tmp_path: Path) -> None:
    grid = semlink.Grid(snr_db=0, channel_uses=K, channels="awgn")

    def saved(name: str, *schemes: Any) -> Path:
        return semlink.sweep(used(), [*schemes], grid, images=20).save(tmp_path / name)

    decode = nn.Linear(2 * K, 10)
    functions = mine(encoder=lambda x: x.flatten(1)[:, : 2 * K], decoder=decode)
    with pytest.raises(UserError, match="must have other weights of mine"):
        across_seeds([saved("alone", functions), saved("beside", functions, "label_code")])
    with pytest.raises(UserError, match="must have a different training seed"):
        across_seeds([saved("a", "rkd_sc", mine("one")), saved("b", "rkd_sc", mine("two"))])
    assert weights_hash(mine(encoder=lambda x: x, decoder=decode)) == ""
    methods = mine(encoder=nn.Flatten().forward, decoder=decode.forward)
    assert len(weights_hash(methods)) == 64


def test_builtin_scheme_object_keeps_its_training_seed(tmp_path: Path) -> None:
    grid = semlink.Grid(snr_db=0, channel_uses=K, channels="awgn")
    results = semlink.sweep(used(), [used()["rkd_sc"]], grid, images=5)
    assert results.table["train_seed"].tolist() == [0]
    assert "own_schemes" not in results.run


def test_results_with_equal_outcomes_are_distinguished_by_scheme(tmp_path: Path) -> None:
    grid = semlink.Grid(snr_db=100, channel_uses=K, channels="awgn")
    one, two = (semlink.sweep(used(), [mine(name)], grid, images=1) for name in ("one", "two"))
    one.save(tmp_path / "out")
    with pytest.raises(semlink.Error, match="must not hold other results"):
        two.save(tmp_path / "out")


def test_blank_settings_raise_an_error() -> None:
    with pytest.raises(semlink.Error, match="^settings must be"):
        semlink.own_scheme("mine", nn.Flatten(), nn.Linear(2 * K, 10), k=K, settings="  ")


def test_digital_schemes_adapt_to_another_channel_of_the_same_name() -> None:
    def noisy(x: Tensor, snr_db: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        power = 10 ** (-snr_db / 10)
        w = torch.randn(2, *x.shape, generator=draws) * (power / 2) ** 0.5
        return 0.1 * x + torch.complex(w[0], w[1]), torch.full_like(x, 0.1), power

    scheme, images = used()["separate"], used().data.test.images[:3]
    first, second = (
        semlink.send(scheme, images, channel=semlink.own_channel("mine", act), snr_db=20, k=64)
        for act in (loud, noisy)
    )
    assert first.choice["payload_bits"] > second.choice["payload_bits"]
