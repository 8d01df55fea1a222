from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clips.making import manifest_of
from tests.descriptors import films
from triptych.descriptors.finding import Finding
from triptych.descriptors.how import How
from triptych.descriptors.rows import write_rows
from triptych.descriptors.tracks import COLUMNS, PLACE
from triptych.descriptors.videos import clip_rows, gathered, videos_of
from triptych.errors import UserError
from triptych.manifest.schema import Manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return films.make(tmp_path_factory.mktemp("films") / "root")


def test_each_file_with_pictures_is_one_video(manifest: Manifest) -> None:
    found = videos_of(manifest, How())
    assert [video.path for video in found] == [
        "broken.mp4",
        *films.GOOD,
        "small.mp4",
        "still.mp4",
    ]
    assert found[1].pixels == pytest.approx(0.8 * 25 * 64 * 64)
    assert len({video.file_name for video in found}) == len(found)


def test_two_clips_that_start_together_are_refused_before_anything_is_made(
    manifest: Manifest,
) -> None:
    row = manifest.table.slice(1, 1)
    longer = row.set_column(row.schema.get_field_index("end"), "end", pa.array([9.0]))
    both = Manifest(manifest.root, pa.concat_tables([row, longer]))
    with pytest.raises(UserError, match=r"two clips of .*\.mp4 start at 0\.4 s, .*level=video"):
        videos_of(both, How("none"), level="clip")
    (one,) = videos_of(both, How("none"))
    assert one.clips == ()


def test_a_name_tells_what_decides_the_rows(manifest: Manifest, tmp_path: Path) -> None:
    boxes = tmp_path / "moves"
    boxes.mkdir()
    (boxes / "1.bb").write_text("0\n")
    plain, masked = (videos_of(manifest, How("none"), folder)[2] for folder in (None, tmp_path))
    assert masked.boxes == boxes / "1.bb"
    others = [replace(plain, fingerprint="other"), replace(plain, how=How("sift")), masked]
    before = masked.key
    (boxes / "1.bb").write_text("0 1 2 3 4 1\n")
    keys = {plain.key, before, *(video.key for video in others)}
    assert len(keys) == 5
    ways = [Finding("hog", 5, 0.3, ""), Finding("hog", 4, 0.3, ""), Finding("/a/n", 5, 0.3, "f0")]
    ways += [Finding("/a/n", 5, 0.3, "f1")]
    looked = {replace(plain, how=How("none", people=way)).key for way in ways}
    assert len(looked | keys) == 9
    moved = replace(plain, root=tmp_path, pixels=1.0)
    assert moved.key == plain.key
    odd = replace(plain, path="ö/../" + "x" * 300 + ".mp4")
    assert len(odd.file_name) < 100
    assert "/" not in odd.file_name


def test_in_a_damaged_film_a_clip_has_the_rows_of_its_time(data: Path, tmp_path: Path) -> None:
    """One row ends in each frame that decodes; it bears the time of the frame in its middle."""
    films.damaged(data, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as media:
        times = [frame.time for packet in media.demux(video=0) for frame in decoded(packet)]
    assert len(times) == 210
    blocks = []
    for number in range(len(times)):
        block = np.zeros((int(number > 14), COLUMNS), np.float32)
        block[:, 0], block[:, PLACE:] = number, times[number - 7]
        blocks.append(block)
    write_rows(tmp_path / "a.parquet", blocks, "parquet", {})
    spans = ((0.0, 1.0), (1.0, 3.0), (3.0, 20.0))
    clips = [{"path": "a.mp4", "start": a, "end": b} for a, b in spans]
    (video,) = videos_of(manifest_of(tmp_path, clips), How(), level="clip")
    found = [np.concatenate(list(rows)) for rows in clip_rows(tmp_path / "a.parquet", video)]
    assert [len(rows) for rows in found] == [17, 10, 168]
    for (start, end), rows in zip(spans, found, strict=True):
        assert rows.min() >= start - 0.001
        assert rows.max() < end


def decoded(packet: av.Packet) -> list[av.VideoFrame]:
    try:
        return list(packet.decode())
    except av.FFmpegError:
        return []


@given(sizes=st.lists(st.integers(0, 25), max_size=12), size=st.integers(1, 10))
def test_rows_in_blocks_of_one_size(sizes: list[int], size: int) -> None:
    rows = np.arange(sum(sizes)).reshape(-1, 1).astype(np.float32)
    cuts = np.split(rows, np.cumsum(sizes)[:-1]) if sizes else []
    found = list(gathered(cuts, size))
    assert all(len(block) == size for block in found[:-1])
    assert all(0 < len(block) <= size for block in found)
    np.testing.assert_array_equal(np.concatenate([*found, rows[:0]]), rows)
