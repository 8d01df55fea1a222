import json
from pathlib import Path

import pytest

import triptych
from tests.embeddings.test_model import save_run
from tests.explore import run
from triptych.errors import UsageError, UserError
from triptych.verbs.render import render


def test_concepts_from_a_folder_and_a_csv(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    labels = run.labels(tmp_path / "labels.csv", run.make(tmp_path))
    page = tmp_path / "new" / "concepts.html"
    found = triptych.concepts(str(tmp_path), labels=labels, top=1, out=page, workers=0)
    assert json.loads(json.dumps(found)) == found
    assert "labels.csv: 1 rows have an empty 'action'" in capsys.readouterr().err
    first = found["purest"][0]
    assert first["clustering"] == "video"
    assert (first["rank"], first["cluster"], first["purity"]) == (1, 1, 1.0)
    assert first["labels"] == [{"label": "cut", "share": 1.0, "count": 5}]
    assert first["exemplars"][0]["path"] == "film-4.mp4"
    assert found["least_pure"][0]["labels"][1] == {"label": "boil", "share": 0.4, "count": 2}
    assert found["clusterings"][0]["ranked"] == 2
    assert (found["target"], found["page"]) == ("action", str(page))
    assert "cut" in page.read_text(encoding="utf-8")
    render("concepts", found)
    shown = capsys.readouterr().out
    assert "stir 0.60 (3)" in shown
    assert "film-4.mp4#0.0-1.0" in shown


def test_concepts_without_labels_are_told_by_words(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run.make(tmp_path)
    found = triptych.concepts(tmp_path / "run", manifest=tmp_path / "manifest.parquet", top=1)
    assert {"purest", "least_pure", "labels", "page"}.isdisjoint(found)
    assert found["largest"][0]["words"] == ["pot", "stir"]
    render("concepts", found)
    assert "pot, stir" in capsys.readouterr().out


def test_labels_that_match_nothing_give_one_line(tmp_path: Path) -> None:
    run.make(tmp_path)
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label\nother.mp4,x\n")
    with pytest.raises(UserError, match=r"labels\.csv: none of its 1 keys names a clip") as error:
        triptych.concepts(tmp_path, labels=labels)
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="--target names a column of --labels"):
        triptych.concepts(tmp_path, target="label")
    with pytest.raises(UsageError, match="--top 0: must be 1 or more"):
        triptych.concepts(tmp_path, top=0)


def test_a_page_never_takes_the_place_of_something_else(tmp_path: Path) -> None:
    run.make(tmp_path)
    best = tmp_path / "run" / "checkpoints" / "best.safetensors"
    before = best.read_bytes()
    (tmp_path / "folder.html").mkdir()
    for out in (best, tmp_path / "embeddings.parquet", tmp_path / "folder.html"):
        with pytest.raises(UsageError, match=rf"{out.name}: a page is a file called \.html"):
            triptych.concepts(tmp_path, out=out)
    assert best.read_bytes() == before


def test_filters_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    best, initial = (tmp_path / f"{name}.safetensors" for name in ("best", "initial"))
    save_run(best, seed=1)
    save_run(initial, seed=2)
    found = triptych.filters(best, out=tmp_path / "f.png", beside=initial)
    assert json.loads(json.dumps(found)) == found
    assert (tmp_path / "f.png").stat().st_size > 10_000
    assert [row["kind"] for row in found["filters"]] == ["space", "time", "mel-time"] * 2
    assert all(abs(row["like_first"]) < 0.5 for row in found["filters"][3:])  # other seeds
    render("filters", found)
    shown = capsys.readouterr().out
    assert "mel-time" in shown
    assert "energy" not in shown


def test_a_wrong_picture_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"f\.gif"):
        triptych.filters(tmp_path / "gone", out=tmp_path / "f.gif")
    with pytest.raises(UserError, match="gone: no checkpoint here"):
        triptych.filters(tmp_path / "gone", out=tmp_path / "f.png")
