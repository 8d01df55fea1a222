from math import log

import numpy as np
import pytest

from triptych.errors import UserError
from triptych.evaluate.clusters import FeatureClusters, bounds, compare
from triptych.evaluate.evaluator import Examples


def test_every_figure_has_an_interval_about_it() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(4, size=300)
    clusters = np.where(random.random(300) < 0.7, truth, random.integers(6, size=300))
    groups = (np.arange(300) // 3).astype(str)
    outcome = compare(clusters, truth.astype(str), groups, 0, draws=50)
    found = {measure.metric: measure for measure in outcome.measures}
    assert found["hungarian_accuracy"].value == pytest.approx(np.mean(clusters == truth))
    for measure in outcome.measures:
        assert measure.low < measure.value < measure.high
        assert measure.n == 300
    assert outcome.protocol["n_clusters"] == 6
    assert outcome.protocol["n_classes"] == 4
    assert outcome.protocol["interval_groups"] == 100


def test_every_figure_by_hand() -> None:
    clusters, labels = np.array([0, 0, 0, 0, 1, 1]), np.array(list("aaabbb"))
    outcome = compare(clusters, labels, np.arange(6).astype(str), 0, draws=5)
    found = {measure.metric: measure.value for measure in outcome.measures}
    mixed = -(3 / 4 * log(3 / 4) + 1 / 4 * log(1 / 4))
    information = log(2) - mixed * 4 / 6
    sizes = -(4 / 6 * log(4 / 6) + 2 / 6 * log(2 / 6))
    # Of the 20 ways to lay three b over six clips, 4 leave the pair all a, 4 all b, 12 mixed.
    chance = 8 / 20 * information + 12 / 20 * 0
    assert found == pytest.approx(
        {
            "nmi": information / ((sizes + log(2)) / 2),
            "ami": (information - chance) / ((sizes + log(2)) / 2 - chance),
            # 15 pairs; together in both 3 + 1, in clusters 6 + 1, in truth 3 + 3.
            "ari": (4 - 7 * 6 / 15) / (6.5 - 7 * 6 / 15),
            "purity": 5 / 6,
            "purity_mean_of_clusters": (3 / 4 + 1) / 2,
            "entropy": mixed * 4 / 6,
            "entropy_mean_of_clusters": mixed / 2,
            "hungarian_accuracy": 5 / 6,
        }
    )


def test_clips_without_a_cluster_are_left_out_and_counted() -> None:
    clusters = np.array([0, 0, 1, 1, -1, -1])
    labels = np.array(list("aabbab"))
    outcome = compare(clusters, labels, np.arange(6).astype(str), 0, draws=5)
    assert outcome.measures[0].value == pytest.approx(1)
    assert outcome.measures[0].n == 4
    assert outcome.protocol["n_without_cluster"] == 2
    assert outcome.predictions.tolist() == ["0", "0", "1", "1", "", ""]


def test_embeddings_that_were_never_clustered_are_refused() -> None:
    with pytest.raises(UserError, match=r"none of the 3 .* run `triptych cluster`"):
        compare(np.full(3, -1), np.array(list("aab")), np.array(list("xyz")), 0)
    with pytest.raises(UserError, match=r"all 2 clips are 'a'.*two classes"):
        compare(np.array([0, 1, -1]), np.array(list("aab")), np.array(list("xyz")), 0)


def test_intervals_stay_within_what_the_measures_can_be() -> None:
    draw = np.random.default_rng(0)
    labels = draw.choice(np.array(list("ab")), 24)
    found = compare(draw.integers(0, 3, 24), labels, np.arange(24).astype(str), 0, draws=1000)
    for measure in found.measures:
        highest = np.log(2) if measure.metric.startswith("entropy") else 1.0
        assert measure.low <= measure.value <= measure.high <= highest + 1e-12, measure.metric
        assert measure.low >= (-1.0 if measure.metric in ("ami", "ari") else 0.0)


def test_features_are_clustered_into_as_many_as_there_are_classes() -> None:
    random = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 20)
    features = (np.eye(3)[truth] * 10 + random.normal(size=(60, 3))).astype(np.float32)
    present = np.arange(60) % 10 > 0
    features[~present] = np.nan
    examples = Examples(features, present, truth.astype(str), np.arange(60).astype(str))
    outcome = FeatureClusters(draws=5)(examples, 0)
    found = {measure.metric: measure for measure in outcome.measures}
    assert (found["nmi"].value, found["nmi"].n) == (pytest.approx(1), 54)
    assert (outcome.predictions == "").tolist() == (~present).tolist()
    assert outcome.protocol["n_without_vector"] == 6
    assert outcome.protocol["n_clusters"] == outcome.protocol["n_classes"] == 3


def test_what_a_measure_can_be() -> None:
    assert bounds("nmi", 7) == (0, 1)
    assert bounds("ami", 7) == (-1, 1)
    assert bounds("entropy", 7) == (0, log(7))
