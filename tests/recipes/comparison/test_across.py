from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluate.test_retrieval import table_of
from tests.small import Small
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.evaluate.labels import Joined
from triptych.evaluate.tally import Tally
from triptych.recipes.comparison.across import Across, Tallied, is_across, names_twice, read


def labelled(small: Small) -> list[tuple[str, Joined]]:
    """Every second clip is odd; the last two films are the test part."""
    paths = small.manifest.column("path").astype(str)
    rows = np.arange(len(paths))
    kinds = np.where(rows % 2, "odd", "even")
    split = np.where(np.isin(paths, sorted(set(paths))[4:]), "test", "train")
    return [("parity", Joined(rows, kinds, paths, None, split, 0, []))]


def evaluators(small: Small, word: str) -> list[Across]:
    return read(word, small.manifest, small.manifest, labelled(small))


def steps_file(small: Small, folder: Path, split: str = "") -> Path:
    paths = sorted(set(small.manifest.column("path")))
    lines = ["path,start,end,words" + (",split" if split else "")]
    for path in paths:
        lines += [f"{path},{n},{n + 1},step {n}" + (f",{split}" if split else "") for n in (1, 3)]
    (folder / "steps.csv").write_text("\n".join(lines) + "\n")
    return folder / "steps.csv"


def no_model() -> Model:
    raise AssertionError("no words are needed")


def table(small: Small, modalities: tuple[str, ...] = ("video", "text")) -> EmbeddingTable:
    random = np.random.default_rng(0)
    count = len(small.manifest)
    vectors = {
        f"shared_{name}": (random.normal(size=(count, 4)).astype("f4"), small.manifest.has(name))
        for name in modalities
    }
    return EmbeddingTable.build(small.manifest, vectors, "w0")


def test_an_evaluator_is_called_after_what_sets_it_apart(small: Small, tmp_path: Path) -> None:
    (plain,) = evaluators(small, "retrieval")
    assert (plain.name, plain.target, plain.kind) == ("retrieval", "clip", "retrieval")
    assert plain.probes == [f"retrieval {m}" for m in ("R@1", "R@5", "R@10", "median rank")]
    (other,) = evaluators(small, "retrieval:right=label;ties=optimistic")
    assert (other.name, other.target) == ("retrieval right=label ties=optimistic", "parity")
    assert other.probes[-1] == "retrieval right=label ties=optimistic mAP"
    steps = steps_file(small, tmp_path)
    (placed,) = evaluators(small, f"localization:steps={steps};order=none")
    assert placed.name == "localization order=none"
    assert placed.probes == [
        f"localization order=none {m}" for m in ("recall", "IoD", "IoU", "frames")
    ]
    names_twice([plain, other, placed])
    with pytest.raises(UsageError, match="retrieval: is asked for twice"):
        names_twice([plain, plain])
    assert is_across("localization:x=y")
    assert not is_across("linear")


def test_only_films_of_the_test_part_are_looked_at(small: Small, tmp_path: Path) -> None:
    paths = sorted(set(small.manifest.column("path")))
    (placed,) = evaluators(small, f"localization:steps={steps_file(small, tmp_path)}")
    assert [video.path for video in placed.videos] == paths[4:]
    assert placed.clips is not None
    assert set(placed.clips.column("path")) == set(paths[4:])
    # Where the steps say it themselves, they are right.
    (said,) = evaluators(small, f"localization:steps={steps_file(small, tmp_path, 'test')}")
    assert len(said.videos) == 6
    # Time lines of the same films may be another manifest.
    small.manifest.select(np.arange(0, len(small.manifest), 2)).write(tmp_path / "t.parquet")
    word = f"localization:steps={steps_file(small, tmp_path)};clips={tmp_path / 't.parquet'}"
    (lines,) = evaluators(small, word)
    assert lines.whole == tmp_path / "t.parquet"
    assert lines.rows is not None
    assert 0 < len(lines.rows) < len(placed.rows if placed.rows is not None else ())


