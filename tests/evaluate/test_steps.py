from pathlib import Path

import numpy as np
import pytest

from triptych.errors import UserError
from triptych.evaluate.steps import Steps, in_order, located, read_steps

CSV = """path,start,end,words,task,split
b.mp4,3,5.5,pour,tea,test
b.mp4,0,2,boil,tea,test
a.mp4,1,2,boil,tea,TEST
a.mp4,2,3,steep,tea,test
a.mp4,4,5,pour,tea,test
c.mp4,0,1,boil,tea,train
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "steps.csv").write_text(CSV)
    return tmp_path / "steps.csv"


def test_the_steps_of_a_file_are_in_the_order_of_time(file: Path) -> None:
    videos, split = read_steps(file)
    assert split
    assert [(one.path, one.words, one.task) for one in videos] == [
        ("b.mp4", ("boil", "pour"), "tea"),
        ("a.mp4", ("boil", "steep", "pour"), "tea"),
    ]
    assert videos[0].spans.tolist() == [[0, 2], [3, 5.5]]
    assert videos[0].of.tolist() == [0, 1]
    assert [one.words[0] for one in read_steps(file, "task")[0]] == ["tea", "tea"]


def test_a_task_lists_its_steps_by_their_mean_place(file: Path) -> None:
    videos, _ = read_steps(file)
    listed = in_order(videos, "task")
    # boil 1/4 and 1/6, steep 1/2, pour 3/4 and 5/6.
    assert [one.words for one in listed] == [("boil", "steep", "pour")] * 2
    assert [one.of.tolist() for one in listed] == [[0, 2], [0, 1, 2]]
    assert in_order(videos, "file") == videos
    twice = Steps("x", ("a", "b", "a"), np.arange(6.0).reshape(3, 2), np.arange(3))
    (once,) = in_order([twice], "none")
    assert (once.words, once.of.tolist()) == (("a", "b"), [0, 1, 0])
    # A place is a share of the file: b is 3/4 and 1/8 along and c 3/8, so that c is sooner. Counted
    # in steps b would be: 1 and 0, against 1.
    short = Steps("x", ("a", "b"), np.arange(4.0).reshape(2, 2), np.arange(2), "t")
    long = Steps("y", ("b", "c", "d", "a"), np.arange(8.0).reshape(4, 2), np.arange(4), "t")
    assert in_order([short, long], "task")[0].words == ("c", "b", "a", "d")
    plain = [Steps("x", ("a",), np.array([[0.0, 1.0]]), np.array([0]))]
    with pytest.raises(UserError, match="no column task"):
        in_order(plain, "task")


def test_files_are_found_under_the_collection_s_names(file: Path, tmp_path: Path) -> None:
    videos, _ = read_steps(file)
    found, unknown = located(videos, ["films/a.mp4", "films/z.mp4"], tmp_path)
    assert [one.path for one in found] == ["films/a.mp4"]
    assert unknown == ["b.mp4"]
    with pytest.raises(UserError, match=r"none of the 2 files .* 'b.mp4', 'a.mp4'.*'z.mp4'"):
        located(videos, ["z.mp4"], tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "is empty; it needs columns path, start, end"),
        ("path,start,words\nx,0,a\n", "no column 'end'"),
        ("name,start,end,words\nx,0,1,a\n", "no column 'path'"),
        ("path,start,end\nx,0,1\n", "no column 'words'"),
        ("path,start,end,words\nx,0,one,a\n", "line 2: '0' to 'one' are not seconds"),
        ("path,start,end,words\nx,2,1,a\n", "line 2: a step from 2 to 1 seconds"),
        ("path,start,end,words\nx,0,nan,a\n", "line 2: a step from 0 to nan"),
        ("path,start,end,words\nx,0,1,\n", "line 2 has an empty 'words'"),
        ("path,start,end,words,split\nx,0,1,a,train\n", "has no 'test'"),
        ("path,start,end,words,task\nx,0,1,a,t\nx,1,2,b,u\n", "'x' is of two tasks"),
    ],
)
def test_a_bad_file_gets_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(UserError) as error:
        read_steps(tmp_path / "s.csv")
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_spans_of_steps_that_are_not_listed_are_refused() -> None:
    with pytest.raises(ValueError, match="not among 1"):
        Steps("x", ("a",), np.array([[0.0, 1.0]]), np.array([1]))
