import json
import re
from pathlib import Path

import numpy as np
import pytest

import triptych
from tests.explore import run
from tests.explore.sharing.conftest import films as films
from triptych.descriptors.table import DescriptorTable
from triptych.errors import UsageError, UserError
from triptych.explore.sharing.groupings import Grouping
from triptych.verbs.render import render
from triptych.verbs.wall import _measure


def test_one_clustering_shares_the_scene_and_the_other_the_motion(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "new" / "w.html"
    found = triptych.wall(
        [str(films / "embeddings.parquet"), str(films / "idt")],
        k=2, show=1, out=out, workers=0,
    )  # fmt: skip
    assert json.loads(json.dumps(found)) == found
    of = {
        number: [row for row in found["clusters"] if row["source"] == number] for number in (1, 2)
    }
    assert all(row["says"].startswith("Its clips share scene (") for row in of[1])
    assert all("not motion (" in row["says"] for row in of[1])
    assert all(row["says"].startswith("Its clips share motion (") for row in of[2])
    assert all("not scene (" in row["says"] for row in of[2])
    assert [row["with"] for row in found["agreement"]] == ["each other"]
    assert found["agreement"][0]["value"] < 0.1
    assert found["picture"] == str(out.with_suffix(".png"))
    assert Path(found["picture"]).stat().st_size > 20_000
    assert out.read_text(encoding="utf-8").count("<article") == len(found["clusters"])
    render("wall", found)
    assert "share scene" in capsys.readouterr().out


def test_labels_give_agreement_purity_and_captions(films: Path, tmp_path: Path) -> None:
    found = triptych.wall(
        str(films / "embeddings.parquet"),
        labels=films / "labels.csv", target="other", k=2, cluster="1",
        out=tmp_path / "w.html", picture=tmp_path / "p.pdf", workers=0,
    )  # fmt: skip
    assert {row["with"]: round(row["value"], 2) for row in found["agreement"]}["scene"] == 1.0
    (only,) = found["clusters"]
    assert (only["cluster"], only["why"]) == (1, "asked for")
    assert set(only["labels"]) == {"motion", "scene", "other"}
    assert only["labels"]["scene"]["value"] == 1.0
    assert only["exemplars"][0]["path"].startswith("film-")
    assert (tmp_path / "p.pdf").read_bytes().startswith(b"%PDF")
    page = (tmp_path / "w.html").read_text(encoding="utf-8")
    assert "<b>odd</b>" in page
    assert "<b>even</b>" in page


def test_groups_of_the_labels_are_the_films(films: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    rows = [f"film-{number:02}.mp4,{number % 4},g{number // 4}" for number in range(15)]
    labels.write_text("\n".join(["path,kind,group", *rows]) + "\n")
    found = triptych.wall(
        [str(films / "embeddings.parquet")], labels=labels, k=2, out=tmp_path / "w.html", workers=0
    )
    assert {row["films"] for row in found["clusters"]} <= {4, 5}
    assert all(list(row["labels"]) == ["kind"] for row in found["clusters"])


def test_motion_compared_by_what_made_the_clusters_is_said(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    idt = films / "idt" / "idt.parquet"
    found = triptych.wall(
        str(idt), manifest=films / "manifest.parquet", descriptors=idt, k=2,
        out=tmp_path / "w.html", workers=0,
    )  # fmt: skip
    assert "by construction" in capsys.readouterr().err
    assert "which made the clusters" in found["motion_by"]
    assert "agreement" not in found


@pytest.mark.parametrize(
    ("joint", "said", "by"),
    [
        (False, "are of the very vectors that motion is compared by, so they share it by", "made"),
        (True, "are of a memory bank beside the very vectors .* share it in part", "had a part in"),
    ],
)
def test_a_run_s_prior_shares_what_it_was_a_part_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], joint: bool, said: str, by: str
) -> None:
    one = Grouping("la", "", np.zeros(3, np.int64), 1, None, tmp_path / "idt.parquet", joint=joint)
    measure = _measure(tmp_path / "x" / ".." / "idt.parquet", [one])
    assert measure == f"the descriptors in idt.parquet, which {by} the clusters of la"
    assert re.search(said, capsys.readouterr().err)
    assert _measure(tmp_path / "other.parquet", [one]) == "the descriptors in other.parquet"


def test_a_run_whose_films_are_gone_has_a_wall_without_pictures(tmp_path: Path) -> None:
    run.make(tmp_path / "work")
    found = triptych.wall(str(tmp_path / "work"), out=tmp_path / "w.html", workers=0)
    assert all("nothing could be measured" in row["says"] for row in found["clusters"])


def test_wrong_options_are_one_line_before_anything_is_read(films: Path, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    for wrong, says in (
        ({"target": ["x"]}, "name columns of --labels"),
        ({"motion": "x"}, "name columns of --labels"),
        ({"show": 0}, "--show 0: must be 1 or more"),
        ({"k": 0}, "--k 0: must be 1 or more"),
        ({"out": tmp_path / "w.parquet"}, "a page is a file called"),
        ({"picture": tmp_path / "w.gif"}, "a picture is written as"),
        ({"cluster": ["one"]}, "--cluster one: give a number"),
    ):
        with pytest.raises(UsageError, match=says):
            triptych.wall([gone], **wrong)
    with pytest.raises(UserError, match="gone: no such run") as error:
        triptych.wall([gone])
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no column 'verb'; the label columns are motion, scene"):
        triptych.wall(
            [str(films / "embeddings.parquet")], labels=films / "labels.csv", motion="verb",
            out=tmp_path / "w.html", workers=0,
        )  # fmt: skip
    assert not (tmp_path / "w.html").exists()


def test_what_is_wrong_is_refused_before_clips_are_looked_at(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from triptych.explore.sharing import gather

    monkeypatch.setattr(gather, "look", lambda *_, **__: pytest.fail("clips are looked at"))
    same = tmp_path / "same.csv"
    same.write_text("\n".join(["path,kind", *(f"film-{n:02}.mp4,a" for n in range(16))]) + "\n")
    other = tmp_path / "other.parquet"
    DescriptorTable(("x.mp4",), np.ones((1, 3), np.float32), None, {}).write(other)
    (tmp_path / "file").write_text("")
    for wrong, says in (
        ({"descriptors": tmp_path / "gone"}, "gone: not a Parquet file"),
        ({"descriptors": other}, "holds none of the clips"),
        ({"labels": same}, "have the same"),
        ({"labels": films / "labels.csv", "cluster": ["7"]}, "--cluster 7: .* no such cluster"),
        ({"out": tmp_path / "file" / "w.html"}, r"w\.html: cannot be written"),
    ):
        given = {"k": 2, "out": tmp_path / "w.html", **wrong}
        with pytest.raises(UserError, match=says):
            triptych.wall([str(films / "embeddings.parquet")], workers=0, **given)
    capsys.readouterr()
    with pytest.raises(UserError, match="no column 'verb'"):
        triptych.wall([str(tmp_path / "gone")], labels=films / "labels.csv", motion="verb")
    assert capsys.readouterr().err == ""
