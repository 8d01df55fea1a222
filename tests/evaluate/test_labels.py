from pathlib import Path

import numpy as np
import pytest

from triptych.errors import UserError
from triptych.evaluate.labels import describe, join, label_columns, read_labels

ROOT = Path("/collection")
PATHS = ["fight/a.mp4", "fight/a.mp4", "calm/b.mp4", "calm/c.mp4"]
IDS = ["a0", "a1", "b0", "c0"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def labelled(file: Path, text: str | bytes, target: str | None = None, paths: list = PATHS) -> dict:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    joined = join(read_labels(file, target), IDS, paths, ROOT)
    return dict(zip(joined.rows.tolist(), joined.labels.tolist(), strict=True))


def refused(file: Path, text: str | bytes, target: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        labelled(file, text, target)
    line = str(caught.value)
    assert "\n" not in line
    return line.replace(str(file), "labels.csv")


@pytest.mark.parametrize("column", ["path", "file", "filename"])
def test_the_label_of_a_path_goes_to_all_its_clips(file: Path, column: str) -> None:
    text = f"{column},label\nfight/a.mp4,x\ncalm/b.mp4,y\n"
    assert labelled(file, text) == {0: "x", 1: "x", 2: "y"}


def test_a_clip_id_labels_one_clip_and_wins_over_a_path(file: Path) -> None:
    assert labelled(file, "path,clip_id,label\nfight/a.mp4,a1,x\ncalm/b.mp4,b0,y\n") == {
        1: "x",
        2: "y",
    }


@pytest.mark.parametrize(
    "written",
    ["videos/fight/a.mp4", "./fight/a.mp4", "/collection/fight/a.mp4", "a.mp4", "fight\\a.mp4",
     "else/where/a.mp4", "/old/disk/fight/a.mp4"],
)  # fmt: skip
def test_paths_may_be_written_otherwise(file: Path, written: str) -> None:
    assert labelled(file, f"path,label\n{written},x\n") == {0: "x", 1: "x"}


def test_a_name_that_two_files_have_needs_its_folder(file: Path) -> None:
    paths = ["one/a.mp4", "one/a.mp4", "two/a.mp4", "c.mp4"]
    assert labelled(file, "path,label\ntwo/a.mp4,x\n", paths=paths) == {2: "x"}
    with pytest.raises(UserError, match=r"'a.mp4' may be any of 2 files: 'one/a.mp4', 'two/a.mp4'"):
        labelled(file, "path,label\na.mp4,x\n", paths=paths)
    # The file says another folder, and holds both: one of them cannot be meant.
    assert labelled(file, "path,label\nfight/a.mp4,x\nother/a.mp4,y\n") == {0: "x", 1: "x"}


def test_names_with_accents_match_in_either_unicode_form(file: Path) -> None:
    paths = ["caf\u00e9.mp4", "b", "c", "d"]
    assert labelled(file, "path,label\ncafe\u0301.mp4,x\n", paths=paths) == {0: "x"}


def test_folds_groups_and_split_come_along(file: Path) -> None:
    file.write_text("path,label,fold,group,split\nfight/a.mp4,x,1,g1,Train\ncalm/b.mp4,y,2,,test\n")
    joined = join(read_labels(file), IDS, PATHS, ROOT)
    assert joined.folds is not None
    assert joined.split is not None
    assert joined.folds.tolist() == ["1", "1", "2"]
    assert joined.groups.tolist() == ["g1", "g1", "calm/b.mp4"]
    assert joined.split.tolist() == ["train", "train", "test"]
    file.write_text("path,label\nfight/a.mp4,x\n")
    joined = join(read_labels(file), IDS, PATHS, ROOT)
    assert (joined.folds, joined.split) == (None, None)
    assert joined.groups.tolist() == ["fight/a.mp4", "fight/a.mp4"]


def test_bom_semicolons_tabs_quotes_and_blank_lines_are_read(file: Path) -> None:
    expected = {0: "x", 1: "x", 2: "y, z"}
    assert labelled(file, b'\xef\xbb\xbfpath,label\r\na.mp4,x\r\n\r\nb.mp4,"y, z"\r\n') == expected
    assert labelled(file, "path;label\na.mp4;x\nb.mp4;y, z\n") == expected
    assert labelled(file, "path\tlabel\na.mp4\tx\nb.mp4\ty, z\n") == expected


def test_the_target_is_named_or_evident(file: Path) -> None:
    text = "path,action,task,fold\na.mp4,cut,salad,1\n"
    assert labelled(file, text, "task") == {0: "salad", 1: "salad"}
    assert labelled(file, "path,task,fold\na.mp4,salad,1\n") == {0: "salad", 1: "salad"}
    assert labelled(file, "path,other,label\na.mp4,no,yes\n") == {0: "yes", 1: "yes"}
    assert refused(file, text) == (
        "labels.csv: which column holds the label? 2 columns may be it: action, task; "
        "name it with --target"
    )
    assert refused(file, text, "motion") == (
        "labels.csv: no column 'motion'; the label columns are action, task"
    )
    assert "none is left; name it" in refused(file, "path,fold\na.mp4,1\n")


def test_the_columns_that_may_hold_labels_are_named(file: Path) -> None:
    file.write_text("path,verb,fold,group,split,place\na.mp4,x,1,g,train,y\n")
    assert label_columns(file) == ["verb", "place"]


def test_what_does_not_fit_is_counted_with_examples(file: Path) -> None:
    file.write_text("path,label\na.mp4,x\nb.mp4,\n" + "".join(f"gone{n}.mp4,y\n" for n in range(5)))
    labels = read_labels(file)
    joined = join(labels, IDS, PATHS, ROOT)
    assert joined.unlabelled == 2
    assert len(joined.unknown) == 5
    assert [line.replace(str(file), "labels.csv") for line in describe(labels, joined)] == [
        "labels.csv: 5 of 6 labelled files are not in the embeddings and are left out: "
        "'gone0.mp4', 'gone1.mp4', 'gone2.mp4' and 2 more",
        "labels.csv: 2 of 4 clips have no label and are left out",
        "labels.csv: 1 rows have an empty 'label'",
    ]


def test_the_same_row_twice_is_one_and_a_conflict_is_refused(file: Path) -> None:
    assert labelled(file, "path,label\na.mp4,x\na.mp4,x\n") == {0: "x", 1: "x"}
    assert refused(file, "path,label\na.mp4,x\nb.mp4,x\na.mp4,y\n") == (
        "labels.csv: 'a.mp4' has the label 'x' in line 2 and 'y' in line 4; keep one"
    )
    assert refused(file, "path,label,fold\na.mp4,x,1\na.mp4,x,2\n") == (
        "labels.csv: 'a.mp4' has the fold '1' in line 2 and '2' in line 3; keep one"
    )
    assert "'fight/a.mp4' has the label" in refused(
        file, "path,label\nfight/a.mp4,x\nvideos/fight/a.mp4,y\n"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "labels.csv: is empty; it needs a column path or clip_id and a label column"),
        ("path,label\n", "labels.csv: has a header but no rows; it needs a column path or clip_id "
         "and a label column"),
        ("name,label\na.mp4,x\n", "labels.csv: no column 'path' or 'clip_id' among name, label; "
         "name the column that says which file a label is for"),
        ("path|label\na.mp4|x\n", "labels.csv: no column 'path' or 'clip_id' among path|label; "
         "name the column that says which file a label is for"),
        ("path,label\na.mp4,x,y\n", "labels.csv: line 2 has 3 cells, the header 2; put quotes "
         "around cells that hold the delimiter"),
        ("path,label,label\na.mp4,x,y\n", "labels.csv: two columns are called 'label'; rename one"),
        ("path,label\n,x\n", "labels.csv: line 2 has an empty 'path'"),
        ("path,label\na.mp4,\nb.mp4,\n", "labels.csv: the column 'label' is empty in all 2 rows"),
        ("path,label,fold\na.mp4,x,1\nb.mp4,y,\n", "labels.csv: line 3 has no fold; give every row "
         "one, or none"),
        ("path,label,split\na.mp4,x,val\n", "labels.csv: line 2 has the split 'val'; only train "
         "and test are known: rename it, or leave the row out"),
        ("path,label\nq.mp4,x\n", "labels.csv: none of its 1 keys names a clip of the embeddings; "
         "it says 'q.mp4', the embeddings say 'calm/b.mp4', 'calm/c.mp4', 'fight/a.mp4'"),
        (b"path,label\ncaf\xe9.mp4,x\n", "labels.csv: not UTF-8 text (byte 14 is 0xe9); save it as "
         "CSV in UTF-8"),
    ],
)  # fmt: skip
def test_a_bad_file_gets_one_line(file: Path, text: str | bytes, line: str) -> None:
    assert refused(file, text) == line


def test_a_missing_file_gets_one_line(file: Path) -> None:
    with pytest.raises(UserError, match=r"labels.csv: cannot be read \(No such file"):
        read_labels(file)


def test_the_real_splits_join_to_the_real_files(data: Path) -> None:
    folder = data / "surv_fight"
    paths = sorted(p.relative_to(folder / "videos").as_posix() for p in folder.rglob("*.mp4"))
    labels = read_labels(folder / "splits.csv")
    joined = join(labels, paths, paths, folder / "videos")
    assert len(joined.rows) == 300
    assert joined.unknown == []
    assert joined.folds is not None
    assert np.unique(joined.folds, return_counts=True)[1].tolist() == [60] * 5
    assert len(np.unique(joined.groups)) == 46
    assert all(
        paths[row].startswith(f"{label}/")
        for row, label in zip(joined.rows, joined.labels, strict=True)
    )
