import numpy as np
import pytest
from sklearn import metrics

from triptych.errors import UserError
from triptych.evaluate.clusters import compare


def test_every_figure_against_scikit_learn_and_by_hand() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(4, size=300)
    clusters = np.where(random.random(300) < 0.7, truth, random.integers(6, size=300))
    groups = (np.arange(300) // 3).astype(str)
    outcome = compare(clusters, truth.astype(str), groups, 0, draws=50)
    found = {measure.metric: measure for measure in outcome.measures}
    assert found["nmi"].value == pytest.approx(
        metrics.normalized_mutual_info_score(truth, clusters)
    )
    assert found["ami"].value == pytest.approx(metrics.adjusted_mutual_info_score(truth, clusters))
    assert found["ari"].value == pytest.approx(metrics.adjusted_rand_score(truth, clusters))
    assert found["hungarian_accuracy"].value == pytest.approx(np.mean(clusters == truth))
    for measure in outcome.measures:
        assert measure.low < measure.value < measure.high
        assert measure.n == 300
    assert outcome.protocol["n_clusters"] == 6
    assert outcome.protocol["n_classes"] == 4
    assert outcome.protocol["interval_groups"] == 100


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
