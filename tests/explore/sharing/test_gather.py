from pathlib import Path

import numpy as np
import pytest

from tests.explore.sharing.films import MOTIONS, SCENES
from triptych.errors import UsageError, UserError
from triptych.explore.sharing.alike import Alike
from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.gather import Collection, Settings, Shared, sentence
from triptych.explore.sharing.groupings import Grouping
from triptych.explore.sharing.labelled import Column, Common
from triptych.manifest.schema import Manifest


@pytest.fixture
def clips(films: Path) -> Clips:
    return Clips.of(Manifest.read(films / "manifest.parquet"))


def grouping(name: str, of: list[str]) -> Grouping:
    labels = np.unique(of, return_inverse=True)[1].astype(np.int64)
    return Grouping(name, "by hand", labels, 2, None, None)


def columns() -> list[Column]:
    return [Column("motion", np.array(MOTIONS)), Column("scene", np.array(SCENES))]


def test_clusters_of_a_motion_share_it_and_no_scene_and_the_other_way_round(clips: Clips) -> None:
    both = [grouping("m", MOTIONS), grouping("s", SCENES)]
    whole = Collection(clips, both, [], None, None, Settings(show=1, clips=4))
    by_motion, by_scene = (whole.wall(one, number) for number, one in enumerate(both))
    assert by_motion.mean["motion"] > 0.65 > by_motion.mean["scene"]
    assert by_scene.mean["scene"] > 0.65 > by_scene.mean["motion"]
    (first,) = {one.cluster: one for one in by_motion.clusters if "motion" in one.why}.values()
    assert first.why == "most alike in motion of 2"
    assert first.motion is not None
    assert first.motion.told
    assert first.scene is not None
    assert not first.scene.told
    assert sentence(first, {}).startswith(
        f"Its clips share motion ({100 * first.motion.value:.0f} of 100 pairs more alike than "
        "random ones, by chance 50), not scene ("
    )
    assert (first.size, first.films, len(first.shown)) == (8, 8, 4)
    assert {MOTIONS[row] for row in first.shown} == {MOTIONS[first.shown[0]]}
    assert by_motion.best_by_chance["motion"] < by_motion.mean["motion"]


def test_labels_rank_and_tell_where_they_are_given(clips: Clips) -> None:
    roles = {"motion": "motion", "scene": "scene"}
    one = grouping("m", MOTIONS)
    wall = Collection(clips, [one], columns(), None, None, Settings(roles=roles)).wall(one, 0)
    first = wall.clusters[0]
    assert first.why == "purest in motion of 2"
    assert first.labels["motion"].value == 1.0
    assert first.labels["scene"].value == 0.5
    assert sentence(first, roles) == (
        f"Its clips share motion (8 of 8 clips are “{first.labels['motion'].label}”, by chance "
        f"{8 * first.labels['motion'].chance:.1f}), not scene (4 of 8 clips are “pool”, by chance "
        f"{8 * first.labels['scene'].chance:.1f})."
    )
    assert 0.5 < wall.purest_by_chance["motion"] < 0.9


def test_films_of_one_source_are_no_pairs(clips: Clips) -> None:
    one = grouping("s", SCENES)
    groups = np.array([f"source {scene}" for scene in SCENES])
    wall = Collection(clips, [one], [], groups, None, Settings()).wall(one, 0)
    assert all(shared.scene is None for shared in wall.clusters)
    assert all(shared.films == 1 for shared in wall.clusters)
    assert sentence(wall.clusters[0], {}).startswith("Its clips are of too few films")


def test_descriptors_take_the_place_of_flow(clips: Clips, films: Path) -> None:
    one = grouping("s", SCENES)
    table = films / "idt" / "idt.parquet"
    found = [
        Collection(clips, [one], [], None, given, Settings()).wall(one, 0).mean["motion"]
        for given in (None, table)
    ]
    assert found[0] != found[1]
    by_motion = grouping("m", MOTIONS)
    wall = Collection(clips, [by_motion], [], None, table, Settings()).wall(by_motion, 0)
    assert wall.mean["motion"] > 0.7


def test_asked_for_clusters_are_shown_and_others_refused(clips: Clips) -> None:
    one = grouping("s", SCENES)
    wall = Collection(clips, [one], [], None, None, Settings(numbers=[[1]])).wall(one, 0)
    assert [(shared.cluster, shared.why) for shared in wall.clusters] == [(1, "asked for")]
    with pytest.raises(UsageError, match="--cluster 2: s has no such cluster; its 2 are 0 to 1"):
        Collection(clips, [one], [], None, None, Settings(numbers=[[2]]))
    alone = Grouping("s", "", np.arange(16), 16, None, None)
    with pytest.raises(UserError, match="none of its 16 clusters has the 5 clips"):
        Collection(clips, [alone], [], None, None, Settings())


def alike(low: float) -> Alike:
    return Alike(0.7, low, 0.9, 8, 8)


def common(low: float) -> Common:
    return Common("m", "chop", 4, 8, 8, 0.5, low, 0.8, 0.25, [("chop", 4)])


PAIRS = "(70 of 100 pairs more alike than random ones, by chance 50)"
LABEL = "(4 of 8 clips are “chop”, by chance 2.0)"


@pytest.mark.parametrize(
    ("motion", "scene", "label", "says"),
    [
        (alike(0.6), alike(0.4), None, f"share motion {PAIRS}, not scene {PAIRS}."),
        (alike(0.6), alike(0.6), None, f"share motion {PAIRS} and scene {PAIRS}."),
        (alike(0.4), alike(0.4), None, f"share neither motion {PAIRS} nor scene {PAIRS} beyond"),
        (alike(0.4), None, common(0.3), f"share motion {LABEL}, and for scene there are too few"),
        (alike(0.6), None, common(0.2), f"share motion {PAIRS}, and for scene"),
        (None, alike(0.4), common(0.2), f"share neither motion {LABEL} nor scene {PAIRS}"),
        (None, alike(0.4), None, f"share no scene {PAIRS} beyond chance, and for motion"),
        (None, None, None, "are of too few films"),
    ],
)
def test_sentences(
    motion: Alike | None, scene: Alike | None, label: Common | None, says: str
) -> None:
    labels = {} if label is None else {"m": label}
    shared = Shared(0, "", 8, 8, motion, scene, labels, [])
    found = sentence(shared, {"motion": "m"})
    assert found.startswith(f"Its clips {says}")
    assert found.endswith(".")
