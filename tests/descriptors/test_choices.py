from pathlib import Path

import pytest

from triptych.descriptors import choices
from triptych.errors import UsageError


def test_a_wrong_word_names_the_right_ones() -> None:
    assert choices.keypoints("sift-full") == "sift-full"
    assert choices.format("idt", Path("a.txt")) == "idt"
    with pytest.raises(UsageError, match="keypoints 'surf': must be one of sift, sift-full, none"):
        choices.keypoints("surf")
    with pytest.raises(UsageError, match="format 'csv': must be one of parquet, idt"):
        choices.format("csv", Path("a.csv"))


def test_a_table_takes_no_name_of_text() -> None:
    assert choices.format("parquet", Path("a.parquet")) == "parquet"
    assert choices.format("idt", Path("a.gz")) == "idt"
    with pytest.raises(UsageError, match=r"a\.gz: .* call it a\.parquet, or say --format idt"):
        choices.format("parquet", Path("a.gz"))
