"""Joint models: shapes, independence of images, and properties of each kind."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from models import (
    Adjscc,
    AdjsccConfig,
    DeepJsccConfig,
    DeepJsccQConfig,
    DtJscc,
    DtJsccConfig,
    JointConfig,
    JointModel,
    ModulatorConfig,
    ResidualCnnConfig,
    VlVfe,
    VlVfeConfig,
)
from models.joint.vl_vfe import Gate, divergence
from simulator.training.loop import fresh

BODY = ResidualCnnConfig(widths=(4,), blocks=1, feature_dim=12)
USES, CLASSES = 6, 5
CONFIGS: dict[str, JointConfig] = {
    "deep_jscc": DeepJsccConfig(body=BODY, hidden=16),
    "deep_jscc_q": DeepJsccQConfig(
        body=BODY,
        hidden=16,
        modulator=ModulatorConfig(bits_per_symbol=4, hardness=(5.0, 100.0), uniformity=0.05),
    ),
    "adjscc": AdjsccConfig(body=BODY, hidden=16, attention=4),
    "dt_jscc": DtJsccConfig(
        body=BODY, hidden=16, bits_per_symbol=4, word=3, robustness=1e-3, temperature=0.5
    ),
    "vl_vfe": VlVfeConfig(body=BODY, hidden=16, threshold=1e-2, sparsity=9e-3),
}


def built(name: str, *, image_channels: int | None = None) -> JointModel:
    """A small model whose weights come from a fixed seed."""
    config = CONFIGS[name]
    return fresh(
        lambda: config.build(image_channels=image_channels, num_classes=CLASSES, uses=USES), seed=0
    )


def through(model: JointModel, features: Tensor, snr_db: float = 5.0) -> tuple[Tensor, Tensor]:
    """The sent values, and the scores that they give without a channel."""
    snr = torch.full((len(features), 1), snr_db)
    carried = model.encode(features, snr_db=snr)
    heard = carried
    if isinstance(model, DtJscc):
        heard = carried.softmax(dim=2)
    return carried, model.scores(model.decode(heard, snr_db=snr, gamma_db=snr))


@pytest.mark.parametrize("name", CONFIGS)
def test_shapes_and_independence_of_images(name: str, generator: torch.Generator) -> None:
    model, features = built(name).eval(), torch.randn(7, 12, generator=generator)
    carried, scores = through(model, features)
    expected = (7, USES, 16) if name == "dt_jscc" else (7, 2 * USES)
    assert carried.shape == expected
    assert scores.shape == (7, CLASSES)
    for whole, alone in zip((carried, scores), through(model, features[3:4]), strict=True):
        torch.testing.assert_close(whole[3:4], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_loss_falls_on_one_batch(name: str, generator: torch.Generator) -> None:
    model, features = built(name), torch.randn(16, 12, generator=generator)
    labels = torch.randint(0, CLASSES, (16,), generator=generator)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = cross_entropy(through(model, features)[1], labels)
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", CONFIGS)
def test_backbone_is_included_only_with_image_channels(name: str) -> None:
    assert built(name).body is None
    own = built(name, image_channels=3)
    assert own.body is not None
    assert own.body(torch.rand(2, 3, 8, 8)).shape == (2, 12)
    frozen = set(built(name).state_dict())
    body = {key for key in own.state_dict() if key.startswith("body.")}
    assert set(own.state_dict()) - body == frozen


def test_attention_depends_on_the_snr_given_to_each_end(generator: torch.Generator) -> None:
    model, features = built("adjscc"), torch.randn(3, 12, generator=generator)
    assert isinstance(model, Adjscc)
    low, high = torch.full((3, 1), -10.0), torch.full((3, 1), 20.0)
    sent = model.encode(features, snr_db=low)
    assert (sent - model.encode(features, snr_db=high)).abs().max() > 1e-3
    one, other = (model.decode(sent, snr_db=low, gamma_db=gamma) for gamma in (low, high))
    assert (one - other).abs().max() > 1e-3
    assert torch.equal(one, model.decode(sent, snr_db=high, gamma_db=low))
    plain = built("deep_jscc")
    assert torch.equal(*(plain.encode(features, snr_db=snr) for snr in (low, high)))


def test_attention_gains_lie_between_zero_and_one(generator: torch.Generator) -> None:
    model = built("adjscc")
    assert isinstance(model, Adjscc)
    values = torch.randn(50, 12, generator=generator)
    gains = model.attend_output(values, snr_db=torch.zeros(50, 1)) / values
    assert gains.min() > 0
    assert gains.max() < 1
    assert gains.std() > 1e-3


def test_word_decoder_receives_the_chosen_words() -> None:
    model = built("dt_jscc")
    assert isinstance(model, DtJscc)
    heard: list[Tensor] = []
    model.from_words.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    chosen = torch.tensor([[0, 1, 2, 3, 15, 15]])
    zeros = torch.zeros(1, 1)
    model.decode(one_hot(chosen, 16).float(), snr_db=zeros, gamma_db=zeros)
    torch.testing.assert_close(heard[0].view(USES, 3), model.words[chosen[0]])


def test_gates_decrease_over_dimensions_and_increase_with_noise() -> None:
    gate = fresh(lambda: Gate(20), seed=2)
    gates = gate(torch.tensor([[0.05], [0.5], [2.0]]))
    assert (gates > 0).all()
    assert (gates[:, 1:] < gates[:, :-1]).all()
    assert (gates[1:] > gates[:-1]).all()


def test_unsent_dimensions_are_zero_and_ignored_by_the_decoder(generator: torch.Generator) -> None:
    model = built("vl_vfe")
    assert isinstance(model, VlVfe)
    with torch.no_grad():  # gates that close at high SNR, the last first
        for weight in model.gate.weights:
            nn.init.constant_(weight, 0.05)
    snr = torch.tensor([[-10.0], [20.0], [60.0]])
    sent = model.sent(snr)
    counts = sent.sum(dim=1).tolist()
    assert counts[0] == 2 * USES > counts[1] > counts[2] == 1
    assert all((row[:-1] >= row[1:]).all() for row in sent.int())
    features = torch.randn(3, 12, generator=generator)
    values = model.encode(features, snr_db=snr)
    assert torch.equal(values != 0, sent)
    assert (model.encode(features, snr_db=snr, all_sent=True) != 0).all()
    noise = torch.where(sent, 0.0, 9.0)
    torch.testing.assert_close(
        model.decode(values + noise, snr_db=snr, gamma_db=snr),
        model.decode(values, snr_db=snr, gamma_db=snr),
    )


def test_decoder_is_invariant_to_a_common_scale(generator: torch.Generator) -> None:
    """The receiver does not know how much power closed gates leave to the other dimensions."""
    model, snr = built("vl_vfe"), torch.zeros(3, 1)
    values = torch.randn(3, 2 * USES, generator=generator)
    one, other = (model.decode(x, snr_db=snr, gamma_db=snr) for x in (values, 5 * values))
    torch.testing.assert_close(one, other)


def test_divergence_matches_hand_calculated_values() -> None:
    """At high SNR ln(1 + SNR) / 2 plus a constant for each value, and nothing for a zero."""
    deviation = torch.full((2, 1), 0.1)
    at_ten_db = math.sqrt(0.1)
    values = torch.tensor([[at_ten_db, 0.0, 0.0], [at_ten_db, 10 * at_ten_db, 0.0]])
    one, two = divergence(values, deviation).tolist()
    sigmoid = 1 / (1 + math.exp(-(1.8732 - 1.48695 * math.log(10))))
    assert one == pytest.approx(0.5 * math.log(11) + 0.63576 * (1 - sigmoid), rel=1e-4)
    assert two - one == pytest.approx(0.5 * math.log(1001) + 0.63576, rel=0.02)
    spread = torch.full((1, 4), 0.5)
    alone = torch.tensor([[1.0, 0.0, 0.0, 0.0]])  # of equal energy
    assert divergence(alone, deviation[:1]) < divergence(spread, deviation[:1])