def test_what_can_be_refused_is_refused_before_any_training(small: Small, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'rihgt' is not a key; did you mean right"):
        evaluators(small, "retrieval:rihgt=clip")
    with pytest.raises(UsageError, match="steps is of localization"):
        evaluators(small, "retrieval:steps=x.csv")
    with pytest.raises(UsageError, match="say where the true steps are"):
        evaluators(small, "localization")
    with pytest.raises(UserError, match="cannot be read"):
        evaluators(small, "localization:steps=nowhere.csv")
    steps = steps_file(small, tmp_path)
    text = steps.read_text().replace("path,", "file,").splitlines()
    first = sorted(set(small.manifest.column("path")))[0]
    steps.write_text("\n".join(line for line in text if line.startswith(("file", first))))
    with pytest.raises(UsageError, match="none of its files is of the labels' test part"):
        evaluators(small, f"localization:steps={steps}")
    (label,) = evaluators(small, "retrieval:right=label")
    assert label.joined is not None
    alone = replace(label, joined=replace(label.joined, labels=small.manifest.column("clip_id")))
    with pytest.raises(UserError, match="another group's clip of its label"):
        alone.attempt(small.manifest)
    evaluators(small, "retrieval")[0].attempt(small.manifest)


def test_a_row_whose_modalities_share_no_space_says_so(small: Small) -> None:
    (plain,) = evaluators(small, "retrieval")
    apart = table(small, ())
    found = plain.judge(apart, no_model, "sdc", 0)
    assert found.tallies == []
    assert "share no space" in found.lacks
    only = plain.judge(table(small, ("video", "audio")), no_model, "xdc", 0)
    assert "no shared_text; the common space holds video, audio" in only.lacks


def test_tallies_are_kept_for_the_same_vectors(small: Small, tmp_path: Path) -> None:
    (label,) = evaluators(small, "retrieval:right=label")
    found = label.judge(table(small), no_model, "xcc", 5)
    assert found.protocol["seeds"] == [5]
    assert found.rows[0]["vector"] == "text to video"
    found.write(tmp_path / "t.parquet", {"of": 1})
    again = Tallied.read(tmp_path / "t.parquet", {"of": 1})
    assert again is not None
    assert (again.rows, again.protocol, again.chance) == (found.rows, found.protocol, found.chance)
    for one, other in zip(found.tallies, again.tallies, strict=True):
        assert (one.metric, one.statistic) == (other.metric, other.statistic)
        assert one.interval() == other.interval()
        assert one.names.tolist() == other.names.tolist()
    assert Tallied.read(tmp_path / "t.parquet", {"of": 2}) is None
    (tmp_path / "t.parquet").write_bytes(b"half a fi")
    assert Tallied.read(tmp_path / "t.parquet", {"of": 1}) is None
    names = np.array(["a", "b"])
    whole = Tally("recall", np.array([[1.0], [0.5]]), names, names, np.array([3.0, 4.0]), names)
    Tallied([whole], {}, [], {}).write(tmp_path / "u.parquet", {})
    kept = Tallied.read(tmp_path / "u.parquet", {})
    assert kept is not None
    assert kept.tallies[0].weights is not None
    assert kept.tallies[0].weights.tolist() == [3, 4]
    assert kept.tallies[0].interval() == whole.interval()


def test_vectors_of_the_clips_themselves_find_them() -> None:
    eye = np.eye(4, dtype=np.float32), np.ones(4, bool)
    same = table_of({"shared_video": eye, "shared_text": eye}, list("abcd"))
    clips = Joined(np.arange(4), np.array(list("wxyz")), np.array(list("abcd")), None, None, 0, [])
    (plain,) = read("retrieval", None, None, [("kind", clips)])  # type: ignore[arg-type]
    found = plain.judge(same, no_model, "r", 0)
    assert [tally.value for tally in found.tallies] == [1.0] * 5
