"""The trained parts of one training: networks from files, checked against recipe and data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from models import (
    ChannelCodec,
    Classified,
    Ensemble,
    ImageClassifier,
    Mirrored,
    PretrainedTeacher,
    PretrainedTeacherConfig,
    Student,
    StudentConfig,
    WideResNetConfig,
)
from simulator.data.dataset import Dataset
from simulator.description.experiment import Experiment
from simulator.description.origin import check_company, check_origin
from simulator.description.parts import (
    QUANTISER,
    TEACHER,
    decoded_part,
    rebuilt_part,
    recipe_parts,
    variant_parts,
    with_pretrained,
)
from simulator.description.stages import CodecStage
from simulator.errors import UserError
from simulator.scheme import Classify, Quantised, in_pieces
from simulator.schemes.rkd_sc import RkdScheme
from simulator.storage.describe import digest
from simulator.storage.files import file_hash, load_tensors
from simulator.training.codec import LinkModel

Module = TypeVar("Module", bound=nn.Module)


class TrainedWeights:
    """The weights of one training, loaded when asked for and checked against recipe and data."""

    def __init__(
        self, experiment: Experiment, dataset: Dataset, folder: Path, device: torch.device
    ) -> None:
        self._experiment = experiment = _as_taught(experiment, folder)
        self._dataset = dataset
        self.folder = folder
        self._device = device
        self._parts = recipe_parts(experiment)
        self.origins: dict[str, Any] = {}  # part -> what its file was made from
        self.hashes: dict[str, str] = {}  # part -> SHA-256 of its file
        self._used: set[str] = set()  # parts of the scheme that was loaded last

    @property
    def train_seed(self) -> int:
        """Seed of the training; all parts but teachers have the same."""
        own = (o for part, o in self.origins.items() if not part.startswith(TEACHER))
        return int(next(own)["seed"])

    @property
    def mirrored(self) -> bool:
        """Whether the recipe asks its teachers about mirror images too."""
        return self._experiment.mirrored

    @property
    def num_classes(self) -> int:
        """Classes of the data."""
        return self._dataset.num_classes

    @property
    def trained_on(self) -> set[str]:
        """Keys of the data sets that the parts were trained on."""
        return {origin["data"] for origin in self.origins.values()}

    @property
    def links(self) -> dict[str, str]:
        """Trained students, each with a scheme that uses it: the recipe's, and variants' own."""
        found = {"student": RkdScheme.name}
        for variant in self._experiment.variants:
            names = variant_parts(variant)
            there = all((self.folder / f"{part}.safetensors").exists() for part in names)
            if variant.student and there:
                found[names.student] = f"{RkdScheme.name}:{variant.name}"
        return found

    def classifier(self, student: str = "student") -> Callable[[Tensor], Tensor]:
        """The noiseless chain: a student and its head of stage 1b."""
        body = self._student(student).body
        dim = body.config.feature_dim
        part = student.replace("student", "head", 1)
        head = self._load(part, lambda: nn.Linear(dim, self._dataset.num_classes))

        @torch.inference_mode()
        def classify(images: Tensor) -> Tensor:
            scores: Tensor = head(in_pieces(body, images))
            return scores

        return classify

    def teacher(self) -> Ensemble | None:
        """The teachers as one, if the weights of all are beside the others."""
        stages = self._experiment.teachers
        if not all((self.folder / f"{part}.safetensors").exists() for part in stages):
            return None
        return Ensemble([self._teacher(part, stage.model) for part, stage in stages.items()])

    def _teacher(
        self, part: str, config: StudentConfig | WideResNetConfig | PretrainedTeacherConfig
    ) -> ImageClassifier | PretrainedTeacher:
        if not isinstance(config, PretrainedTeacherConfig):
            return self._classifier(part, config)
        try:
            tower = config.build().to(self._device)
        except ValueError as error:
            raise UserError(str(error)) from None
        head = self._load(part, lambda: nn.Linear(tower.feature_dim, self.num_classes))
        return PretrainedTeacher(tower, head).eval()

    def link_modules(self, scheme: str) -> tuple[Student, ChannelCodec]:
        """Encoder and channel codec of `rkd_sc` or `rkd_sc:VARIANT`."""
        body, link = self._linked(scheme.partition(":")[2])
        return body, link.codec

    def quantised(self) -> Quantised:
        """What `digital_semantic` sends with."""
        stage = self._experiment.quantiser
        if stage is None:
            raise UserError(f"recipe {self._experiment.name} has no quantiser of features")
        body = self._student().body
        quantiser = self._load(QUANTISER, lambda: stage.model.build(num_classes=self.num_classes))
        key = digest([self.hashes["student"], self.hashes[QUANTISER]])
        return Quantised(lambda images: in_pieces(body, images), quantiser, key)

    def _teacher_as_classifier(self) -> tuple[Classify, str]:
        """The offline teachers' scores of images, and a key of their weights."""
        teacher = self.teacher()
        if teacher is None:
            raise UserError(f"there are no weights of a teacher in {self.folder}")
        parts = list(self._experiment.teachers)
        asked = Mirrored(teacher) if self.mirrored else teacher

        return _scores_by(asked), digest([*(self.hashes[part] for part in parts), self.mirrored])

    def _retrained(self, name: str) -> tuple[Classify, str]:
        """The student, or the offline teachers as one, after learning from decoded images."""
        experiment = self._experiment
        students = name == "student"
        stages = {"student": experiment.student} if students else experiment.teachers
        members, hashes = [], []
        for part, stage in stages.items():
            own = decoded_part(part)
            there = (self.folder / f"{own}.safetensors").exists()
            if not there or isinstance(stage.model, PretrainedTeacherConfig):
                more = "decoded" if students else "decoded_teachers"
                raise UserError(
                    f"there is no {own} in {self.folder}; run semlink train {experiment.name} "
                    f"--stage {more}"
                )
            members.append(self._classifier(own, stage.model))
            hashes.append(self.hashes[own])
        if students:
            return _scores_by(members[0]), digest(hashes)
        asked = Ensemble(members)
        whole = Mirrored(asked) if self.mirrored else asked
        return _scores_by(whole), digest([*hashes, self.mirrored])

    def _rebuilt(self, uses: int) -> Classify:
        """The student after learning on what deep JSCC of images rebuilds from so many uses."""
        part, stage = rebuilt_part(uses), self._experiment.student
        if not (self.folder / f"{part}.safetensors").exists():
            raise UserError(
                f"there is no {part} in {self.folder}; run semlink train "
                f"{self._experiment.name} --stage rebuilt"
            )
        return _scores_by(self._classifier(part, stage.model))

    def _linked(self, label: str) -> tuple[Student, LinkModel]:
        """Encoder and codec with its head: of the recipe itself, or of the variant of this name."""
        if not label:
            return self._link("student", "codec", self._experiment.codec)
        variant = self._experiment.variant(label)
        names = variant_parts(variant)
        return self._link(names.student, names.codec, variant.codec)

    def _link(self, student: str, codec: str, stage: CodecStage) -> tuple[Student, LinkModel]:
        """Encoder, and codec with its head; the encoder is the link's own if it learnt along."""
        images, classes = self._dataset.image_shape[0], self._dataset.num_classes
        trained = self._student(student).body
        body = None
        if stage.student != "frozen":
            body = trained.config.build(image_channels=images)
        link = self._load(codec, lambda: LinkModel(stage.model, num_classes=classes, body=body))
        return link.body or trained, link

    def _student(self, part: str = "student") -> ImageClassifier:
        stages = {"student": self._experiment.student} | {
            variant_parts(variant).student: variant.student
            for variant in self._experiment.variants
            if variant.student
        }
        return self._classifier(part, stages[part].model)

    def _classifier(self, part: str, config: StudentConfig | WideResNetConfig) -> ImageClassifier:
        return self._load(
            part,
            lambda: ImageClassifier(
                config,
                image_channels=self._dataset.image_shape[0],
                num_classes=self._dataset.num_classes,
            ),
        )

    def _load(self, part: str, build: Callable[[], Module]) -> Module:
        path = self.folder / f"{part}.safetensors"
        if not path.exists():
            name = self._experiment.name
            raise UserError(
                f"{path} must hold trained weights, but is missing; run semlink train {name}"
                f"{'' if self._experiment.embedded_data else ' --data DIR'}, or name another "
                "folder with --weights"
            )
        self._used.add(part)
        tensors, header = load_tensors(path)
        self.hashes[part] = file_hash(path)
        origin = check_origin(
            path,
            part,
            header.get("origin"),
            recipe=self._experiment.name,
            dataset=self._dataset,
            description=self._parts[part].description,
        )
        check_company(path, part, origin, hashes=self.hashes, origins=self.origins)
        self.origins[part] = origin
        model = build()
        try:
            model.load_state_dict(tensors)
        except RuntimeError:
            raise UserError(
                f"{path} does not fit the models of recipe {self._experiment.name}; train it again"
            ) from None
        return model.eval().to(self._device)


def _as_taught(experiment: Experiment, folder: Path) -> Experiment:
    """The recipe, with the pretrained teacher of a training that had one (`--teacher`)."""
    path = folder / f"{TEACHER}.safetensors"
    if not path.exists():
        return experiment
    origin = load_tensors(path)[1].get("origin")
    stages = origin.get("description", []) if isinstance(origin, dict) else []
    for stage in stages:
        model = stage.get("model", {}) if isinstance(stage, dict) else {}
        if model.get("type") == PretrainedTeacherConfig.__name__:
            return with_pretrained(experiment, model["source"])
    return experiment


def _scores_by(asked: Callable[[Tensor], Classified]) -> Classify:
    """The scores that a classifier gives images."""

    @torch.inference_mode()
    def classify(images: Tensor) -> Tensor:
        return in_pieces(lambda piece: asked(piece).scores, images)

    return classify
