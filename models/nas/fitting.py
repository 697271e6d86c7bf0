"""Scaling of all widths of a student to a given number of parameters."""

from bisect import bisect_right
from dataclasses import replace

import torch

from models.blocks import parameter_count
from models.encoders.staged_cnn import StagedCnnConfig
from models.encoders.students import StudentConfig
from models.nas.genotype_cnn import GenotypeCnnConfig

STEP = 1 / 64  # of the scales that `fitted` tries
MULTIPLE = 8  # widths of stages are multiples of it


def encoder_parameters(config: StudentConfig, *, image_channels: int) -> int:
    """Number of parameters of a student, counted without allocating them."""
    with torch.device("meta"):
        return parameter_count(config.build(image_channels=image_channels))


def fitted(config: StudentConfig, most: int, *, image_channels: int) -> StudentConfig:
    """The same network at the largest scale of its widths with at most `most` parameters.

    Raises: ValueError if even the narrowest network has more.
    """

    def parameters(steps: int) -> int:
        return encoder_parameters(scaled(config, steps * STEP), image_channels=image_channels)

    too_wide = round(1 / STEP)  # scale 1, which is near most requested sizes
    while parameters(too_wide) <= most:
        too_wide *= 2
    steps = bisect_right(range(1, too_wide), most, key=parameters)  # parameters grow with steps
    if steps == 0:
        raise ValueError(f"parameters must be at least those of the narrowest network, got {most}")
    return scaled(config, steps * STEP)


def scaled(config: StudentConfig, scale: float) -> StudentConfig:
    """The network with every width times `scale`, rounded, at least 1; stem and D stay."""
    if isinstance(config, GenotypeCnnConfig):
        shape = replace(config.shape, widths=_widths(config.shape.widths, scale))
        return replace(config, shape=shape)
    if isinstance(config, StagedCnnConfig):
        return scaled_stages(config, scale)
    return replace(config, widths=_widths(config.widths, scale))


def scaled_stages(config: StagedCnnConfig, scale: float) -> StagedCnnConfig:
    """Every stage's width times `scale`, as a multiple of 8; stem and D stay."""
    widths = (MULTIPLE * max(1, round(scale * own.width / MULTIPLE)) for own in config.stages)
    stages = (replace(own, width=width) for own, width in zip(config.stages, widths, strict=True))
    return replace(config, stages=tuple(stages))


def _widths(widths: tuple[int, ...], scale: float) -> tuple[int, ...]:
    return tuple(max(1, round(scale * width)) for width in widths)
