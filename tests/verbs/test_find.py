import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import triptych
from tests.embeddings.test_model import save_run
from tests.evaluate.test_retrieval import table_of
from triptych.cli import main
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.explore.search import search
from triptych.manifest.schema import SCHEMA, Manifest, clip_id
from triptych.verbs.render import render

SAID = {
    "soup.mp4": ["onion", "onion onion", "knife", "salt", "salt"],
    "film.mp4": ["salt", "salt", "knife", "knife", "onion"],
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """What a fit leaves, of clips of four seconds that are words alone."""
    file = tmp_path / "run" / "checkpoints" / "last.safetensors"
    file.parent.mkdir(parents=True)
    save_run(file, ("video", "text"))
    model = Model.load(tmp_path / "run")
    clips = [(path, i, text) for path, texts in SAID.items() for i, text in enumerate(texts)]
    rows = [
        {
            "clip_id": clip_id(path, 4 * i, 4 * i + 4),
            "path": path,
            "start": 60.0 + 4 * i,
            "end": 64.0 + 4 * i,
            "text": text,
            "has_video": False,
            "has_audio": False,
            "has_text": True,
            "width": 0,
            "height": 0,
            "fps": 0.0,
            "fingerprint": "",
        }
        for path, i, text in clips
    ]
    said = [model.embed_text(text) for *_, text in clips]
    columns = {
        name: (np.stack([one[name] for one in said]), np.ones(len(said), bool)) for name in said[0]
    }
    manifest = Manifest(tmp_path / "my videos", pa.Table.from_pylist(rows, SCHEMA))
    table = EmbeddingTable.build(manifest, columns, model.sha256)
    table.write(tmp_path / "embeddings.parquet")
    return tmp_path


def test_a_query_finds_moments_that_open(work: Path, capsys: pytest.CaptureFixture) -> None:
    found = triptych.search(str(work), "onion", top=3)
    assert json.loads(json.dumps(found)) == found
    first = found["hits"][0]
    assert list(first) == ["path", "start", "end", "score", "text"]
    assert (first["path"], first["start"], first["end"]) == ("soup.mp4", 60.0, 68.0)
    assert first["text"] == "onion onion onion"
    assert found["open"] == (work / "my videos").as_uri() + "/soup.mp4#t=60,68"
    assert "my%20videos" in found["open"]
    render("search", found)
    shown = capsys.readouterr().out
    assert "soup.mp4#t=60,68" in shown
    assert "1:00.0  1:08.0" in shown
    clips = triptych.search(work, "onion", top=3, clips=True)["hits"]
    assert [(hit["path"], hit["start"]) for hit in clips][:1] == [("soup.mp4", 60.0)]
    assert all(hit["end"] - hit["start"] == 4 for hit in clips)
    inside = triptych.search(work, "onion", within="film.mp4")["hits"]
    assert {hit["path"] for hit in inside} == {"film.mp4"}
    assert inside[0]["start"] == 76.0


def test_a_hit_is_a_query_itself(work: Path) -> None:
    """What is shown as a moment is read as one."""
    from triptych.explore.query import Span, moment, read_query

    (work / "soup.mp4").write_bytes(b"")
    shown = moment("soup.mp4", 60.25, 68.0)
    assert shown == "soup.mp4#t=60.25,68"
    assert read_query(shown, root=work) == Span(work / "soup.mp4", 60.25, 68.0)


def test_steps_are_placed_and_the_video_that_holds_them_is_found(
    work: Path, capsys: pytest.CaptureFixture
) -> None:
    found = triptych.search(work, steps="onion; knife; salt")
    assert json.loads(json.dumps(found)) == found
    assert [hit["path"] for hit in found["hits"]] == ["soup.mp4", "film.mp4"]
    assert found["hits"][0]["start"] == 60.0
    assert found["hits"][0]["end"] == 80.0
    spans = [(row["step"], row["start"], row["end"]) for row in found["steps"][:3]]
    assert spans == [(1, 60.0, 68.0), (2, 68.0, 72.0), (3, 72.0, 80.0)]
    assert found["open"].endswith("/soup.mp4#t=60,80")
    back = triptych.search(work, steps="salt; knife; onion", top=1)["hits"]
    assert [hit["path"] for hit in back] == ["film.mp4"]
    one = triptych.search(work, steps="salt; onion", within="soup.mp4")
    assert {row["path"] for row in one["steps"]} == {"soup.mp4"}
    render("search", found)
    shown = capsys.readouterr().out
    assert "Where each step is" in shown
    assert "soup.mp4#t=68,72" in shown


def test_more_steps_than_clips_have_no_place(work: Path, capsys: pytest.CaptureFixture) -> None:
    found = triptych.search(work, steps=";".join(["onion", "knife", "salt"] * 2), top=1)
    assert [row["start"] is None for row in found["steps"]].count(True) == 1
    render("search", found)
    assert "no place" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "give what to look for"),
        ({"query": "onion", "steps": "onion; salt"}, "not both"),
        ({"query": "  "}, "an empty query"),
        ({"steps": "onion"}, "only 'onion' in 'onion'; give two or more with ; between"),
        ({"steps": ";"}, "nothing in ';'"),
        ({"steps": "onion; salt", "clips": True}, "--clips and --how are for a query"),
        ({"query": "onion", "how": "fast"}, "how='fast': one of exact, approximate"),
        ({"query": "onion", "through": "smell"}, "through='smell': one of video, audio, text"),
    ],
)
def test_wrong_usage_gives_one_line(work: Path, given: dict, line: str) -> None:
    with pytest.raises(UsageError, match=line) as error:
        triptych.search(work, **given)
    assert "\n" not in str(error.value)


