from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.embeddings.test_table import manifest
from triptych.embeddings.clusters import Clusters, cluster, exemplars, find_clusters
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError


def three_groups() -> tuple[EmbeddingTable, np.ndarray]:
    draw = np.random.default_rng(0)
    truth = np.array([0] * 20 + [1] * 12 + [2] * 8)
    vectors = (np.eye(3, 6)[truth] * 5 + draw.normal(size=(40, 6)) * 0.3).astype(np.float32)
    present = np.ones(40, bool)
    present[5] = False
    table = EmbeddingTable.build(manifest(40), {"vector_joint": (vectors, present)}, "c")
    return table, truth


def test_groups_are_found_and_the_largest_comes_first() -> None:
    table, truth = three_groups()
    labelled, found = find_clusters(table, 3)
    labels = labelled.column("cluster")
    assert labels[5] == -1
    np.testing.assert_array_equal(np.delete(labels, 5), np.delete(truth, 5))
    assert [row["size"] for row in found.rows()] == [19, 12, 8]
    assert found.describe(labelled)
    assert not found.describe(table)


def test_cohesion_and_exemplars_are_those_of_a_plain_computation() -> None:
    table, truth = three_groups()
    _, found = find_clusters(table, 3)
    vectors, present = table.vectors("vector_joint")
    for row in found.rows():
        members = [i for i in range(40) if truth[i] == row["cluster"] and present[i]]
        units = [vectors[i] / np.sqrt((vectors[i] ** 2).sum()) for i in members]
        centre = sum(units) / np.sqrt((sum(units) ** 2).sum())
        cosines = [float(u @ centre) for u in units]
        assert row["cohesion"] == pytest.approx(np.mean(cosines), abs=1e-5)
        nearest = members[int(np.argmax(cosines))]
        assert row["exemplars"][0] == table.column("clip_id")[nearest]


def test_exemplars_come_from_different_videos_before_one_video_gives_two() -> None:
    paths = np.array(["a", "a", "b", "a", "c"], object)
    cosines = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    members = np.array([0, 1, 2, 3, 4])
    assert exemplars(members, cosines, paths, 4) == [0, 2, 4, 1]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    labelled, found = find_clusters(three_groups()[0], 3)
    found.write(tmp_path / "clusters.parquet")
    again = Clusters.read(tmp_path / "clusters.parquet")
    assert again.rows() == found.rows()
    assert again.describe(labelled)
    np.testing.assert_allclose(
        np.linalg.norm(np.stack(again.table["centroid"].to_numpy()), axis=1), 1, rtol=1e-5
    )


def test_the_verb_labels_the_table_and_writes_its_clusters(tmp_path: Path) -> None:
    table, _ = three_groups()
    table.write(tmp_path / "embeddings.parquet")
    rows = cluster(tmp_path / "embeddings.parquet", tmp_path / "clusters.parquet", k=3)
    assert [row["size"] for row in rows] == [19, 12, 8]
    labelled = EmbeddingTable.read(tmp_path / "embeddings.parquet")
    assert Clusters.read(tmp_path / "clusters.parquet").describe(labelled)
    np.testing.assert_array_equal(
        labelled.vectors("vector_joint")[0], table.vectors("vector_joint")[0]
    )


def test_without_a_number_of_clusters_it_is_chosen() -> None:
    table, _ = three_groups()
    assert len(find_clusters(table)[1]) == 4  # sqrt(39 / 2)
    alike = np.ones((9, 2), np.float32), np.ones(9, bool)
    same = EmbeddingTable.build(manifest(9), {"vector_joint": alike}, "c")
    assert len(find_clusters(same)[1]) == 1


def test_a_table_without_vectors_is_refused() -> None:
    nothing = np.zeros((2, 3), np.float32), np.zeros(2, bool)
    table = EmbeddingTable.build(manifest(2), {"vector_joint": nothing}, "c")
    with pytest.raises(UserError, match="nothing to cluster"):
        find_clusters(table)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no clusters here"):
        Clusters.read(tmp_path / "clusters.parquet")
    manifest(2).write(tmp_path / "clusters.parquet")
    with pytest.raises(UserError, match="not a table of clusters"):
        Clusters.read(tmp_path / "clusters.parquet")


def test_vectors_that_are_no_numbers_and_no_clusters_are_refused() -> None:
    table, _ = three_groups()
    with pytest.raises(UserError, match="k=0: ask for at least one"):
        find_clusters(table, 0)
    place = table.table.schema.get_field_index("vector_joint")
    count = len(table)
    nan = pa.FixedSizeListArray.from_arrays(pa.array(np.full(count, np.nan, np.float32)), 1)
    broken = replace(table, table=table.table.set_column(place, "vector_joint", nan))
    with pytest.raises(UserError, match="NaN or infinity"):
        find_clusters(broken)
