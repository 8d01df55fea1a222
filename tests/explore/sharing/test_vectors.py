from pathlib import Path

import numpy as np
import pytest

from tests.explore.sharing.films import MOTIONS, SCENES
from tests.explore.sharing.films import vectors as made
from triptych.descriptors.table import DescriptorTable
from triptych.errors import UserError
from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.vectors import SKETCH, columns, vectors
from triptych.manifest.schema import Manifest


@pytest.fixture
def clips(films: Path) -> Clips:
    return Clips.of(Manifest.read(films / "manifest.parquet"))


def test_descriptors_and_embeddings_alike(films: Path, clips: Clips) -> None:
    name, values, present = vectors(films / "idt" / "idt.parquet", clips)
    assert (name, present.all()) == ("vector", True)
    np.testing.assert_array_equal(values, made(MOTIONS))
    name, values, _ = vectors(films / "embeddings.parquet", clips)
    assert name == "vector_video"
    np.testing.assert_array_equal(values, made(SCENES))


def test_long_vectors_are_sketched_and_keep_their_products(clips: Clips, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    long = np.repeat(draw.normal(size=(2, 5000)), 2, axis=0) + 0.3 * draw.normal(size=(4, 5000))
    long = (long / np.linalg.norm(long, axis=1, keepdims=True)).astype(np.float32)
    paths = tuple(clips.column("path")[:4])
    DescriptorTable(paths, long, None, {}).write(tmp_path / "long.parquet")
    _, values, present = vectors(tmp_path / "long.parquet", clips)
    assert values.shape == (len(clips), SKETCH)
    assert np.flatnonzero(present).tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(values[:4] @ values[:4].T, long @ long.T, atol=0.12)


def test_no_table_of_vectors_is_said_in_a_line(films: Path, clips: Clips, tmp_path: Path) -> None:
    text = tmp_path / "a.parquet"
    text.write_text("no parquet")
    with pytest.raises(UserError, match=r"a\.parquet: not a Parquet file"):
        columns(text)
    with pytest.raises(UserError, match="not a descriptor file, it lacks vector_x"):
        vectors(films / "embeddings.parquet", clips, "vector_x")
