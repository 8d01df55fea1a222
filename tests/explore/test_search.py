from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from tests.embeddings.test_table import manifest
from triptych.embeddings import catalogue as catalogues
from triptych.embeddings.catalogue import Catalogue
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.explore import search as module
from triptych.explore.search import file_number, search

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
    total = weights = 0.0
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
            weights += weight
    return total / weights if weights else 0.0


def test_scores_are_those_of_a_plain_computation() -> None:
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
    assert [hit.score for hit in hits] == pytest.approx([expected[row] for row in order], abs=1e-6)


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


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    count=st.integers(2, 300),
    width=st.sampled_from([1e-5, 1e-2, 1.0]),
    top=st.integers(1, 20),
    deep=st.integers(1, 9),
)
def test_the_first_pass_loses_nothing(
    seed: int, count: int, width: float, top: int, deep: int
) -> None:
    """Near ties, narrow cones and copies: the same clips as scikit-learn finds in float64."""
    draw = np.random.default_rng(seed)
    values = (1 + width * draw.normal(size=(count, 12))).astype(np.float32)
    values[draw.integers(0, count, count // 3)] = values[0]  # copies
    made = EmbeddingTable.build(
        manifest(count), {"vector_video": (values, np.ones(count, bool))}, "c"
    )
    query = values[draw.integers(count)] * 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DEEP", deep)
        patch.setattr(module, "BLOCK", 1 + seed % 9)
        hits = search(made, {"vector_video": query}, top)
    near = NearestNeighbors(metric="cosine", algorithm="brute").fit(values.astype(float))
    distances, _ = near.kneighbors(query[None].astype(float), min(top, count))
    own = near.kneighbors(query[None].astype(float), count)
    by_row = dict(zip(own[1][0].tolist(), own[0][0].tolist(), strict=True))
    found = [by_row[int(hit.start)] for hit in hits]
    np.testing.assert_allclose(found, distances[0], atol=2e-9)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    for first, second in pairwise(hits):
        assert first.score > second.score or first.start < second.start


def test_clips_nearer_to_each_other_than_half_precision_tells_are_ranked_exactly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(2, 12))
    values = np.where(np.arange(200)[:, None] % 2, one, other) + 1e-5 * draw.normal(size=(200, 12))
    values = values.astype(np.float32)
    made = EmbeddingTable.build(manifest(200), {"vector_video": (values, np.ones(200, bool))}, "c")
    query = one + draw.normal(size=12)
    lengths = np.linalg.norm(values.astype(float), axis=1)
    nearest = np.argsort(-(values.astype(float) @ query) / lengths)[:5]
    monkeypatch.setattr(module, "DEEP", 5)
    hits = search(made, {"vector_video": query.astype(np.float32)}, 5)
    assert [hit.start for hit in hits] == nearest.tolist()


@pytest.fixture
def on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.setattr(catalogues, "SMALLEST_MAPPED", 0)
    table(400).write(tmp_path / "e.parquet")
    return Catalogue.open(tmp_path / "e.parquet")


QUERY = {"vector_text": vectors(1)[0], "shared_text": vectors(1, 5)[0]}


def test_mapped_clips_give_what_the_table_gives(on_disk: Catalogue, tmp_path: Path) -> None:
    plain = EmbeddingTable.read(tmp_path / "e.parquet")
    for joined in (False, True):
        assert search(on_disk, QUERY, joined=joined) == search(plain, QUERY, joined=joined)


def test_an_index_gives_hits_with_exact_scores(
    on_disk: Catalogue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    exact = {hit.clip_id: hit.score for hit in search(on_disk, QUERY, 400)}
    found = search(on_disk, QUERY, 20, how="approximate")
    assert [hit.score for hit in found] == [exact[hit.clip_id] for hit in found]
    assert len({hit.clip_id for hit in found} & set(list(exact)[:20])) >= 15
    assert capsys.readouterr().err.count("making an index") == 2  # of the words, and of the rest
    monkeypatch.setattr(module, "MOST_EXACT", 399)
    assert search(on_disk, QUERY, 20) == found
    everything = search(on_disk, QUERY, 400, how="approximate")
    assert len(everything) == len({hit.clip_id for hit in everything})


def test_clips_in_memory_have_no_index(capsys: pytest.CaptureFixture) -> None:
    made = table()
    assert search(made, QUERY, how="approximate") == search(made, QUERY)
    assert "30 clips in memory are compared exactly" in capsys.readouterr().err
    with pytest.raises(UsageError, match="one of exact, approximate"):
        search(made, QUERY, how="quick")


def test_within_a_file_only_its_clips_are_hits() -> None:
    made = table(6)
    paths = ["a.mp4", "b/c.mp4", "a.mp4", "b/c.mp4", "a.mp4", "a.mp4"]
    rows = made.table.set_column(1, "path", [paths])
    two = EmbeddingTable(made.root, rows, made.info)
    everything = search(two, QUERY)
    inside = search(two, QUERY, within="b/c.mp4")
    assert inside == [hit for hit in everything if hit.path == "b/c.mp4"]
    catalogue = Catalogue.of(two)
    assert file_number(catalogue, "/videos/b/c.mp4") == 1
    with pytest.raises(UserError, match=r"c\.mp4: no clip of this file under /videos; .*as a\.mp4"):
        search(two, QUERY, within="c.mp4")


def test_joined_hits_span_their_clips() -> None:
    made = table(8)
    values, present = made.vectors("vector_video")
    values[2:5] = values[3]
    alike = EmbeddingTable.build(manifest(8), {"vector_video": (values, present)}, "c")
    hit = search(alike, {"vector_video": values[3]}, 1, joined=True)[0]
    assert (hit.start, hit.end, hit.text) == (2.0, 5.0, "words 2 words 3 words 4")
    assert hit.clip_id == alike.table["clip_id"][2].as_py()
    assert hit.score == pytest.approx(1.0)
