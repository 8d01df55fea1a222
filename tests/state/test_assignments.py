import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.clustering.whiten import Whitening
from triptych.state.assignments import Assignment


def assignment(labels: list[int], k: int = 2, dim: int = 3) -> Assignment:
    centroids = np.random.default_rng(0).normal(size=(k, dim)).astype(np.float32)
    return Assignment(np.array(labels, np.int64), centroids, Whitening.none(dim))


@pytest.mark.parametrize(
    ("labels", "present", "said"),
    [
        ([0, -1, 1], [1, 1, 1], "1 clips have no label, 0 have one"),
        ([0, 0, 1], [1, 0, 1], "0 clips have no label, 1 have one"),
        ([-1, 0, 1], [1, 0, 1], "1 clips have no label, 1 have one"),
        ([0, 1], [1, 1, 1], "are of 2 clips, the collection has 3"),
        ([0, 1], [1], "are of 2 clips, the collection has 1"),
        ([0, 2, 1], [1, 1, 1], "name cluster 2, there are 2"),
    ],
)
def test_labels_that_do_not_fit_the_collection_are_refused(
    labels: list[int], present: list[int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        assignment(labels).check(np.array(present, bool))


def test_labels_of_just_the_clips_that_are_there_pass() -> None:
    assignment([1, -1, 0]).check(np.array([True, False, True]))
    assignment([]).check(np.array([], bool))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999), whiten=st.booleans())
def test_a_new_clip_goes_to_the_nearest_centroid_and_survives_a_checkpoint(
    seed: int, whiten: bool
) -> None:
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(30, 4)).astype(np.float32)
    whitening = Whitening.fit(features, 3) if whiten else Whitening.none(4)
    points = whitening.apply(features)
    made = Assignment(draw.integers(-1, 5, 30), points[:5].copy(), whitening)
    expected = ((points[:, None] - made.centroids[None]) ** 2).sum(2).argmin(1)
    np.testing.assert_array_equal(made.place(features), expected)
    again = Assignment.from_tensors(made.tensors())
    np.testing.assert_array_equal(again.labels, made.labels)
    np.testing.assert_array_equal(again.place(features), expected)
