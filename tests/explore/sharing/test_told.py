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
    {"source": 2, "with": "motion", "value": 0.11, "low": -0.004, "high": 0.2},
    {"source": 0, "with": "motion", "value": 0.2, "low": 0.1, "high": 0.3},
    {"source": 0, "with": EACH_OTHER, "value": -0.01, "low": -0.1, "high": 0.1},
]


def test_a_clustering_as_a_whole() -> None:
    assert overall(WALL, 0, ROWS) == [
        "2 clusters of 3 clips: by hand.",
        "2 of them have 5 clips or more, as those picked here must.",
        "Agreement of all its clusters with labels (adjusted mutual information, 0 by chance, 1 "
        "where they are the same): motion 0.31 [0.20 0.40].",
        "How often two clips of a cluster are more alike than two at random, mean of 2 clusters: "
        "0.61 in motion, 0.50 in scene; by chance 0.50.",
        "The best of as many clusters of clips at random: 0.55 in motion.",
        "Clips shown: drawn at random, as there are no embeddings of these weights.",
    ]
    assert "motion 0.11 [0.00 0.20]." in overall(WALL, 1, ROWS)[2]
    assert len(overall(WALL, 0, [])) == 5


def test_two_clusterings_beside_each_other() -> None:
    assert between(ROWS) == [
        "Agreement with motion, the first less the second: +0.20 [+0.10 +0.30].",
        "Agreement of the two clusterings with each other (adjusted mutual information): -0.01 "
        "[-0.10 0.10].",
    ]
    assert between(ROWS[:2]) == []


def test_what_a_sentence_leaves_out() -> None:
    common = Common("verb", "chop", 4, 9, 8, 4 / 9, 0.1, 0.8, 0.25, [("chop", 4), ("stir", 3)])
    shared = Shared(
        0, "", 9, 8, Alike(0.7, 0.6, 0.8, 8, 8), Alike(0.4, None, None, 2, 2), {"verb": common}, []
    )
    assert facts(shared) == [
        "Alike in motion 0.70 [0.60 0.80], in scene 0.40, by chance 0.50.",
        "Verb: chop 4, stir 3 of 9 labelled; share of chop 0.44 [0.10 0.80], by chance 0.25.",
    ]
