import json
from pathlib import Path

import numpy as np
import pytest

from tests.embeddings.test_table import manifest
from triptych.embeddings.clusters import cluster
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.explore.contents import Contents, read_metrics, recipe_lines
from triptych.manifest.problems import Problem, write_problems


def test_a_folder_with_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing to report on.*triptych fit"):
        Contents.read(tmp_path)


def test_what_is_missing_is_said_and_the_rest_is_read(tmp_path: Path) -> None:
    manifest(4).write(tmp_path / "manifest.parquet")
    found = Contents.read(tmp_path)
    assert found.totals() == {
        "clips": 4,
        "files": 1,
        "seconds": 4.0,
        "has": {"video": 4, "audio": 0, "text": 4},
    }
    assert "triptych embed" in found.lacks["embeddings"]
    assert "triptych cluster" in found.lacks["clusters"]
    assert found.problems is None
    assert found.metrics == []


def test_problems_are_grouped_the_gravest_first(tmp_path: Path) -> None:
    some = [Problem(f"{i}.mp4", "no-audio", "no sound", "video only") for i in range(250)]
    write_problems(
        tmp_path / "problems.parquet",
        [*some, Problem("x.mp4", "unreadable", "no header", "left out")],
    )
    groups = Contents.read(tmp_path).read_and_not()
    assert [group["says"] for group in groups] == [
        "1 file could not be opened",
        "250 files have no sound",
    ]
    assert [group["grade"] for group in groups] == ["lost", "remark"]
    assert len(groups[1]["rows"]) + groups[1]["more"] == 250
    assert groups[1]["more"] == 50


def test_a_last_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text(json.dumps({"epoch": 0}) + "\n" + '{"epoch": 1, "lo')
    assert read_metrics(file) == [{"epoch": 0}]
    assert read_metrics(tmp_path / "none") == []


def test_clusters_of_other_embeddings_are_not_shown(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    table = EmbeddingTable.build(manifest(9), {"vector_joint": (vectors, np.ones(9, bool))}, "c")
    table.write(tmp_path / "embeddings.parquet")
    cluster(tmp_path / "embeddings.parquet", tmp_path / "clusters.parquet", k=2)
    assert Contents.read(tmp_path).clusters is not None
    table.write(tmp_path / "embeddings.parquet")  # embedded again, not clustered
    found = Contents.read(tmp_path)
    assert found.clusters is None
    assert "other embeddings" in found.lacks["clusters"]


def test_a_recipe_is_shown_as_it_would_be_set() -> None:
    recipe = {"method": "xdc", "modalities": ["video", "text"], "clip": {"frames": 8, "crop": None}}
    assert recipe_lines(recipe) == [
        ("method", "xdc"),
        ("modalities", "video,text"),
        ("clip.frames", "8"),
        ("clip.crop", "null"),
    ]
