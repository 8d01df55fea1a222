import numpy as np

from triptych.explore.sharing.alike import Alike
from triptych.explore.sharing.gather import Shared, Wall
from triptych.explore.sharing.groupings import Grouping
from triptych.explore.sharing.labelled import Common
from triptych.explore.sharing.told import EACH_OTHER, between, facts, overall

GROUPING = Grouping("a", "by hand", np.array([0, 0, 1, -1]), 2, None, None)
WALL = Wall(GROUPING, [], 2, 5, 2, {"motion": 0.61, "scene": 0.5}, {"motion": 0.55}, {})
ROWS = [
    {"source": 1, "with": "motion", "value": 0.31, "low": 0.2, "high": 0.4},
    {"source": 2, "with": "motion", "value": 0.11, "low": 0.0, "high": 0.2},
    {"source": 0, "with": "motion", "value": 0.2, "low": 0.1, "high": 0.3},
    {"source": 0, "with": EACH_OTHER, "value": -0.01, "low": -0.1, "high": 0.1},
]


def test_a_clustering_as_a_whole() -> None:
    assert overall(WALL, 0, ROWS) == [
        "2 clusters of 3 clips: by hand.",
        "2 of them have 5 clips or more, as those picked here must.",
        "Agreement (AMI, chance 0) with motion 0.31 [0.20 0.40].",
        "Pairs of one cluster, more alike than random ones (.50), mean of 2 clusters: motion 0.61 "
        "(the best by chance 0.55), scene 0.50.",
        "Clips shown: drawn at random, as there are no embeddings of these weights.",
    ]
    assert "0.11" in overall(WALL, 1, ROWS)[2]
    assert len(overall(WALL, 0, [])) == 4


def test_two_clusterings_beside_each_other() -> None:
    assert between(ROWS) == [
        "Agreement with motion, the first less the second: +0.20 [+0.10 +0.30].",
        "The two clusterings agree with each other by -0.01 [-0.10 +0.10] (AMI).",
    ]
    assert between(ROWS[:2]) == []


def test_what_a_sentence_leaves_out() -> None:
    common = Common("verb", "chop", 4, 9, 8, 4 / 9, 0.1, 0.8, 0.25, [("chop", 4), ("stir", 3)])
    shared = Shared(
        0, "", 9, 8, Alike(0.7, 0.6, 0.8, 8, 8), Alike(0.4, None, None, 2, 2), {"verb": common}, []
    )
    counts = "Verb: chop 4, stir 3 of 9 labelled (by chance 0.25)."
    assert facts(shared, {"motion": "verb"}) == [
        "As measured, chance .50: motion 0.70 [0.60 0.80].",
        counts,
    ]
    assert facts(shared, {}) == [counts]
