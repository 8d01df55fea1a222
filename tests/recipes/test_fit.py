import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import triptych
from triptych.demo.collection import Collection, make_collection
from triptych.demo.knobs import Knobs
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import Manifest
from triptych.recipes.fit import Clock, _schedule
from triptych.recipes.plan import choose

SMALL = ["clip.frames=4", "clip.size=32", "clustering.k=4", "epochs=2", "batch=8"]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    knobs = Knobs(videos=6, steps=6, step_seconds=2.5, width=64, height=48, frame_rate=10.0)
    return make_collection(tmp_path_factory.mktemp("demo") / "collection", knobs, workers=0)


@pytest.fixture(scope="module")
def work(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    videos = collection.videos
    (videos / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42 and then nothing")
    out = tmp_path_factory.mktemp("work")
    # As text: so do people write paths in Python.
    triptych.fit(str(videos), out=str(out), overrides=SMALL, minutes=2.0, workers=1)
    return out


def test_everything_promised_is_there(work: Path) -> None:
    names = {path.name for path in work.iterdir()}
    assert names >= {
        "manifest.parquet", "problems.parquet", "cache", "run", "embeddings.parquet",
        "clusters.parquet", "fit.json", "report.html",
    }  # fmt: skip
    facts = json.loads((work / "fit.json").read_text())
    assert facts["finished"]
    assert facts["epochs"] == 2
    assert sum(facts["stages"].values()) < 120
    clips = pq.read_table(work / "embeddings.parquet")
    assert set(clips["checkpoint"].to_pylist()) == {facts["sha256"]}
    assert min(clips["cluster"].to_pylist()) >= 0
    problems = pq.read_table(work / "problems.parquet").to_pylist()
    assert [row["path"] for row in problems] == ["broken.mp4"]


def test_search_by_words_and_by_a_span_say_file_start_and_end(
    work: Path, collection: Collection
) -> None:
    hits = triptych.search(str(work), "stir the pot", top=3)["hits"]
    assert len(hits) == 3
    assert "stir" in hits[0]["text"]
    video = sorted(collection.videos.glob("*.mp4"))[1]
    clips = pq.read_table(work / "embeddings.parquet").to_pylist()
    clip = next(row for row in clips if row["path"] == video.name)
    # Two epochs of a tiny network hardly tell clips apart: the clip itself must be near the top.
    span = f"{video}#{clip['start']}-{clip['end']}"
    found = triptych.search(work, span, top=3, clips=True)["hits"]
    assert (video.name, clip["start"]) in {(hit["path"], hit["start"]) for hit in found}


def test_embeddings_of_other_weights_are_not_searched(work: Path, tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(work / "run")
    table = EmbeddingTable.read(work / "embeddings.parquet")
    replace(table, info={**table.info, "checkpoint": "0" * 64}).write(
        tmp_path / "embeddings.parquet"
    )
    with pytest.raises(UserError, match="made with other weights than its run has now"):
        triptych.search(tmp_path, "stir the pot")


def test_a_second_fit_in_the_same_folder_is_refused(work: Path, collection: Collection) -> None:
    with pytest.raises(UserError, match="holds a fit already; --resume"):
        triptych.fit(collection.videos, out=work)


def test_a_finished_fit_resumed_keeps_its_weights(work: Path, collection: Collection) -> None:
    before = json.loads((work / "fit.json").read_text())["sha256"]
    again = triptych.fit(
        collection.videos, out=work, overrides=SMALL, resume=True, minutes=2.0, workers=1
    )
    assert again["sha256"] == before


def test_a_fit_resumed_with_a_changed_recipe_is_refused(work: Path, collection: Collection) -> None:
    changed = [*SMALL, "optimisation.rate=0.1"]
    with pytest.raises(UserError, match=r"another recipe .*rate 0\.002 became 0\.1"):
        triptych.fit(collection.videos, out=work, overrides=changed, resume=True, workers=1)


def test_what_the_user_sets_is_not_planned_over(work: Path, tmp_path: Path) -> None:
    manifest = Manifest.read(work / "manifest.parquet")
    given = ["refresh_every=1", "modalities=text", "method=sdc"]
    recipe, _ = choose(manifest, given)
    clock = Clock.start(1.0)
    planned, _ = _schedule(manifest, recipe, given, clock, [], tmp_path, False)
    assert planned.refresh_every == 1
    assert planned.epochs > 1


def test_a_folder_without_media_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(UserError, match="nothing to learn from"):
        triptych.fit(tmp_path, out=tmp_path / "work")


def test_a_fit_resumed_without_its_overrides_keeps_them(work: Path, collection: Collection) -> None:
    before = json.loads((work / "fit.json").read_text())
    again = triptych.fit(collection.videos, out=work, resume=True, workers=1)
    assert again["sha256"] == before["sha256"]
    assert json.loads((work / "fit.json").read_text())["recipe"] == before["recipe"]


def test_resume_refuses_another_collection_and_keeps_the_old_manifest(
    work: Path, collection: Collection, tmp_path: Path
) -> None:
    film = next(collection.videos.glob("video-*.mp4"))
    (tmp_path / film.name).write_bytes(film.read_bytes())
    before = (work / "manifest.parquet").read_bytes()
    with pytest.raises(UserError, match="not as it was when the fit"):
        triptych.fit(tmp_path, out=work, overrides=SMALL, resume=True, workers=1)
    assert (work / "manifest.parquet").read_bytes() == before


@pytest.mark.parametrize(
    "limit", [{"minutes": float("nan")}, {"minutes": 0.0}, {"disk": float("nan")}, {"disk": -1.0}]
)
def test_a_limit_that_is_none_is_wrong_usage(limit: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be a number"):
        triptych.fit(tmp_path, out=tmp_path / "work", **limit)


def test_a_search_in_the_wrong_folder_names_the_right_one(work: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a folder that `triptych fit` has finished; make one"):
        triptych.search(tmp_path, "stir the pot")
    (tmp_path / "fit").symlink_to(work)
    with pytest.raises(UserError, match=r"did you mean .*fit\?"):
        triptych.search(tmp_path, "stir the pot")
