import numpy as np
import pytest

from triptych.clustering.whiten import Whitening
from triptych.embeddings.extract import Features
from triptych.state.assignments import Assignment
from triptych.training import health


def assignment(labels: list[int], k: int = 2) -> Assignment:
    return Assignment(np.array(labels), np.zeros((k, 1), np.float32), Whitening.none(1))


def examined(video: np.ndarray, labels: list[int]) -> dict:
    found = {"video": assignment(labels)}
    features = {"video": Features(video.astype(np.float32), np.ones(len(video), bool))}
    return health.examine(features, {}, found, {"video": 1.0})


def test_constant_features_raise_the_alarm_with_what_to_change() -> None:
    constant = np.ones((6, 4)) + 1e-6 * np.arange(24).reshape(6, 4)
    with pytest.raises(health.Collapse, match=r"effective rank 1\.0.*lower optimisation.rate"):
        health.alarm(examined(constant, [0, 1, 0, 1, 0, 1]))
    health.alarm(examined(constant, [0, 1, 0, 1, 0, 1]), fixed=["video"])  # they were so before


def test_one_giant_cluster_raises_the_alarm() -> None:
    spread = np.random.default_rng(0).normal(size=(100, 4))
    with pytest.raises(health.Collapse, match=r"one cluster of video holds 99% of the clips"):
        health.alarm(examined(spread, [0] * 99 + [1]))


def test_healthy_features_pass() -> None:
    spread = np.random.default_rng(0).normal(size=(100, 4))
    found = examined(spread, [0, 1] * 50)
    health.alarm(found)
    assert found["clusterings"]["video"]["size_entropy"] == pytest.approx(1)
    assert 3 < found["effective_rank"]["video"] <= 4


def test_agreement_counts_only_clips_that_both_clusterings_label() -> None:
    after = {"video": assignment([0, 0, 1, 1, 0]), "audio": assignment([1, 1, 0, 0, -1])}
    found = health.examine({}, {}, after, {"video": 0.0, "audio": 0.0})
    assert found["agreement"] == {"video~audio": pytest.approx(1.0)}


def test_the_score_is_agreement_across_modalities_or_else_between_rounds() -> None:
    across = {"agreement": {"video~audio": 0.4, "video~text": 0.6}, "clusterings": {}}
    assert health.score(across) == pytest.approx(0.5)
    alone = {"agreement": {}, "clusterings": {"video": {"nmi_previous": 0.7}}}
    assert health.score(alone) == pytest.approx(0.7)
    first = {"agreement": {}, "clusterings": {"video": {"nmi_previous": None}}}
    assert health.score(first) is None


def test_the_last_weights_that_score_nearly_the_highest_are_best() -> None:
    assert health.is_best(0.0, None)
    assert health.is_best(0.33, 0.40)
    assert not health.is_best(0.31, 0.40)
    assert "80 %" in health.RULE
