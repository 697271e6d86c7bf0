"""Recipes in files: given settings and those that depend on them change, all others stay."""

from pathlib import Path

import pytest

from benchmarks.baselines.digital_semantic import DigitalSemanticConfig
from benchmarks.recipes import RECIPES, digits
from models import PooledCnnConfig, StagedCnnConfig
from simulator.errors import UserError
from simulator.schemes.experiment import Experiment
from simulator.schemes.joint import JointSchemeConfig
from simulator.schemes.recipe_file import read_recipe
from simulator.schemes.rkd_sc import RkdScConfig
from simulator.storage.describe import describe
from tests.commands import Command, refused

KNOWN = {make.__name__: make() for make in RECIPES}
STAGE = 'depth = 1, block = "residual", kernel = 3, expansion = 1'
STAGED = (
    'base = "digits"\n[student.model]\ntype = "StagedCnnConfig"\nstem = 8\nprojected_dim = 64\n'
    f"stages = [{{ {STAGE}"
)


def written(tmp_path: Path, text: str, name: str = "mine.toml") -> Experiment:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_recipe(path, KNOWN)


def test_file_without_changes_equals_its_base_except_for_the_name(tmp_path: Path) -> None:
    described = describe(written(tmp_path, 'base = "digits"\n'))
    assert described.pop("name") == "mine"
    base = describe(digits())
    assert base.pop("name") == "digits"
    assert described == base


def test_training_command_names_the_recipe_file(tmp_path: Path) -> None:
    assert written(tmp_path, 'base = "digits"\n').training_command() == "semlink train mine.toml"
    images = written(tmp_path, 'base = "images"\n').training_command(" --stage stage1")
    assert images == "semlink train mine.toml --data DIR --stage stage1"
    assert KNOWN["images"].training_command() == "semlink train images --data DIR"
    with_data = written(tmp_path, 'base = "images"\ndata = "pictures"\n')
    assert with_data.training_command() == "semlink train mine.toml"


def test_baselines_follow_changes_of_network_training_and_channels(tmp_path: Path) -> None:
    recipe = written(
        tmp_path,
        """
        base = "digits"
        views = 4
        [student.model]
        widths = [8, 16, 24]
        [student.training]
        epochs = 7
        [codec.training]
        epochs = 9
        learning_rate = 1e-3
        [codec.conditions]
        channels = ["awgn", "rician:4"]
        snr_db = [-6, 20]
        [sweep]
        snr_db = [0, 10]
        channel_uses = [16]
        """,
    )
    codec = recipe.one(RkdScConfig).codec
    assert recipe.views == 4
    assert recipe.student.training.epochs == 7
    assert codec.training.epochs == 9
    assert recipe.sweep.snr_db == (0.0, 10.0)
    assert recipe.sweep.channels == digits().sweep.channels
    joint = [scheme for scheme in recipe.schemes if isinstance(scheme, JointSchemeConfig)]
    assert joint
    for scheme in joint:
        assert scheme.model.body == recipe.student.model
        assert scheme.training == codec.training
        assert scheme.channels == codec.conditions.channels == ("awgn", "rician:4")
    adaptive = next(scheme for scheme in joint if scheme.name == "adjscc")
    assert adaptive.snr_range_db == (-6.0, 20.0)
    untaught = recipe.ablations["no_teacher"]
    assert isinstance(untaught, RkdScConfig)
    assert untaught.student is not None
    assert untaught.student.training.epochs == 7
    assert untaught.codec.training == codec.training
    assert recipe.teacher == digits().teacher


def test_another_network_type_is_built_from_its_own_fields(tmp_path: Path) -> None:
    recipe = written(
        tmp_path,
        """
        base = "digits"
        [student.model]
        type = "PooledCnnConfig"
        stem = 8
        widths = [8, 16]
        projected_dim = 64
        """,
    )
    assert isinstance(recipe.student.model, PooledCnnConfig)


def test_stages_of_a_network_are_tables_in_a_list(tmp_path: Path) -> None:
    second = f'{{ {STAGE}, width = 16, pooling = "before" }}'
    recipe = written(tmp_path, f'{STAGED}, width = 8, pooling = "none" }}, {second}]')
    assert isinstance(recipe.student.model, StagedCnnConfig)
    assert [stage.width for stage in recipe.student.model.stages] == [8, 16]


def test_codec_follows_the_student_loss_unless_overridden(tmp_path: Path) -> None:
    recipe = written(
        tmp_path,
        """
        base = "digits"
        [student.loss]
        mse = 2
        [codec]
        loss = { ce = 3 }
        student = "all"
        """,
    )
    codec = recipe.one(RkdScConfig).codec
    assert (recipe.student.loss.mse, codec.loss.mse) == (2.0, 2.0)  # shared, not overridden
    assert (recipe.student.loss.ce, codec.loss.ce) == (digits().student.loss.ce, 3.0)
    assert codec.student == "all"


