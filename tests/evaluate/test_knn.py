import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from triptych.evaluate import knn
from triptych.evaluate.evaluator import Examples, Floats
from triptych.evaluate.knn import NearestNeighbours, neighbours, vote


@pytest.fixture
def x() -> Floats:
    random = np.random.default_rng(0)
    return random.standard_normal((900, 16)).astype("f4")


def test_neighbours_equal_brute_force_in_any_blocks(
    x: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = unit[:100] @ unit[100:].T
    expected = np.argsort(-cosines, axis=1)[:, :7]
    for queries, database in ((1024, 8192), (33, 64), (7, 5)):
        monkeypatch.setattr(knn, "QUERIES", queries)
        monkeypatch.setattr(knn, "DATABASE", database)
        near, rows = neighbours(x[:100], x[100:], 7)
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_allclose(near, np.take_along_axis(cosines, expected, 1), atol=1e-6)


def examples(x: Floats) -> Examples:
    random = np.random.default_rng(1)
    labels = np.digitize(x[:, 0] + random.standard_normal(900) / 2, [-0.5, 0.5]).astype(str)
    split = np.where(np.arange(900) < 600, "train", "test")
    return Examples(x, np.ones(900, bool), labels, np.arange(900).astype(str), None, split)


@pytest.mark.parametrize("temperature", [None, 0.07])
def test_equals_scikit_learn(x: Floats, temperature: float | None) -> None:
    given = examples(x)

    def weights(distances: np.ndarray) -> np.ndarray:
        return np.exp((1 - distances) / temperature)

    reference = KNeighborsClassifier(
        20, metric="cosine", weights="uniform" if temperature is None else weights
    ).fit(x[:600], given.labels[:600])
    outcome = NearestNeighbours(temperature=temperature)(given, 0)
    np.testing.assert_array_equal(outcome.predictions[600:], reference.predict(x[600:]))
    assert outcome.measures[0].value == reference.score(x[600:], given.labels[600:])


def test_weights_let_near_neighbours_outvote_many_far_ones() -> None:
    cosines = np.array([[0.99, 0.5, 0.5]], dtype="f4")
    codes = np.array([[1, 0, 0]])
    assert vote(cosines, codes, 2, None).tolist() == [0]
    assert vote(cosines, codes, 2, 0.07).tolist() == [1]


def test_k_is_at_most_the_training_part_and_the_protocol_says_so(x: Floats) -> None:
    few = examples(x[:30].repeat(30, axis=0))
    few = Examples(
        few.features[:30], few.present[:30], few.labels[:30], few.groups[:30],
        None, np.array(["train"] * 12 + ["test"] * 18),
    )  # fmt: skip
    outcome = NearestNeighbours()(few, 0)
    assert outcome.protocol["k"] == 12
    assert outcome.protocol["normalisation"] == "L2"
    assert outcome.protocol["per_fold"][0]["n_train"] == 12
