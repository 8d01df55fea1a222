import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.explore import run
from triptych.errors import UserError
from triptych.explore.concepts import Clustering, Share, find, row
from triptych.explore.taught import Taught


@pytest.fixture
def taught(tmp_path: Path) -> Taught:
    run.make(tmp_path)
    return Taught.read(tmp_path)


def test_purity_entropy_and_shares_by_hand(taught: Taught) -> None:
    video = find(taught, run.LABELS)[0]
    assert (video.name, video.of, video.k) == ("video", ("video",), 3)
    # Half of the mean of eleven labelled clips in three clusters is less than five.
    assert (video.clips, video.labelled, video.least) == (12, 11, 5)
    first, second = video.ranked  # the cluster of one clip is pure by accident, and not here
    assert (first.rank, first.cluster, first.size, first.labelled) == (1, 1, 5, 5)
    assert (first.purity, first.entropy, first.videos) == (1.0, 0.0, 3)
    assert first.labels == [Share("cut", 1.0, 5)]
    assert (second.rank, second.cluster, second.size, second.labelled) == (2, 0, 6, 5)
    assert second.purity == pytest.approx(0.6)
    assert second.entropy == pytest.approx(-0.6 * math.log(0.6) - 0.4 * math.log(0.4))
    assert second.labels == [Share("stir", 0.6, 3), Share("boil", 0.4, 2)]
    assert video.purity == pytest.approx((5 + 3 + 1) / 11)
    assert first.chance == pytest.approx(second.chance, abs=0.02)  # draws of five, both
    assert video.purest_by_chance is not None
    assert first.chance < video.purest_by_chance < 1


def test_the_least_size_can_be_set_and_ties_go_by_size(taught: Taught) -> None:
    assert [one.cluster for one in find(taught, run.LABELS, least=1)[0].ranked] == [1, 2, 0]
    assert find(taught, run.LABELS, least=99)[0].ranked == []


def test_exemplars_are_nearest_the_centre_one_of_each_film_first(taught: Taught) -> None:
    video, _, joint = find(taught, run.LABELS, least=1)
    assert video.nearest
    assert video.ranked[0].exemplars == [8, 7, 10, 9, 6]
    first = next(one for one in video.ranked if one.cluster == 0)
    assert first.exemplars[:3] == [2, 5, 1]
    assert row(video.ranked[0], taught)["exemplars"][0] == {
        "path": "film-4.mp4",
        "start": 0.0,
        "end": 1.0,
        "text": "cut bread",
    }
    # The joint one by brute force: unit features side by side, less their mean, to the group's.
    video_units, audio_units = (
        part / np.linalg.norm(part, axis=1, keepdims=True)
        for part in (run.VECTORS[:6], run.VECTORS[::-1][:6])
    )
    both = np.hstack([video_units, audio_units])
    both -= both.mean(0)
    both /= np.linalg.norm(both, axis=1, keepdims=True)
    for concept in joint.ranked:
        rows = [at for at, c in enumerate(run.CLUSTERS["joint"][0]) if c == concept.cluster]
        cosines = {at: float(both[at] @ both[rows].mean(0)) for at in rows}
        assert concept.exemplars[0] == max(rows, key=cosines.__getitem__)


def test_without_features_exemplars_are_members_drawn_by_a_seed(taught: Taught) -> None:
    blind = Taught(taught.checkpoint, taught.facts, taught.assignments, taught.manifest, None)
    drawn = [find(blind, run.LABELS)[0] for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert not drawn[0].nearest
    assert sorted(drawn[0].ranked[0].exemplars) == [6, 7, 8, 9, 10]


def test_without_labels_the_largest_come_first_with_their_words(taught: Taught) -> None:
    video, audio, _ = find(taught)
    assert [(one.cluster, one.size, one.words) for one in video.ranked] == [
        (0, 6, ["pot", "stir"]),
        (1, 5, ["bread", "cut"]),
    ]
    assert {one.purity for one in video.ranked} == {one.chance for one in video.ranked} == {None}
    assert audio.clips == 6
    assert "purity" not in video.summary()
    assert json.loads(json.dumps([row(one, taught) for one in video.ranked]))


def test_clips_that_lack_what_is_clustered_are_in_no_cluster(taught: Taught) -> None:
    only_later = [""] * 6 + run.LABELS[6:]
    video, audio, _ = find(taught, only_later, least=1)
    assert (audio.labelled, audio.ranked, audio.purity) == (0, [], None)
    assert video.labelled == 6


def test_labels_that_are_all_the_same_say_nothing(taught: Taught) -> None:
    with pytest.raises(UserError, match="all 11 clips that have one have the same"):
        find(taught, ["stir" if label else "" for label in run.LABELS])


def test_both_ends_hold_no_cluster_twice(taught: Taught) -> None:
    some = find(taught, run.LABELS, least=1)[0].ranked

    def ends(count: int, top: int) -> list[list[int]]:
        whole = Clustering("v", ("v",), 3, 1, 1, some[:count], 1, *[None] * 4, nearest=True)
        return [[one.rank for one in part] for part in whole.ends(top)]

    assert ends(3, 1) == [[1], [3]]
    assert ends(3, 2) == [[1, 2], [3]]
    assert ends(3, 5) == [[1, 2, 3], []]
    assert ends(0, 2) == [[], []]
