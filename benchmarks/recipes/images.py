"""Your own images."""

from dataclasses import replace

from benchmarks.recipes.cifar100 import DISTILLED, cifar100
from benchmarks.recipes.joint import image_baseline, joint_baselines
from benchmarks.recipes.variants import no_teacher
from simulator.description.experiment import Experiment


def images() -> Experiment:
    """Your own images: as CIFAR-100, with more epochs where there are few; needs --data."""
    recipe = cifar100()
    student, codec = recipe.student, recipe.codec
    quantiser, decoded = recipe.quantiser, recipe.decoded
    assert quantiser is not None
    assert decoded is not None
    strong = recipe.more_teachers[0]
    teacher = replace(strong, training=replace(strong.training, least_steps=1000))
    recipe = replace(
        recipe,
        name="images",
        teacher=teacher,
        more_teachers=(),
        student=replace(
            student,
            training=replace(student.training, least_steps=1000),
            head=replace(student.head, least_steps=500),
        ),
        codec=replace(codec, training=replace(codec.training, least_steps=1500)),
        quantiser=replace(quantiser, training=replace(quantiser.training, least_steps=500)),
        decoded=replace(decoded, training=replace(decoded.training, least_steps=500)),
    )
    joint = joint_baselines(
        recipe, hidden=256, uses=(16, 64, 256), variant="no_teacher", distilled=DISTILLED
    )
    image_jscc = image_baseline(recipe, epochs=50, batch_size=32, uses=(64, 256, 512))
    return replace(recipe, joint=joint, image_jscc=image_jscc, variants=(no_teacher(recipe),))
