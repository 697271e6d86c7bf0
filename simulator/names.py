"""Names of recipes and schemes, available without heavy imports.

A misspelt name on the command line is thus reported at once. `benchmarks.recipes` builds its
recipes by these names; the labels of a scheme are defined by its class.
"""

from typing import Final, Literal, get_args

RECIPES: Final = ("digits", "cifar100", "cifar100_gpu", "images")  # functions of benchmarks.recipes
SCHEMES: Final = (  # names of schemes without labels, in the order of tables
    *("rkd_sc", "deep_jscc", "deep_jscc_q", "adjscc", "dt_jscc", "vl_vfe", "deep_jscc_image"),
    *("separate", "capacity_bound", "digital_semantic", "label_code", "analog_pixels"),
    "deep_jscc_q_image",
)
Measure = Literal["accuracy", "error", "psnr", "ssim"]  # what figures can show
MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
