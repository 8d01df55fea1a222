from pathlib import Path

import pytest

from triptych.manifest.ending import claims_more, misses_frames, unfinished_mp4, unfinished_ogg


@pytest.mark.parametrize(
    ("names", "claimed", "end", "short"),
    [
        ("matroska,webm", 60.15, 60.05, False),
        ("matroska,webm", 60.15, 33.9, True),
        ("mov,mp4,m4a,3gp,3g2,mj2", 2.0, 1.5, True),
        ("mov,mp4,m4a,3gp,3g2,mj2", 7200.0, 7150.0, False),
        ("flv", None, 3.0, False),
        ("aac", 14.5, 9.0, False),  # a guess from the bit rate
        ("mpegts", 60.0, 9.0, False),
    ],
)
def test_only_headers_are_believed(
    names: str, claimed: float | None, end: float, short: bool
) -> None:
    assert bool(claims_more(names, claimed, False, end)) == short


def test_an_encoders_tag_makes_mp3_trustworthy_and_avi_counts_frames() -> None:
    assert claims_more("mp3", 15.5, True, 8.9) == "its header says 15.5 s, it ends after 8.9 s"
    assert claims_more("mp3", 15.5, False, 8.9) is None
    assert misses_frames("avi", 1443, 1 / 24, 60.1) is None
    assert (
        misses_frames("avi", 1443, 1 / 24, 35.3) == "its header says 60.1 s, it ends after 35.3 s"
    )
    assert misses_frames("mov,mp4", 1443, 1 / 24, 35.3) is None


@pytest.mark.parametrize("name", ["video/demo.mp4", "video/demo.mov", "video/demo.3gp"])
def test_a_whole_mp4_is_finished_and_a_cut_one_is_not(
    data: Path, tmp_path: Path, name: str
) -> None:
    raw = (data / "containers" / name).read_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(raw)
    assert unfinished_mp4(path) is None
    for share in (0.3, 0.6, 0.99):
        path.write_bytes(raw[: int(len(raw) * share)])
        assert unfinished_mp4(path)


def test_what_is_no_mp4_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    for content in (b"", b"short", b"this is a plain text file, not a film", bytes(5000)):
        path.write_bytes(content)
        assert unfinished_mp4(path) is None
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08mdat")
    assert "no moov box" in (unfinished_mp4(path) or "")


def test_every_real_ogg_is_finished_and_no_longer_when_cut(data: Path, tmp_path: Path) -> None:
    sounds = sorted((data / "esc10" / "audio").glob("*.ogg"))[:20]
    path = tmp_path / "a.ogg"
    for sound in [
        *sounds,
        data / "containers/audio/demo.opus",
        data / "containers/damaged/demo.ogv",
    ]:
        assert unfinished_ogg(sound) is None
        raw = sound.read_bytes()
        for share in (0.2, 0.7, 0.999):
            path.write_bytes(raw[: int(len(raw) * share)])
            assert unfinished_ogg(path)
