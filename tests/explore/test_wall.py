from pathlib import Path

import numpy as np
import pytest

from tests.embeddings.test_table import manifest
from triptych.embeddings.clusters import find_clusters
from triptych.embeddings.table import EmbeddingTable
from triptych.explore import wall as module
from triptych.explore.map import lay_out
from triptych.explore.wall import build


def table(count: int, root: Path) -> EmbeddingTable:
    vectors = np.random.default_rng(0).normal(size=(count, 6)).astype(np.float32)
    columns = {"vector_joint": (vectors, np.ones(count, bool))}
    return EmbeddingTable.build(manifest(count, root), columns, "c")


def test_lists_hold_every_clip_the_most_typical_first(tmp_path: Path) -> None:
    embeddings, clusters = find_clusters(table(40, tmp_path), 3)
    wall = build(embeddings, clusters, lay_out(embeddings), workers=0)
    listed = [i for one in wall.data["clusters"] for i in one["clips"]]
    assert sorted(listed) == list(range(40))
    vectors, _ = embeddings.vectors("vector_joint")
    for one, centre in zip(
        wall.data["clusters"], clusters.table["centroid"].to_pylist(), strict=True
    ):
        cosines = [vectors[i] @ centre / np.linalg.norm(vectors[i]) for i in one["clips"]]
        assert cosines == sorted(cosines, reverse=True)
        assert {wall.data["clips"]["cluster"][i] for i in one["clips"]} == {
            wall.data["clusters"].index(one)
        }


def test_files_that_are_gone_have_no_link_and_no_picture(tmp_path: Path) -> None:
    embeddings, clusters = find_clusters(table(10, tmp_path), 2)
    wall = build(embeddings, clusters, lay_out(embeddings), workers=0)
    assert wall.gone == 1
    assert wall.data["files"] == [["a.mp4", None]]
    assert wall.pictured == 0
    assert wall.cards[0]["exemplars"][0]["picture"] is None


def test_files_that_are_no_video_say_why_they_have_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("words")
    embeddings, clusters = find_clusters(table(10, tmp_path), 2)
    wall = build(embeddings, clusters, lay_out(embeddings), workers=0)
    assert wall.gone == 0
    assert "cannot be opened" in wall.unpictured["a.mp4"]
    assert wall.data["files"][0][1] == (tmp_path / "a.mp4").as_uri()


def test_size_is_bounded_whatever_the_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp4").touch()
    asked: list[int] = []

    def count(wishes: dict, **_: object) -> tuple[dict, dict]:
        asked.append(sum(len(some) for some in wishes.values()))
        return {}, {}

    monkeypatch.setattr(module, "picture", count)
    monkeypatch.setattr(module, "MOST_LISTED", 100)
    monkeypatch.setattr(module, "MOST_OTHERS", 30)
    embeddings, clusters = find_clusters(table(1500, tmp_path), 4)
    wall = build(embeddings, clusters, lay_out(embeddings, most=50), workers=0)
    assert wall.listed == 25
    assert all(len(one["clips"]) == 25 for one in wall.data["clusters"])
    assert len(wall.data["clips"]["file"]) <= 4 * (25 + 6) + 50
    assert asked == [4 * 6 + 30 + 4]  # exemplars, others, covers
    assert sum(one["size"] for one in wall.data["clusters"]) == 1500


def test_a_map_without_clusters_still_has_its_clips(tmp_path: Path) -> None:
    embeddings = table(12, tmp_path)
    wall = build(embeddings, None, lay_out(embeddings), workers=0)
    assert wall.cards == []
    assert len(wall.data["map"]["clip"]) == 12
    assert set(wall.data["clips"]["cluster"]) == {-1}