def test_teacher_keeps_its_own_settings(tmp_path: Path) -> None:
    text = 'base = "digits"\n[teacher.training]\nepochs = 60\n[student.training]\nepochs = 5'
    recipe = written(tmp_path, text)
    assert (recipe.teacher.training.epochs, recipe.student.training.epochs) == (60, 5)


def test_codecs_and_quantisers_follow_the_number_of_features(tmp_path: Path) -> None:
    recipe = written(tmp_path, 'base = "digits"\n[student.model]\nfeature_dim = 32')
    semantic = recipe.one(DigitalSemanticConfig)
    assert semantic.quantiser is not None
    assert semantic.few_bits is not None
    sizes = [
        recipe.one(RkdScConfig).codec.model.feature_dim,
        semantic.quantiser.model.feature_dim,
        semantic.few_bits.feature_dim,
    ]
    assert sizes == [32, 32, 32]


def test_data_path_is_relative_to_the_recipe_file(tmp_path: Path) -> None:
    recipe = written(tmp_path, 'base = "images"\ndata = "../pictures"\n')
    assert recipe.data == tmp_path / "../pictures"
    assert recipe.embedded_data is None


def test_interdependent_settings_can_change_together(tmp_path: Path) -> None:
    recipe = written(
        tmp_path,
        """
        base = "digits"
        [codec.model]
        max_uses = 16
        [codec.conditions]
        uses = [4, 16]
        """,
    )
    codec = recipe.one(RkdScConfig).codec
    assert (codec.model.max_uses, codec.conditions.uses) == (16, (4, 16))


