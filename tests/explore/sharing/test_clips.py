from pathlib import Path

import numpy as np

from triptych.embeddings.table import EmbeddingTable
from triptych.explore.sharing.clips import Clips
from triptych.manifest.schema import Manifest


def test_a_manifest_and_embeddings_list_the_same_clips(films: Path) -> None:
    known = Clips.of(Manifest.read(films / "manifest.parquet"))
    other = Clips.of(EmbeddingTable.read(films / "embeddings.parquet"))
    assert known.table.equals(other.table)
    assert known.file(3) == films / "videos" / "film-03.mp4"
    assert known.file(3).is_file()
    assert known.about(3)["path"] == "film-03.mp4"
    assert known.about(3)["end"] == 2.0


def test_clips_are_found_by_what_they_are(films: Path) -> None:
    clips = Clips.of(Manifest.read(films / "manifest.parquet"))
    ids = clips.column("clip_id")
    assert clips.rows(ids[::-1]).tolist() == list(range(len(clips)))[::-1]
    assert np.flatnonzero(clips.rows(ids[2:4]) >= 0).tolist() == [2, 3]
