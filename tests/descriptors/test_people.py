from pathlib import Path

import pytest

from triptych.descriptors.people import beside, read_boxes, write_boxes
from triptych.errors import UserError


def test_lines_of_the_original(tmp_path: Path) -> None:
    path = tmp_path / "a.bb"
    path.write_text("1 10 20 30 40 0.9 50 60 70 80 0.1\n2\n\n3 1.5 -2 3 4 1\n")
    assert read_boxes(path) == {
        0: [(10, 20, 30, 40), (50, 60, 70, 80)],
        1: [],
        2: [(1.5, -2, 3, 4)],
    }


def test_a_table_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "\ufeffbottom,frame,left,top,right,who\n40,7,10,20,30,Ann\n4,0,1,2,3,Bob\n9,7,0,0,9,Eve\n"
    )
    assert read_boxes(path) == {7: [(10, 20, 30, 40), (0, 0, 9, 9)], 0: [(1, 2, 3, 4)]}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.bb", "0 1 2 3 4\n", r"a\.bb: line 1 has 5 numbers"),
        ("a.bb", "0\n2\n", r"line 2 is of frame 2, the line before of 0"),
        ("a.bb", "0 10 20 5 40 1\n", r"line 1: a box from \(10, 20\) to \(5, 40\) ends before"),
        ("a.bb", "0 1 2 x 4 1\n", r"line 1 holds something that is no number"),
        ("a.bb", "0 1 2 nan 4 1\n", r"line 1 holds a number that is not finite"),
        ("a.csv", "", r"a\.csv: has no column frame, left, top, right, bottom"),
        (
            "a.csv",
            "frame,left,top,right,bottom\n" + "1" * 200_000,
            r"a\.csv: cannot be read as a ta",
        ),
        ("a.csv", "frame,left,top\n", r"has no column right, bottom"),
        ("a.csv", "frame,left,top,right,bottom\n1,2,3\n", r"line 2 holds something"),
        ("a.csv", "frame,left,top,right,bottom\n-1,2,3,4,5\n", r"line 2: frame -1 is no number"),
        ("a.csv", "frame,left,top,right,bottom\n1.5,2,3,4,5\n", r"line 2: frame 1\.5 is no number"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError, match=said) as error:
        read_boxes(path)
    assert "\n" not in str(error.value)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.bb: cannot be read as boxes of people \(No such"):
        read_boxes(tmp_path / "gone.bb")
    (tmp_path / "a.bb").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"a\.bb: cannot be read as boxes of people"):
        read_boxes(tmp_path / "a.bb")


def test_boxes_of_a_collection_lie_as_its_videos_do(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.bb").touch()
    (tmp_path / "b.mp4.csv").touch()
    assert beside(tmp_path, "sub/a.mp4") == tmp_path / "sub" / "a.bb"
    assert beside(tmp_path, "b.mp4") == tmp_path / "b.mp4.csv"
    assert beside(tmp_path, "c.mp4") is None


def test_boxes_that_were_written_are_read_again(tmp_path: Path) -> None:
    frames = [
        [],
        [(1.0, 2.0, 1234567.0, 4.5)],
        [],
        [(0.0, 0.0, 9.0, 9.0), (5.0, 5.0, 6.0, 6.0)],
        [],
    ]
    assert write_boxes(tmp_path / "new" / "a.csv", frames) == (5, 2)
    assert read_boxes(tmp_path / "new" / "a.csv") == {1: frames[1], 3: frames[3]}
    with pytest.raises(UserError, match=r"a\.bb: boxes are written as a table"):
        write_boxes(tmp_path / "a.bb", frames)
    assert not (tmp_path / "a.bb").exists()