def test_baselines_may_serve_other_k(tmp_path: Path) -> None:
    recipe = written(tmp_path, 'base = "digits"\n[uses]\ndeep_jscc = [24]\nseparate = [24, 48]\n')
    served = {own.name: own.uses for own in recipe.schemes if hasattr(own, "uses")}
    assert served["deep_jscc"] == (24,)
    assert served["separate"] == (24, 48)
    assert served["adjscc"] == (16, 64)
    assert "deep_jscc_k24" in recipe.parts()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('base = "digits"\nuses = 3', "uses must be a table, such as deep_jscc"),
        (
            'base = "digits"\n[uses]\ndeep_jsc = [3]',
            "uses.deep_jsc is not .*did you mean deep_jscc",
        ),
        ('base = "digits"\n[uses]\nrkd_sc = [3]', "uses.rkd_sc is not a setting: uses has deep_"),
        ('base = "digits"\n[uses]\nadjscc = [8, 8]', "uses.adjscc must be a list of different k"),
        ('base = "digits"\n[uses]\nadjscc = []', "uses.adjscc must be a list of different k"),
        ('base = "digits"\n[uses]\nadjscc = [0]', "uses.adjscc must be a whole number from 1 to"),
        (
            'base = "digits"\n[uses]\nadjscc = 16',
            "uses.adjscc must be a list of different k, got 16",
        ),
        ("base = ", "must be a TOML file"),
        ("views = 3", "base must name .*, one of digits, .* but is missing"),
        ('base = "digts"', "got 'digts'; did you mean digits"),
        ('base = "digits"\nview = 3', "view is not a setting: .* did you mean views"),
        ('base = "digits"\nviews = "3"', "recipe.views must be a whole number, got '3'"),
        (
            'base = "digits"\n[student.training]\nepoch = 3',
            "student.training.epoch is not a setting",
        ),
        (
            'base = "digits"\n[student.training]\nepochs = -2',
            "student.training: epochs must be at least 1, got -2$",
        ),
        (
            'base = "digits"\n[student.training]\nbatch_size = 0',
            "student.training: batch_size must be at least 1, got 0$",
        ),
        (
            'base = "digits"\n[student.training]\nwarmup = 1',
            "student.training: warmup must lie between 0 and 1, got 1.0$",
        ),
        (
            'base = "digits"\n[sweep]\nsnr_db = "0:20"',
            "recipe.sweep.snr_db must be a list in square brackets, got '0:20'",
        ),
        ('base = "digits"\n[student.training]\noptimiser = "adam"', "must be one of sgd, adamw"),
        ('base = "digits"\n[student.model]\ntype = "Net"', "student.model.type must be one of"),
        (
            'base = "digits"\n[student.model]\ntype = "UncodedConfig"\nfeature_dim = 64\n'
            "max_uses = 64",
            "student.model.type must be ResidualCnnConfig, PooledCnnConfig, .*, got 'UncodedC",
        ),
        (
            'base = "digits"\n[codec.model]\ntype = "ResidualCnnConfig"\nwidths = [8]\n'
            "blocks = 1\nfeature_dim = 64",
            "codec.model.type must be CodecConfig, got 'ResidualCnnConfig'",
        ),
        (
            f"{STAGED}, width = 8, pooling = 'first' }}]",
            "student.model.stages.pooling must be one of .*, got 'first'",
        ),
        (
            f"{STAGED}, width = 8, stride = 2 }}]",
            "student.model.stages.stride is not a setting of Stage",
        ),
        (
            f"{STAGED}, width = 8, pooling = 'none' }}, 3]",
            "student.model.stages must be a table with width, .*, got 3",
        ),
        (f"{STAGED}, width = 8 }}]", "student.model.stages: missing 1 required .* 'pooling'"),
        (
            'base = "digits"\n[codec.model]\nfeature_dim = 32',
            "codec.model.feature_dim must be 64, as the student's, got 32",
        ),
        (
            'base = "digits"\n[codec.model]\nlengths = [16, 64]',
            "uses must be k that the model serves",
        ),
        ('base = "digits"\n[codec.conditions]\nsnr_db = ["a"]', "a list of 2 values, got"),
        ('base = "digits"\n[codec.conditions]\nsnr_db = ["a", 1]', "must be a number, got 'a'"),
        (
            'base = "digits"\n[codec.conditions]\nsnr_db = [15, -5]',
            r"codec.conditions: snr_db must be \(low, high\) in dB, got \(15.0, -5.0\)$",
        ),
        (
            'base = "digits"\n[codec.conditions]\nuses = [4, 999]',
            "uses must be k that the model serves, at most 64",
        ),
        ('base = "digits"\n[codec.conditions]\nuses = []', "uses must hold at least one value"),
        ('base = "digits"\n[codec.conditions]\nchannels = ["raleigh"]', "did you mean rayleigh"),
        ('base = "digits"\nstudent = 3', "student must be a table"),
        ('base = "digits"\nviews = 0', "views must be at least 1, got 0"),
        ('base = "digits"\n[augment]\npasted = 0.7', "pasted must be below 0.5"),
        ('base = "digits"\n[augment]\nmagnitude = 2', "magnitude must be at most 1, got 2"),
        ('base = "digits"\n[augment]\nerased = nan', "erased must be at least 0, got nan"),
        ('base = "digits"\n[student.training]\nweight_decay = -1', "weight_decay must be at least"),
        ('base = "digits"\n[codec.loss]\ntemperature = 0', "temperature must be above 0, got 0"),
        ('base = "digits"\n[codec.loss]\nconsistency = 0.1', "consistency"),
        (
            'base = "digits"\n[student.training]\nlearning_rate = -1',
            "learning_rate must be above 0, got -1",
        ),
        ('base = "digits"\n[sweep]\nrealizations = 0', "realizations must be 1 to 10000, got 0"),
        ('base = "digits"\n[sweep]\nchannel_uses = []', "channel_uses must hold at least one"),
        ('base = "digits"\n[sweep]\nsnr_db = []', "snr_db must hold at least one value"),
        ('base = "digits"\n[sweep]\nsnr_db = [500.0]', "must lie within"),
    ],
)
def test_error_messages_name_the_file_and_the_setting(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        written(tmp_path, text)
    assert str(tmp_path / "mine.toml") in str(caught.value)


def test_file_named_like_a_built_in_recipe_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its name becomes the recipe's"):
        written(tmp_path, 'base = "digits"', "digits.toml")


TINY = """
base = "digits"
views = 1
[teacher.training]
epochs = 1
[student.training]
epochs = 1
[student.head]
epochs = 1
[codec.training]
epochs = 1
[sweep]
snr_db = [10]
channel_uses = [16]
realizations = 1
"""


def test_recipe_file_is_trained_with_trial_options_and_swept(
    semlink: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trial options are stored with the weights, and a run without them raises an error."""
    (tmp_path / "mine.toml").write_text(TINY, encoding="utf-8")
    asked = ("train", "mine.toml", "--stage", "stage2")
    assert semlink(*asked, "--epochs", "2", "--lr", "0.003") == 0
    assert semlink("sweep", "mine.toml", "--images", "20", "--schemes", "rkd_sc") == 0
    described = (tmp_path / "results/runs/mine/run.json").read_text()
    assert '"epochs": 2' in described
    assert '"learning_rate": 0.003' in described
    capsys.readouterr()
    assert semlink(*asked) == 2
    said = refused(capsys)
    assert "weights trained with --epochs 2 --lr 0.003, which are not given now; add" in said
    for option, value in (("--epochs", "0"), ("--lr", "-1"), ("--lr", "nan")):
        assert semlink(*asked, option, value) == 2
        assert option in refused(capsys)
    assert semlink("sweep", "none.toml") == 2
    assert "none.toml: cannot be read" in refused(capsys)
