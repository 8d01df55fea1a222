from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.embeddings.model import Model
from triptych.embeddings.query import embed_media
from triptych.encoders.build import build
from triptych.encoders.encoder import AudioInput, VideoInput
from triptych.encoders.text import WordInput
from triptych.errors import UsageError, UserError
from triptych.explore.query import Span, read_query, vectors_of


def test_a_query_is_words_a_file_or_a_span_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cook.mp4", "take #3.mp4", "noext"):
        Path(name).touch()
    assert read_query("stir the pot") == "stir the pot"
    assert read_query("issue #5 of the pot") == "issue #5 of the pot"
    assert read_query("cook.mp4") == Span(Path("cook.mp4"))
    assert read_query("noext") == Span(Path("noext"))
    assert read_query("take #3.mp4") == Span(Path("take #3.mp4"))
    assert read_query("take #3.mp4#2-4") == Span(Path("take #3.mp4"), 2.0, 4.0)
    assert read_query("cook.mp4", 1, 2) == Span(Path("cook.mp4"), 1, 2)
    assert read_query("cook.mp4#12.5-15") == Span(Path("cook.mp4"), 12.5, 15.0)
    assert read_query("cook.mp4#t=12.5,15") == Span(Path("cook.mp4"), 12.5, 15.0)
    assert read_query("cook.mp4#1:02-1:10") == Span(Path("cook.mp4"), 62.0, 70.0)
    assert read_query("cook.mp4#-3") == Span(Path("cook.mp4"), None, 3.0)
    assert read_query("cook.mp4#5-") == Span(Path("cook.mp4"), 5.0, None)
    assert read_query("cook.mp4#1:00:01") == Span(Path("cook.mp4"), 3601.0, 3605.0)


def test_a_hit_s_path_can_be_asked_with_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "videos" / "a").mkdir(parents=True)
    (tmp_path / "videos" / "a" / "cook #2.mp4").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    root = tmp_path / "videos"
    there = root / "a" / "cook #2.mp4"
    assert read_query("a/cook #2.mp4", root=root) == Span(there)
    assert read_query("a/cook #2.mp4#3-4", root=root) == Span(there, 3.0, 4.0)
    assert read_query("stir the pot", root=root) == "stir the pot"
    with pytest.raises(UsageError, match="no such file"):
        read_query("a/none.mp4", root=root)


@pytest.mark.parametrize(
    ("given", "times", "complaint"),
    [
        ("none.mp4", (None, None), "no such file"),
        ("none.mp4#1-2", (None, None), "no such file"),
        ("cook.mp4#", (None, None), "after # give seconds"),
        ("cook.mp4#one-two", (None, None), "after # give seconds"),
        ("cook.mp4#5-3", (None, None), "from 5 s to 3 s holds nothing"),
        ("cook.mp4", (-1.0, None), "cannot start at -1 s"),
        ("cook.mp4#1-2", (1.0, None), "give one of them"),
        ("stir", (1.0, None), "there is no file 'stir'"),
        ("  ", (None, None), "empty query"),
        ("./folder", (None, None), "not a file"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, times: tuple, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cook.mp4").touch()
    Path("folder").mkdir()
    assert read_query("folder") == "folder"
    with pytest.raises(UsageError, match=complaint):
        read_query(given, *times)


@given(st.floats(0, 9999), st.floats(0.1, 500))
def test_any_span_in_seconds_is_read(start: float, length: float) -> None:
    file = Path(__file__)
    span = read_query(f"{file}#{start:.3f}-{start + length:.3f}")
    assert span == Span(file, float(f"{start:.3f}"), float(f"{start + length:.3f}"))


@pytest.fixture(scope="module")
def model() -> Model:
    """Untrained encoders: what they look at is what counts here."""
    encoders = {
        "video": build("r2plus1d_small", "video", VideoInput(size=32), seed=0),
        "audio": build("audio_resnet_small", "audio", AudioInput(), seed=0),
        "text": build("bag_of_words", "text", WordInput(("pot", "stir")), seed=0),
    }
    for encoder in encoders.values():
        encoder.eval()
    return Model(encoders, {}, {}, {}, {"clusters": {}, "teaches": [], "contrasts": []})


def test_words_a_video_and_a_sound_give_the_vectors_of_what_is_in_them(
    model: Model, data: Path
) -> None:
    assert "vector_text" in vectors_of(model, "stir the pot")
    video = data / "containers" / "video" / "demo.mp4"
    whole, part = vectors_of(model, str(video)), vectors_of(model, f"{video}#20-21")
    assert {"vector_video", "vector_audio"} <= set(whole)
    assert not np.allclose(whole["vector_video"], part["vector_video"], atol=1e-4)
    again = embed_media(model, video, 20.0, 21.0)
    np.testing.assert_allclose(part["vector_video"], again["vector_video"])
    sound = vectors_of(model, str(sorted((data / "esc10" / "audio").glob("*.ogg"))[0]))
    assert "vector_audio" in sound
    assert "vector_video" not in sound


def test_words_that_the_model_does_not_know_are_said(
    model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors_of(model, "stir the xylophone")
    assert "does not know xylophone; the other words decide" in capsys.readouterr().err
    vectors_of(model, "stir the pot")
    assert not capsys.readouterr().err
    with pytest.raises(UserError, match="stir"):
        vectors_of(model, "stirr")
