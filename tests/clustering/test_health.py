import numpy as np
import pytest
from scipy.stats import entropy

from triptych.clustering.health import effective_rank, size_entropy, used_clusters


def test_clusters_in_use_and_evenness_of_their_sizes() -> None:
    assert used_clusters([0, 0, 3], 5) == 2
    assert size_entropy([0, 1, 2, 3], 4) == pytest.approx(1)
    assert size_entropy([2, 2, 2], 4) == 0
    assert size_entropy([0, 0, 0, 1], 4) == pytest.approx(entropy([3, 1]) / np.log(4))
    assert size_entropy([0, 0], 1) == 1


def test_labels_outside_the_clusters_are_refused() -> None:
    for labels in ([0, 5], [-1, 0], []):
        with pytest.raises(ValueError, match=r"lie in \[0, 5\)"):
            used_clusters(labels, 5)


def test_effective_rank_equals_the_definition_by_singular_values() -> None:
    random = np.random.default_rng(0)
    x = (random.standard_normal((9000, 12)) * np.linspace(0.1, 2, 12)).astype("f4")
    values = np.linalg.svd(x.astype("f8"), compute_uv=False)
    assert effective_rank(x) == pytest.approx(np.exp(entropy(values)), rel=1e-6)


def test_effective_rank_of_known_matrices() -> None:
    assert effective_rank(np.eye(7, dtype="f4")) == pytest.approx(7)
    assert effective_rank(np.zeros((5, 3), dtype="f4")) == 1
    noise = np.random.default_rng(0).standard_normal((500, 32)) * 1e-3
    assert effective_rank((1 + noise).astype("f4")) < 1.5
