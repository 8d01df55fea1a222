import numpy as np
import pytest

from tests.evaluate.test_retrieval import table_of
from triptych.errors import UserError
from triptych.evaluate.joint import modalities_of, summed

VIDEO = np.array([[1, 0], [2, 0], [0, 0]], np.float32), np.array([True, True, False])
AUDIO = np.array([[0, 1], [0, 0], [0, 3]], np.float32), np.array([True, False, True])


def test_vectors_of_what_a_clip_has_are_added() -> None:
    table = table_of(
        {"shared_video": VIDEO, "shared_audio": AUDIO, "vector_text": VIDEO}, ["x"] * 3
    )
    assert modalities_of(table) == ["video", "audio"]
    some = summed(table, ["video", "audio"], complete=False)
    assert some.values.tolist() == [[1, 1], [2, 0], [0, 3]]
    assert some.present.tolist() == [True] * 3
    assert some.partial.tolist() == [False, True, True]
    every = summed(table, ["video", "audio"], complete=True)
    assert every.values.tolist() == [[1, 1], [0, 0], [0, 0]]
    assert every.present.tolist() == [True, False, False]
    assert not every.partial.any()


def test_what_is_not_there_or_not_finite_is_refused() -> None:
    table = table_of({"shared_video": VIDEO}, ["x"] * 3)
    with pytest.raises(UserError, match="no shared_text; the common space holds video"):
        summed(table, ["text"], complete=False)
    huge = np.full((3, 2), 3e38, np.float32), np.ones(3, bool)
    with pytest.raises(UserError, match="hold NaN or infinity"):
        summed(table_of({"shared_video": huge, "shared_audio": huge}, ["x"] * 3),
               ["video", "audio"], complete=False)  # fmt: skip
