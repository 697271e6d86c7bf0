"""Cells, genotypes and the supernet: built networks match the searched ones."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from models import CellShape, Genotype, GenotypeCnnConfig, PooledCnnConfig, ResidualCnnConfig
from models.encoders.students import StudentConfig
from models.nas.cell_supernet import Architecture, Choices, MixedCell, Mixture, Supernet, gumbel
from models.nas.fitting import STEP, encoder_parameters, fitted, scaled
from models.nas.genotype import Edge, discretise, one_hot, random_plan, skips
from models.nas.genotype_cnn import PlannedCell
from models.nas.operations import CONV, DARTS, SPACES, SearchSpace
from simulator.storage.describe import describe
from simulator.training.loop import fresh

SHAPE = CellShape(stem=4, widths=(4, 6), normal_cells=(0, 1), projected_dim=5)


def genotype(space: SearchSpace, generator: torch.Generator) -> Genotype:
    """A random genotype."""
    normal, reduce = (random_plan(space, generator=generator, most_skips=2) for _ in range(2))
    return Genotype(space=space.name, normal=normal, reduce=reduce)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_genotype_and_student_round_trip_through_json(
    space: SearchSpace, generator: torch.Generator
) -> None:
    for number in range(20):
        shape = replace(SHAPE, residual=number % 2 == 1)
        student = GenotypeCnnConfig(genotype=genotype(space, generator), shape=shape)
        text = json.dumps(describe(student))
        assert GenotypeCnnConfig.from_json(json.loads(text)) == student


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"space": "conv", "normal": [[[0, "conv3"], [1, "sep3"]]], "reduce": []},
        {"space": "conv", "normal": [[[0, "conv3"], [2, "conv3"]]], "reduce": []},
        {"space": "conv", "normal": [[[1, "conv3"], [1, "conv3"]]], "reduce": []},
        {"space": "moon", "normal": [], "reduce": []},
        {"space": "darts", "normal": [[[0, "none"], [1, "sep3"]]], "reduce": []},
    ],
)
def test_invalid_genotypes_raise_an_error(value: object) -> None:
    with pytest.raises(ValueError):
        Genotype.from_json(value)


def test_discretisation_keeps_the_two_strongest_edges_and_never_none() -> None:
    space = DARTS._replace(nodes=2)  # edges: 0-0 0-1 | 1-0 1-1 1-2
    weights = torch.full((5, len(space.operations)), 0.1)
    weights[:, space.names.index("none")] = 0.9
    weights[2, space.names.index("sep3")] = 0.4
    weights[3, space.names.index("dil5")] = 0.2
    weights[4, space.names.index("skip")] = 0.3
    assert discretise(weights, space)[1] == (Edge(0, "sep3"), Edge(2, "skip"))


def test_excess_skips_are_replaced_by_the_next_best_operation() -> None:
    weights = torch.zeros(len(CONV.edges), len(CONV.operations))
    weights[:, CONV.names.index("skip")] = torch.linspace(0.9, 0.5, len(CONV.edges))
    weights[:, CONV.names.index("bottleneck")] = 0.4
    free = discretise(weights, CONV)
    assert skips(free) == 2 * CONV.nodes
    held = discretise(weights, CONV, most_skips=2)
    assert held[0] == (Edge(0, "skip"), Edge(1, "skip"))  # with the largest weights
    assert {edge.operation for node in held[1:] for edge in node} == {"bottleneck"}


def test_both_cell_kinds_have_at_most_two_skips() -> None:
    architecture = Architecture(CONV)
    with torch.no_grad():
        for alpha in architecture.parameters():
            alpha[:, CONV.names.index("skip")] += 1.0
    free, held = (architecture.plans(CONV, most_skips=most) for most in (None, 2))
    assert [skips(plan) for plan in free] == [2 * CONV.nodes] * 2
    assert [skips(plan) for plan in held] == [2, 2]


def test_discretising_one_hot_weights_recovers_the_plan(generator: torch.Generator) -> None:
    for space in SPACES:
        plan = random_plan(space, generator=generator, most_skips=2)
        assert discretise(one_hot(plan, space), space) == plan
        assert one_hot(plan, space).sum() == 2 * space.nodes


def test_sampling_frequencies_match_probabilities(generator: torch.Generator) -> None:
    space, number = CONV, 2000
    architecture = fresh(lambda: Architecture(space), seed=0)
    with torch.no_grad():
        architecture.normal.copy_(torch.randn(architecture.normal.shape, generator=generator))
    p = architecture.probabilities().normal.detach()
    counts = torch.zeros_like(p)
    for _ in range(number):
        drawn = architecture.sampled(gumbel(space, generator=generator), 1.0).normal.detach()
        assert torch.equal(drawn.count_nonzero(dim=1), torch.ones(len(p), dtype=torch.int64))
        counts += drawn.round()
    deviation = (p * (1 - p) / number).sqrt()
    assert ((counts / number - p).abs() < 4.5 * deviation).all()  # 45 comparisons, p ~ 3e-4


def test_gradient_of_a_sample_equals_gradient_of_soft_weights(generator: torch.Generator) -> None:
    architecture = fresh(lambda: Architecture(CONV), seed=0)
    noise, worth = gumbel(CONV, generator=generator), torch.rand(9, 5, generator=generator)
    (hard,) = torch.autograd.grad(
        (architecture.sampled(noise, 0.7).normal * worth).sum(), architecture.normal
    )
    soft = ((architecture.normal.log_softmax(dim=1) + noise.normal) / 0.7).softmax(dim=1)
    (expected,) = torch.autograd.grad((soft * worth).sum(), architecture.normal)
    torch.testing.assert_close(hard, expected)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_mixed_edge_is_the_weighted_sum_of_its_operations(
    space: SearchSpace, generator: torch.Generator
) -> None:
    """One edge under mixed weights is the weighted sum of that edge under one-hot weights."""
    net = fresh(lambda: Supernet(space, SHAPE, image_channels=3, num_classes=2), seed=0)
    images = torch.rand((8, 4, 6, 6), generator=generator)
    edge: Any = net.backbone.get_submodule("steps.0.cell.edges.0")
    weights = torch.rand(len(space.operations), generator=generator)
    everything = tuple(range(len(weights)))
    mixed = edge(images, weights, everything)
    alone = [w * edge(images, torch.ones(len(weights)), (o,)) for o, w in enumerate(weights)]
    torch.testing.assert_close(mixed, torch.stack(alone).sum(dim=0))


def test_supernet_output_shapes_and_architecture_gradients(generator: torch.Generator) -> None:
    net = fresh(lambda: Supernet(CONV, SHAPE, image_channels=1, num_classes=3), seed=0)
    architecture = fresh(lambda: Architecture(CONV), seed=0)
    images = torch.rand((16, 1, 9, 7), generator=generator)
    features, scores = net(images, architecture.probabilities().mixtures(), 0.5)
    assert (features.shape, scores.shape) == ((16, 5), (16, 3))
    gradients = torch.autograd.grad(scores.square().sum(), list(architecture.parameters()))
    assert all(bool((gradient != 0).any(dim=1).all()) for gradient in gradients)


def test_auxiliary_skip_adds_its_share_on_every_edge(generator: torch.Generator) -> None:
    net = fresh(lambda: Supernet(CONV, SHAPE, image_channels=3, num_classes=2), seed=0)
    cell: Any = net.backbone.get_submodule("steps.0.cell")
    before, last = torch.rand((2, 4, 4, 6, 6), generator=generator)
    plan = tuple((Edge(0, "skip"), Edge(1, "skip")) for _ in range(CONV.nodes))
    mixture = Choices(*[one_hot(plan, CONV)] * 2).mixtures().normal
    without = cell(before, last, mixture, 0.0)
    torch.testing.assert_close(without[:, :4], before + last)
    torch.testing.assert_close(cell(before, last, mixture, 0.25), 1.25 * without)


@pytest.mark.parametrize("residual", [False, True])
def test_searched_cell_with_one_hot_weights_matches_the_built_cell(
    residual: bool, generator: torch.Generator
) -> None:
    """One-hot weights run only the kept operations, and residual nodes add the last input."""
    shape = replace(SHAPE, residual=residual)
    plan = random_plan(CONV, generator=generator, most_skips=2)
    cell = fresh(lambda: PlannedCell(plan, CONV, 4, residual=residual), seed=0).train()
    searched = fresh(lambda: MixedCell(CONV, 4, residual=residual), seed=1)
    built: Any = cell.nodes
    for node, (edges, operations) in enumerate(zip(plan, built, strict=True)):
        for edge, operation in zip(edges, operations, strict=True):
            own: Any = searched.edges[CONV.edges.index((node, edge.source))]
            mixed = own.operations[CONV.names.index(edge.operation)]
            mixed.load_state_dict(operation.state_dict(), strict=False)
    before, last = torch.randn((2, 8, 4, 6, 5), generator=generator)
    found = searched(before, last, Mixture.of(one_hot(plan, CONV)), 0.0)
    torch.testing.assert_close(found, cell(before, last))
    net = GenotypeCnnConfig(
        genotype=Genotype(space="conv", normal=plan, reduce=plan), shape=shape
    ).build(image_channels=3)
    cells = [m for m in net.modules() if isinstance(m, PlannedCell)]
    assert [own.residual for own in cells] == [residual] * 3


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (32, 32)])
def test_built_network_accepts_any_image_size(
    size: tuple[int, int], generator: torch.Generator
) -> None:
    config = GenotypeCnnConfig(genotype=genotype(CONV, generator), shape=SHAPE)
    network = fresh(lambda: config.build(image_channels=3), seed=0).eval()
    images = torch.rand((3, 3, *size), generator=generator)
    features = network(images)
    assert features.shape == (3, config.feature_dim) == (3, 5)
    torch.testing.assert_close(network(images[1:2]), features[1:2], rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(images).dtype == torch.float32


def test_only_the_last_stage_stays_trainable(generator: torch.Generator) -> None:
    config = GenotypeCnnConfig(genotype=genotype(DARTS, generator), shape=SHAPE)
    network = fresh(lambda: config.build(image_channels=3), seed=0)
    network.freeze_all_but_last_stage()
    free = {name for name, p in network.named_parameters() if p.requires_grad}
    last = ("backbone.steps.1.", "backbone.steps.2.", "backbone.projection.")
    assert free == {name for name, _ in network.named_parameters() if name.startswith(last)}
    assert free


def widths_of(config: StudentConfig) -> tuple[int, ...]:
    """Widths of its stages."""
    if isinstance(config, GenotypeCnnConfig):
        return config.shape.widths
    assert isinstance(config, PooledCnnConfig | ResidualCnnConfig)
    return config.widths


@pytest.mark.parametrize("most", [3_000, 20_000])
def test_fitted_network_is_the_largest_that_fits(most: int, generator: torch.Generator) -> None:
    configs: tuple[StudentConfig, ...] = (
        GenotypeCnnConfig(genotype=genotype(CONV, generator), shape=SHAPE),
        PooledCnnConfig(stem=4, widths=(6, 8), projected_dim=5),
        ResidualCnnConfig(widths=(4, 6), blocks=1, feature_dim=5),
    )
    for config in configs:
        best = fitted(config, most, image_channels=3)
        size = encoder_parameters(best, image_channels=3)
        more = (max(widths_of(best)) + 1) / max(widths_of(config)) + STEP
        wider = scaled(config, more)
        assert size <= most < encoder_parameters(wider, image_channels=3)
    with pytest.raises(ValueError, match="narrowest"):
        fitted(configs[0], 10, image_channels=3)


def test_invalid_cell_shapes_raise_an_error() -> None:
    with pytest.raises(ValueError, match="normal_cells"):
        CellShape(stem=4, widths=(4, 6), normal_cells=(1,), projected_dim=5)
    unclear: Any = "false"
    with pytest.raises(ValueError, match="residual"):
        replace(SHAPE, residual=unclear)
