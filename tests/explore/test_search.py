import numpy as np
import pytest

from tests.embeddings.test_table import manifest
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.explore import search as module
from triptych.explore.search import search

DRAW = np.random.default_rng(0)


def vectors(count: int, dim: int = 8) -> np.ndarray:
    """Like features behind a ReLU: all in one cone."""
    return (DRAW.random((count, dim)) + 1).astype(np.float32)


def table(count: int = 30) -> EmbeddingTable:
    half = np.arange(count) % 2 == 0
    everywhere = np.ones(count, bool)
    columns = {
        "vector_video": (vectors(count), everywhere),
        "vector_text": (vectors(count), half),
        "shared_video": (vectors(count, 5), everywhere),
        "shared_text": (vectors(count, 5), half),
    }
    return EmbeddingTable.build(manifest(count), columns, "c")


def plain_score(made: EmbeddingTable, row: int, parts: list) -> float:
    """The docstring's formula, one clip and one number at a time."""
    total = 0.0
    for column, vector, weight in parts:
        values, present = made.vectors(column)
        values, vector = values.astype(float), vector.astype(float)
        cosines = [
            float(v @ vector) / float(np.sqrt(v @ v) * np.sqrt(vector @ vector))
            for v in values[present]
        ]
        if present[row]:
            own = cosines[int(present[:row].sum())]
            mean = sum(cosines) / len(cosines)
            total += weight * (own - mean) / (1 - mean)
    return total / sum(weight for _, _, weight in parts)


def test_scores_are_those_of_a_plain_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    made = table()
    query = {"vector_text": vectors(1)[0], "shared_text": vectors(1, 5)[0]}
    parts = [
        ("vector_text", query["vector_text"], 1.0),
        ("shared_video", query["shared_text"], 0.25),
    ]
    expected = [plain_score(made, row, parts) for row in range(30)]
    hits = search(made, query, top=30)
    order = np.argsort(-np.array(expected), kind="stable")
    assert [hit.start for hit in hits] == [float(row) for row in order]
    assert [hit.score for hit in hits] == pytest.approx([expected[row] for row in order], abs=1e-7)


def test_a_clip_finds_itself_first_with_the_full_score() -> None:
    made = table()
    query = {"vector_video": made.vectors("vector_video")[0][7]}
    hit = search(made, query, top=1)[0]
    assert (hit.path, hit.start, hit.end, hit.text) == ("a.mp4", 7.0, 8.0, "words 7")
    assert hit.score == pytest.approx(1.0)


def test_words_find_clips_by_what_is_seen_alone() -> None:
    made = table()
    query = {"vector_text": vectors(1)[0], "shared_text": made.vectors("shared_video")[0][3]}
    assert search(made, query, top=1, through=("video",))[0].start == 3.0


def test_ties_go_by_the_order_of_the_clips() -> None:
    alike = np.repeat(vectors(1), 50, axis=0)
    made = EmbeddingTable.build(manifest(50), {"vector_video": (alike, np.ones(50, bool))}, "c")
    hits = search(made, {"vector_video": vectors(1)[0]}, top=20)
    assert [hit.start for hit in hits] == list(range(20))


def test_what_cannot_be_compared_is_said() -> None:
    made = table()
    with pytest.raises(
        UserError, match=r"query by audio cannot be compared.*train with method=xdc"
    ):
        search(made, {"vector_audio": vectors(1)[0]})
    with pytest.raises(UserError, match="has 3 numbers and the clips' has 8"):
        search(made, {"vector_video": vectors(1, 3)[0]})
    with pytest.raises(UsageError, match="at least one"):
        search(made, {"vector_video": vectors(1)[0]}, top=0)
    with pytest.raises(UsageError, match="one of video, audio, text"):
        search(made, {"vector_video": vectors(1)[0]}, through=("vide",))


def test_a_hit_gives_a_row_for_json() -> None:
    hit = search(table(), {"vector_video": vectors(1)[0]}, top=1)[0]
    assert list(hit.row()) == ["path", "start", "end", "score", "text"]
    assert hit.row()["text"] == f"words {hit.start:.0f}"
