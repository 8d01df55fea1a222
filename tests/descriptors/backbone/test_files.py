from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.clips.test_stored import manifest_of
from triptych.clips.feature_store import Described, write_store
from triptych.clips.windows import Pictures
from triptych.descriptors.backbone.files import File, Parts, Stream, files_of, store_of
from triptych.errors import UserError
from triptych.state.backbone import Backbone, Word


@pytest.fixture(scope="module")
def stream() -> Stream:
    return Stream("net", 1.5, Backbone.of(Word.parse("r2plus1d_small:random")))


def test_a_file_is_as_long_as_its_last_clip_and_has_what_any_of_them_has() -> None:
    clips = [("b.mp4", 0.0, 2.0), ("a.mp4", 3.0, 9.0), ("a.mp4", 1.0, 4.0)]
    assert files_of(manifest_of(clips, silent=0)) == [
        File("a.mp4", "print of a.mp4", 9.0, frozenset({"video", "audio"})),
        File("b.mp4", "print of b.mp4", 2.0, frozenset({"video"})),
    ]


def test_parts_go_by_the_file_its_bytes_and_the_stream(tmp_path: Path, stream: Stream) -> None:
    file = File("a/ü.mp4", "one", 3.0, frozenset({"video"}))
    parts = Parts(tmp_path, [stream, replace(stream, rate=2.0)])
    rows = np.ones((3, 128), np.float16)
    parts.write(0, file, rows, 2)
    found, lost = parts.read(0, file)
    np.testing.assert_array_equal(found, rows)
    assert lost == 2
    assert not parts.file(1, file).exists()
    assert not parts.file(0, replace(file, fingerprint="two")).exists()
    assert not parts.file(0, replace(file, path="b.mp4")).exists()
    stray = parts.file(0, file).with_name(".x.part")
    stray.touch()
    again = Parts(tmp_path, [replace(stream, name="else")])
    assert again.file(0, file).exists(), "a name is none of what the rows are made from"
    assert not stray.exists()


def test_a_stream_reads_what_its_network_takes(stream: Stream) -> None:
    assert stream.form == Pictures(1.5, 8, 8.0, 64, keep=True)
    spec = stream.spec("digest")
    assert (spec.name, spec.modality, spec.rate, spec.dim) == ("net", "video", 1.5, 128)
    assert spec.backbone["sha256"] == stream.backbone.facts["sha256"]


def test_a_store_of_the_same_network_is_taken_and_of_another_refused(
    tmp_path: Path, stream: Stream
) -> None:
    assert store_of(tmp_path, stream) is None
    rows = [Described("a.mp4", "", np.ones((3, 128)))]
    write_store(tmp_path / "net.features", stream.spec("any"), rows)
    found = store_of(tmp_path, stream)
    assert found is not None
    assert found.paths == ("a.mp4",)
    with pytest.raises(UserError, match=r"net\.features: holds features of another network, or"):
        store_of(tmp_path, replace(stream, rate=1.0))
    other = Backbone(stream.backbone.encoder, {**stream.backbone.facts, "sha256": "0"})
    with pytest.raises(UserError, match="call this stream otherwise with names=NAME"):
        store_of(tmp_path, replace(stream, backbone=other))
