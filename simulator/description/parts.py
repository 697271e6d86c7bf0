"""The trained parts of a recipe: what shapes each one, and which others it is trained on."""

from dataclasses import replace
from typing import NamedTuple

from models import PretrainedTeacherConfig
from simulator.description.experiment import Experiment, Variant
from simulator.description.stages import ImageJsccStage, JointStage, StudentStage

TEACHER = "teacher"  # how the names of teachers' parts begin
QUANTISER = "digital_semantic"  # name of the part that digital_semantic sends with


class Part(NamedTuple):
    """What shapes a part besides data and seed, and the parts that it is trained on."""

    description: tuple[object, ...]
    made_from: tuple[str, ...]


def recipe_parts(experiment: Experiment) -> dict[str, Part]:
    """Every part that `semlink train` makes, in its order."""
    student, codec = experiment.student, experiment.codec
    seen = experiment.seen
    teachers = tuple(experiment.teachers)
    parts = {
        name: Part((experiment.augment, stage), ()) for name, stage in experiment.teachers.items()
    }
    parts |= {
        "student": Part((*seen, student.model, student.training, student.loss), teachers),
        "head": Part(_head_description(experiment, student), ("student",)),
        "codec": Part((*seen, codec), (*teachers, "student", "head")),
    }
    if experiment.quantiser is not None:
        parts[QUANTISER] = Part((*seen, experiment.quantiser), ("student", "head"))
    if experiment.decoded is not None:
        for name in ("student", *teachers):
            made_from = decoded_from(name)
            parts[decoded_part(name)] = Part((*seen, experiment.decoded), made_from)
    for variant in experiment.variants:
        parts |= _variant_parts(experiment, variant)
    for joint in experiment.joint:
        parts |= _joint_parts(experiment, joint)
    if experiment.image_jscc is not None:
        parts |= _image_jscc_parts(experiment, experiment.image_jscc)
    return parts


def with_pretrained(experiment: Experiment, source: str) -> Experiment:
    """The recipe with one pretrained teacher, of a hub's name or a folder, in place of its own."""
    alone = replace(experiment.teacher, model=PretrainedTeacherConfig(source=source))
    return replace(experiment, teacher=alone, more_teachers=())


class VariantParts(NamedTuple):
    """Names of the parts that a variant is made of: its own, or the recipe's."""

    student: str
    head: str
    codec: str


OWN = VariantParts("student", "head", "codec")  # of the recipe itself


def variant_parts(variant: Variant) -> VariantParts:
    """Where a variant's parts are kept."""
    own = f"_{variant.student_of or variant.name}" if variant.student else ""
    return VariantParts(f"student{own}", f"head{own}", f"codec_{variant.name}")


def backbone_parts(experiment: Experiment, stage: JointStage) -> tuple[str, ...]:
    """The student whose features a joint baseline takes, and its head; none from scratch."""
    if stage.backbone == "scratch":
        return ()
    names = variant_parts(experiment.variant(stage.backbone_of)) if stage.backbone_of else OWN
    return (names.student, names.head)


def joint_part(name: str, uses: int) -> str:
    """Name of a joint baseline's model for `uses` channel uses."""
    return f"{name.replace(':', '_')}_k{uses}"


def image_jscc_part(uses: int) -> str:
    """Name of the deep JSCC pair for images over `uses` channel uses."""
    return f"deep_jscc_image_k{uses}"


def rebuilt_part(uses: int) -> str:
    """Name of the student that has learnt on what the pair for `uses` channel uses rebuilds."""
    return f"rebuilt_student_k{uses}"


def own_parts(experiment: Experiment) -> list[str]:
    """Parts of the recipe itself, without variants and baselines."""
    bare = replace(experiment, variants=(), joint=(), image_jscc=None)
    return list(recipe_parts(bare))


def _variant_parts(experiment: Experiment, variant: Variant) -> dict[str, Part]:
    seen, names = experiment.seen, variant_parts(variant)
    parts, teachers = {}, tuple(experiment.teachers)
    if student := variant.student:
        shape = (*seen, student.model, student.training, student.loss)
        parts[names.student] = Part(shape, teachers)
        parts[names.head] = Part(_head_description(experiment, student), (names.student,))
    made_from = (*teachers, names.student, names.head)
    parts[names.codec] = Part((*seen, variant.codec), made_from)
    return parts


def _joint_parts(experiment: Experiment, stage: JointStage) -> dict[str, Part]:
    settings = (stage.model, stage.training, stage.channels, stage.snr_db)
    backbone = {"scratch": (), "frozen": ("frozen",), "tuned": ("tuned", stage.backbone_rate)}
    made_from = backbone_parts(experiment, stage)
    return {
        joint_part(stage.name, uses): Part(
            (*experiment.seen, *settings, uses, *backbone[stage.backbone]), made_from
        )
        for uses in stage.uses
    }


def _image_jscc_parts(experiment: Experiment, stage: ImageJsccStage) -> dict[str, Part]:
    settings = (*experiment.seen, stage.training, stage.channels, stage.snr_db)
    parts = {image_jscc_part(uses): Part((*settings, uses), ()) for uses in stage.uses}
    for uses in stage.uses if stage.retraining else ():
        made_from = (*decoded_from("student"), image_jscc_part(uses))
        description = (*experiment.seen, stage.channels, stage.retraining, uses)
        parts[rebuilt_part(uses)] = Part(description, made_from)
    return parts


def _head_description(experiment: Experiment, student: StudentStage) -> tuple[object, ...]:
    begun = [] if student.head_from == "fresh" else [f"from the {student.head_from}"]
    return (*experiment.seen, student.head, *begun)


def decoded_part(name: str) -> str:
    """Name of the student, or of a teacher, after it has learnt from decoded images."""
    return f"decoded_{name}"


def decoded_from(name: str) -> tuple[str, ...]:
    """The parts that such a classifier begins as."""
    return ("student", "head") if name == "student" else (name,)
