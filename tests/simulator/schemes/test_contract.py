"""Names of schemes: a kind followed by labels, separated by colons."""

import pytest

from simulator.errors import UserError
from simulator.schemes.contract import split_name


@pytest.mark.parametrize(
    ("text", "kind", "labels"),
    [
        ("rkd_sc", "rkd_sc", ()),
        ("rkd_sc:+3dB", "rkd_sc", ("+3dB",)),
        ("separate:webp_file:genie", "separate", ("webp_file", "genie")),
    ],
)
def test_name_splits_into_kind_and_labels(text: str, kind: str, labels: tuple[str, ...]) -> None:
    assert split_name(text) == [kind, *labels]
    assert ":".join(split_name(text)) == text


@pytest.mark.parametrize("text", ["rkd_sc:", "rkd_sc::", "separate::genie", "separate:webp:"])
def test_empty_label_raises_a_one_line_error(text: str) -> None:
    with pytest.raises(UserError, match=f"must have a label behind each colon, got '{text}'"):
        split_name(text)
