import pytest

from triptych.descriptors import choices
from triptych.errors import UsageError


def test_a_wrong_word_names_the_right_ones() -> None:
    assert choices.keypoints("sift-full") == "sift-full"
    assert choices.format("idt") == "idt"
    with pytest.raises(UsageError, match="keypoints 'surf': must be one of sift, sift-full, none"):
        choices.keypoints("surf")
    with pytest.raises(UsageError, match="format 'csv': must be one of parquet, idt"):
        choices.format("csv")
