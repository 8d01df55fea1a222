import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from triptych.errors import UserError
from triptych.manifest.listing import Listing, list_folder


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def rows(listing: Listing) -> set[tuple[str, str]]:
    return {(row.path, row.kind) for row in listing.problems}


def test_media_captions_and_the_rest_are_told_apart_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.MP4", "a/c.webm", "a/no suffix", "b.srt", "x.json", "notes.txt", "p.JPG")
    listing = list_folder(tmp_path)
    assert list(listing.media.items()) == [("a/c.webm", 1), ("a/no suffix", 1), ("b.MP4", 1)]
    assert listing.captions == ["b.srt", "x.json"]
    assert rows(listing) == {("notes.txt", "not-media"), ("p.JPG", "not-media")}
    assert {row.reason for row in listing.problems} == {
        "txt is no format of recordings",
        "a picture",
    }


def test_hidden_files_and_the_output_folder_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", ".DS_Store", ".git/b.mp4", "._a.mp4", "work/cache/c.mp4")
    touch(tmp_path, "old work/manifest.parquet", "old work/cache.npy")
    listing = list_folder(tmp_path, leave_out=tmp_path / "work")
    assert list(listing.media) == ["a.mp4"]
    assert rows(listing) == {("._a.mp4", "not-media")}


def test_results_beside_the_videos_are_no_remarks(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "manifest.parquet", "report.html", "cache/spec.json", "cache/x.bin")
    touch(tmp_path, "run/marathon.mp4", "b/manifest.html")
    listing = list_folder(tmp_path, leave_out=tmp_path)
    assert list(listing.media) == ["a.mp4", "run/marathon.mp4"]
    assert rows(listing) == {("b/manifest.html", "not-media")}
    assert ("manifest.parquet", "not-media") in rows(list_folder(tmp_path))


def test_odd_names_are_kept_as_they_are(tmp_path: Path) -> None:
    names = ["with space.mp4", "snow ☃.mp4", "new\nline.mp4", "per%03dcent.mp4", "-dash.mp4"]
    touch(tmp_path, *names)
    assert list(list_folder(tmp_path).media) == sorted(names)


def test_a_name_that_is_not_utf8_is_a_row(tmp_path: Path) -> None:
    try:
        touch(tmp_path, os.fsdecode(b"a\xff.mp4"))
    except OSError:
        pytest.skip("this file system refuses such names")
    assert rows(list_folder(tmp_path)) == {("a\\xff.mp4", "unreadable")}


def test_two_spellings_of_one_name_are_not_two_clips_of_one_id(tmp_path: Path) -> None:
    touch(tmp_path, "caf\u00e9.mp4", "cafe\u0301.mp4")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system takes the two for one")
    listing = list_folder(tmp_path)
    assert len(listing.media) == 1
    assert [row.kind for row in listing.problems] == ["unreadable"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "films/a.mp4", "elsewhere/b.mp4")
    films = tmp_path / "films"
    (films / "more").symlink_to(tmp_path / "elsewhere")
    (films / "same.mp4").symlink_to(films / "a.mp4")
    (films / "up").symlink_to(films)
    (films / "gone.mp4").symlink_to(films / "nowhere.mp4")
    (films / "self.mp4").symlink_to(films / "self.mp4")
    listing = list_folder(films)
    assert list(listing.media) == ["a.mp4", "more/b.mp4", "same.mp4"]
    assert rows(listing) == {
        ("up", "unreadable"),
        ("gone.mp4", "unreadable"),
        ("self.mp4", "unreadable"),
    }


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    assert rows(list_folder(tmp_path)) == {("a.mp4", "not-media")}


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder that everybody may enter, and the rights of somebody who is not root."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            for path in [*folder.iterdir()]:
                path.chmod(0o755)


def test_what_may_not_be_read_is_a_row() -> None:
    with as_nobody() as folder:
        touch(folder, "a.mp4", "b.mp4", "closed/c.mp4", "no entry/d.mp4")
        for name, mode in [("a.mp4", 0), ("closed", 0), ("no entry", 0o744)]:
            (folder / name).chmod(mode)
        if os.geteuid() == 0:
            os.seteuid(65534)
        listing = list_folder(folder)
        with pytest.raises(UserError, match="cannot look into this folder"):
            list_folder(folder / "closed")
    assert list(listing.media) == ["b.mp4"]
    assert rows(listing) == {
        ("a.mp4", "unreadable"),
        ("closed", "unreadable"),
        ("no entry/d.mp4", "unreadable"),
    }


def test_a_folder_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4")
    (tmp_path / "empty").mkdir()
    for name, why in [
        ("missing", "no such folder"),
        ("a.mp4", "a file, not a folder"),
        ("empty", "an empty folder"),
    ]:
        with pytest.raises(UserError, match=why) as caught:
            list_folder(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert str(tmp_path / name) in str(caught.value)
