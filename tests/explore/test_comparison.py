import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.embeddings.test_table import manifest
from tests.explore.test_search import plain_score
from triptych.embeddings.catalogue import Catalogue
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.explore.comparison import ACROSS, Comparison


def table(draw: np.random.Generator, count: int) -> EmbeddingTable:
    def vectors(dim: int) -> np.ndarray:
        return (draw.random((count, dim)) + 1).astype(np.float32)

    columns = {
        "vector_text": (vectors(6), draw.random(count) < 0.6),
        "shared_video": (vectors(4), draw.random(count) < 0.8),
        "shared_audio": (vectors(4), draw.random(count) < 0.3),
    }
    return EmbeddingTable.build(manifest(count), columns, "c")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(1, 30), asked=st.integers(1, 4))
def test_both_ways_are_a_plain_computation(seed: int, count: int, asked: int) -> None:
    draw = np.random.default_rng(seed)
    made = table(draw, count)
    queries = [
        {
            "vector_text": draw.random(6).astype(np.float32),
            "shared_text": draw.random(4).astype(np.float32),
        }
        for _ in range(asked)
    ]
    if not all(made.vectors(name)[1].sum() > 1 for name in made.names()):
        return  # the plain formula divides by nothing where one clip is its own mean
    comparison = Comparison.of(Catalogue.of(made), queries, own=2.0, across=0.5)
    quick, off = comparison.quickly()
    exact = comparison.exactly(np.arange(count))
    assert quick.shape == exact.shape == (asked, count)
    assert (np.abs(quick - exact) <= off[:, None]).all()
    for query, scores in zip(queries, exact, strict=True):
        parts = [
            ("vector_text", query["vector_text"], 2.0),
            ("shared_video", query["shared_text"], 0.5),
            ("shared_audio", query["shared_text"], 0.5),
        ]
        expected = [plain_score(made, row, parts) for row in range(count)]
        np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_a_clip_without_words_is_judged_by_what_it_has() -> None:
    words, seen = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)
    columns = {
        "vector_text": (words, np.array([False, True, True])),
        "shared_video": (seen, np.array([True, True, False])),
    }
    made = EmbeddingTable.build(manifest(4).select(np.arange(3)), columns, "c")
    query = {"vector_text": words[1], "shared_text": seen[0]}
    scores = Comparison.of(Catalogue.of(made), [query]).exactly(np.arange(3))[0]
    # Cosines of the words are (1, 0), of what is seen (1, 0): 1 and -1 above their mean of a half.
    np.testing.assert_allclose(scores, [1.0, (1.0 - ACROSS) / (1 + ACROSS), -1.0])


def test_what_cannot_be_compared_is_said() -> None:
    catalogue = Catalogue.of(table(np.random.default_rng(0), 9))
    with pytest.raises(UserError, match="query by audio cannot be compared with the video and"):
        Comparison.of(catalogue, [{"vector_audio": np.ones(6, np.float32)}])
    with pytest.raises(UsageError, match="one of video, audio, text"):
        Comparison.of(catalogue, [{"vector_text": np.ones(6, np.float32)}], ("vide",))