def test_what_cannot_be_found_gives_one_line(work: Path) -> None:
    with pytest.raises(UserError, match=r"other\.mp4: no clip of this file under .*my videos"):
        triptych.search(work, "onion", within="other.mp4")
    with pytest.raises(UserError, match="garlic"):
        triptych.search(work, steps="onion; garlic")
    content = (work / "embeddings.parquet").read_bytes()
    (work / "embeddings.parquet").write_bytes(content[:-20])
    with pytest.raises(UserError, match="not a Parquet file"):
        triptych.search(work, "onion")


def test_the_verb_gives_what_the_function_gives(work: Path) -> None:
    model = Model.load(work / "run")
    table = EmbeddingTable.read(work / "embeddings.parquet")
    hits = search(table, model.embed_text("knife"), 4)
    assert triptych.search(work, "knife", top=4, clips=True)["hits"] == [hit.row() for hit in hits]


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    eye = np.eye(4, dtype=np.float32), np.ones(4, bool)
    table_of({"shared_video": eye, "shared_text": eye}, list("aabb")).write(tmp_path / "e.parquet")
    return tmp_path / "e.parquet"


def test_retrieval_needs_no_labels_and_takes_its_protocol(
    embeddings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "retrieval", str(embeddings), "query=video", "ties=optimistic", "--json"]
    monkeypatch.setattr("sys.argv", ["triptych", *words])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    assert '"vector": "video to text"' in capsys.readouterr().out
    found = triptych.evaluate("retrieval", embeddings, settings=["query=video"])
    assert found["table"][0]["value"] == 1.0


def test_a_layout_s_folder_stands_where_embeddings_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    save_run(tmp_path / "run" / "checkpoints" / "last.safetensors", ("video", "text"))
    words = ["--layout", "youcook2", str(tmp_path), "--run", str(tmp_path / "run"), "ties=average"]
    monkeypatch.setattr("sys.argv", ["triptych", "evaluate", "retrieval", *words])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 1
    said = capsys.readouterr().err
    assert "youcook_val_audio.pkl" in said
    assert said.count("\n") == 1


def test_settings_are_of_retrieval_and_localization_only(embeddings: Path) -> None:
    with pytest.raises(UsageError, match="knn: needs a CSV of labels"):
        triptych.evaluate("knn", embeddings)
    with pytest.raises(UsageError, match="'k=3': only retrieval and localization have settings"):
        triptych.evaluate("knn", embeddings, "labels.csv", ["k=3"])
    with pytest.raises(UsageError, match=r"ties.*should be 'average'"):
        triptych.evaluate("retrieval", embeddings, settings=["ties=fair"])
