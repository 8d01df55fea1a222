"""Miniatures in the official layouts, scored by runs that were trained on features as theirs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

import triptych
from tests.evaluate.layouts import (
    test_coin,
    test_crosstask,
    test_mining_youtube,
    test_msrvtt,
    test_youcook2,
)
from tests.small import RECIPE, Small
from tests.training.test_features import store_of
from triptych import config
from triptych.embeddings.alignment import points
from triptych.embeddings.model import Model
from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import coin, crosstask, youcook2
from triptych.evaluate.layouts.sets import Segment, Timeline
from triptych.evaluate.official import OfSet, evaluate_official, steps_of
from triptych.evaluate.results import read_results
from triptych.training.pretrain import pretrain

SAID = (
    "crack egg and add salt", "boil water then pour water", "stir the onions",
    "cut the skin and eat it", "chop it and whisk egg", "pull it and flip the one",
)  # fmt: skip
Runs = Callable[..., Path]


@pytest.fixture(scope="module")
def trained(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Gives the run of MCN on stored features of these streams, trained where it is not yet."""
    said = pa.array([SAID[i % len(SAID)] for i in range(len(small.manifest))])
    place = small.manifest.table.column_names.index("text")
    manifest = replace(small.manifest, table=small.manifest.table.set_column(place, "text", said))
    made: dict[Any, Path] = {}

    def run(*streams: tuple[str, int], modalities: str = "video,audio,text") -> Path:
        key = (streams, modalities)
        if key not in made:
            root = tmp_path_factory.mktemp("official")
            stores = [
                store_of(manifest, root / f"{name}.features", "video", dim, 1.0)
                for name, dim in streams
            ]
            named = f"features.video={','.join(map(str, stores))}"
            pairs = ["method=mcn", "joint.width=16", "epochs=1", f"modalities={modalities}", named]
            if "audio" in modalities:
                pairs.append("encoders.audio=davenet_small")
            recipe = config.override(RECIPE, pairs)
            made[key] = pretrain(manifest, recipe, root / "run", small.source).run
        return made[key]

    return run


YOUCOOK2 = (("2d", 2048), ("3d", 2048))
MSRVTT = (("2d", 8), ("3d", 6))
CROSSTASK = (("i3d", 1024), ("resnet152", 2048))
MINING = (("flow", 1024), ("rgb", 1024))
COIN = (("features", 5),)


def figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows}


def youcook2_folder(folder: Path) -> Path:
    ids = [f"{video}{n}" for video in ("aB-_4567890_", "-bcdefghij__") for n in range(4)]
    return test_youcook2.saved(
        folder,
        [
            test_youcook2.clip(0, i, id=name, caption=SAID[i % len(SAID)])
            for i, name in enumerate(ids)
        ],
    )


def test_youcook2_clips_are_found_by_their_sentences(trained: Runs, tmp_path: Path) -> None:
    folder, run, out = youcook2_folder(tmp_path), trained(*YOUCOOK2), tmp_path / "results.json"
    rows = evaluate_official("youcook2", folder, what="retrieval", run=run, out=out)
    place = {
        "row": "mcn", "probe": "retrieval youcook2", "vector": "text to video+audio",
        "target": "clip", "n": 8,
    }  # fmt: skip
    assert all(rows[0][key] == value for key, value in place.items())
    # The same from what the layout's files hold, by the parts of the model.
    model, found = Model.load(run), youcook2.read(folder)
    assert found.video is not None
    assert found.audio is not None
    words = np.stack([model.embed_text(text)["shared_text"] for text in found.captions])
    clips = model.shared("video", found.video)
    spectrograms, frames = found.audio.batch(range(8))
    heard = model.encoders["audio"].of_spectrograms(*map(torch.from_numpy, (spectrograms, frames)))
    clips = clips + model.shared("audio", heard.detach().numpy())
    scores = words.astype(float) @ clips.T.astype(float)
    own = np.diag(scores)[:, None]
    ranks = 1 + (scores > own + 1e-7).sum(1) + ((abs(scores - own) <= 1e-7).sum(1) - 1) / 2
    assert figures(rows)["mean rank"] == pytest.approx(ranks.mean(), abs=0.01)
    (kept,) = read_results(out).values()
    told = kept["protocol"]
    assert told["layout"] == "youcook2"
    assert told["checkpoint"] == model.sha256
    assert told["set"]["denominator"] == told["n_queries"] == 8
    assert told["set"]["streams"] == [{"name": "2d", "dim": 2048}, {"name": "3d", "dim": 2048}]
    assert told["ties"] == "average"


def test_msrvtt_s_968_clips_are_found_among_1000(trained: Runs, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    clips = [
        test_msrvtt.clip(
            n, eval_caption=SAID[n % len(SAID)],
            **{"2d_pooled": draw.normal(size=8), "3d_pooled": draw.normal(size=6)},
        )
        for n in range(968)
    ]  # fmt: skip
    test_msrvtt.avlnet(tmp_path, clips)
    run, out = trained(*MSRVTT, modalities="video,text"), tmp_path / "results.json"
    rows = evaluate_official("msrvtt", tmp_path, what="retrieval", run=run, out=out)
    assert rows[0]["n"] == 1000
    told = next(iter(read_results(out).values()))["protocol"]
    wanted = {"n_items": 968, "n_queries": 1000, "n_queries_missed": 32}
    assert {key: told[key] for key in wanted} == wanted
    assert told["set"]["they_count_as"] == "mistakes"
    # By chance 10 of 968 places are right, and 32 queries have no clip.
    chance = {row["metric"]: row["chance"] for row in rows}
    assert chance["R@10"] == pytest.approx(10 / 968 * 968 / 1000)


def test_clips_of_msrvtt_that_are_not_here_may_be_left_out_and_are_no_answers(
    trained: Runs, tmp_path: Path
) -> None:
    clips = [test_msrvtt.clip(n, eval_caption=SAID[n]) for n in range(4)]
    test_msrvtt.listed(test_msrvtt.avlnet(tmp_path, clips), list(range(7)))
    run, out = trained(*MSRVTT, modalities="video,text"), tmp_path / "results.json"

    def rows(*settings: str) -> list[dict[str, Any]]:
        return evaluate_official(
            "msrvtt", tmp_path, what="retrieval", run=run, out=out, settings=settings
        )

    missed, less = rows("absent=mistakes"), rows("absent=left out")
    assert (missed[0]["n"], less[0]["n"]) == (7, 4)
    assert figures(less)["R@1"] == pytest.approx(figures(missed)["R@1"] * 7 / 4)
    # What is not here has no pictures to ask with, and is no sentence to be found.
    back = rows("query=video", "absent=mistakes")
    assert (back[0]["vector"], back[0]["n"]) == ("video to text", 4)
    told = read_results(out)
    assert len(told) == 3
    assert {one["protocol"]["n_items"] for one in told.values()} == {4}


def test_crosstask_s_recall_is_that_of_the_release(
    trained: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run = test_crosstask.release(tmp_path), trained(*CROSSTASK, modalities="video,text")
    out = tmp_path / "results.json"
    rows = evaluate_official("crosstask", folder, what="localization", run=run, out=out)
    assert "published protocol: order=task hit=touch scores=log_softmax" in capsys.readouterr().err
    model, found = Model.load(run), crosstask.read(folder)
    hits, wanted = {}, {}
    each: dict[str, list[float]] = {}
    for one in found.timelines:
        words = [model.embed_text(step)["shared_text"] for step in one.steps]
        scores = model.shared("video", one.features()).astype(float) @ np.array(words, float).T
        scores -= np.log(np.exp(scores).sum(1, keepdims=True))
        truth = one.truth()
        placed = points(scores).starts
        right = sum(truth[row, step] for step, row in enumerate(placed))
        of = truth.any(0).sum()
        hits[one.task] = hits.get(one.task, 0) + right
        wanted[one.task] = wanted.get(one.task, 0) + of
        each.setdefault(one.task, []).append(right / of)
    official = np.mean([hits[task] / wanted[task] for task in hits])
    assert figures(rows)["recall"] == pytest.approx(official)
    by_video = np.mean([np.mean(values) for values in each.values()])
    assert figures(rows)["recall of videos"] == pytest.approx(by_video)
    told = next(iter(read_results(out).values()))["protocol"]
    assert (told["order"], told["hit"], told["n_files"]) == ("task", "touch", 3)
    assert told["set"]["segments_beyond_the_features"] == 1
    assert told["set"]["rows_a_second"] == [1.0]
    assert told["set"]["published_protocol"] == ["order=task", "hit=touch", "scores=log_softmax"]


def test_the_crosstask_of_mcn_takes_scores_as_they_are_and_tells_cooking_apart(
    trained: Runs, tmp_path: Path
) -> None:
    folder = test_crosstask.protocol(tmp_path)
    given: dict[str, Any] = {"what": "localization", "out": tmp_path / "results.json"}
    rows = evaluate_official("crosstask", folder, run=trained(("2d", 8), ("3d", 8)), **given)
    assert rows[0]["vector"] == "words to video+audio"
    assert {"recall of cooking", "recall of other"} <= set(figures(rows))
    told = next(iter(read_results(tmp_path / "results.json").values()))["protocol"]
    assert told["scores"] == "raw"
    settings = ["scores=log_softmax", "order=none", "through=video", "variant=howto100m"]
    other = evaluate_official(
        "crosstask", folder, run=trained(("2d", 8), ("3d", 8)), settings=settings, **given
    )
    assert other[0]["vector"] == "words to video"
    told = read_results(tmp_path / "results.json")
    [kept] = [one for name, one in told.items() if "scores=log_softmax" in name]
    assert (kept["protocol"]["scores"], kept["protocol"]["order"]) == ("log_softmax", "none")
    assert kept["protocol"]["hit"] == "touch"


def test_mining_youtube_s_frames(trained: Runs, tmp_path: Path) -> None:
    folder, run = test_mining_youtube.archive(tmp_path), trained(*MINING, modalities="video,text")
    rows = evaluate_official(
        "mining_youtube", folder, what="localization", run=run, settings=["subset=all"],
        out=tmp_path / "results.json",
    )  # fmt: skip
    assert set(figures(rows)) >= {"recall", "IoD", "IoU", "frames"}
    told = next(iter(read_results(tmp_path / "results.json").values()))["protocol"]
    assert (told["scores"], told["mean_rows"], told["frame_rate"]) == ("log_softmax", 150, 29.97)
    assert told["set"]["rows_a_second"] == [29.97]
    assert told["n_files"] == told["set"]["videos"] == 2
    assert told["n_true_steps"] == 4


def test_coin_s_seconds_get_the_nearest_of_all_steps_or_none(trained: Runs, tmp_path: Path) -> None:
    videos = {"a": test_coin.entry(), "b": test_coin.entry(annotation=[])}
    folder = test_coin.saved(tmp_path, **videos)
    (folder / "features").mkdir()
    draw = np.random.default_rng(0)
    for video in videos:
        np.save(folder / "features" / f"{video}.npy", draw.normal(size=(11, 5)))
    run = trained(*COIN, modalities="video,text")
    out = tmp_path / "results.json"
    rows = evaluate_official("coin", folder, what="localization", run=run, out=out)
    got = figures(rows)
    assert {"AP@0.1", "recall@0.9", "F1@0.5", "mIoU"} <= set(got)
    model, found = Model.load(run), coin.read(folder)
    one = found.timelines[0]
    labels = list(dict.fromkeys(found.labels))
    words = np.array([model.embed_text(label)["shared_text"] for label in labels], float)
    scores = model.shared("video", one.features()).astype(float) @ words.T
    alike = max(words[i] @ words[j] for i in range(len(words)) for j in range(i))
    best = [labels[row.argmax()] if row.max() > alike else "" for row in scores]
    seen = [best[frame // 10] for frame in range(110)]
    true = [""] * 110
    for step, start, end in one.segments:
        for frame in range(110):
            if start <= (frame + 0.5) / 10 < end:
                true[frame] = one.steps[step]
    assert got["frames"] == pytest.approx(
        np.mean([a == b for a, b in zip(seen, true, strict=True)])
    )
    told = next(iter(read_results(out).values()))["protocol"]
    wanted = {"order": "none", "among": "set", "background": "words", "n_files_left_out": 1}
    assert {key: told[key] for key in wanted} == wanted
    assert told["set"]["videos_without_segments"] == 1
    ordered = evaluate_official(
        "coin", folder, what="localization", run=run, settings=["order=task", "detection=false"]
    )
    assert "AP@0.1" not in figures(ordered)


def test_steps_are_those_of_the_file_the_task_or_the_set() -> None:
    segments = (Segment(1, 8, 30), Segment(0, 2, 4), Segment(1, 5, 6), Segment(2, 10, 12))
    one = Timeline("v", "t", ("b", "a", "c", "b"), (0, 1, 2, 3), segments, 1.0, rows=10)
    spans = [[2, 4], [5, 6], [8, 10]]  # cut behind the last row
    file = steps_of(one, (), OfSet(order="file"))
    assert (file.words, file.of.tolist()) == (("b", "a", "a"), [0, 1, 2])
    task = steps_of(one, (), OfSet(order="task"))
    assert (task.words, task.of.tolist()) == (one.steps, [0, 1, 1])
    for among, words, of in (
        ("file", ("a", "b"), [1, 0, 0]),
        ("task", ("a", "b", "c"), [1, 0, 0]),
        ("set", ("z", "b", "a"), [1, 2, 2]),
    ):
        found = steps_of(one, ("z", "b"), OfSet(order="none", among=among))
        assert (found.words, found.of.tolist()) == (words, of)
        assert found.spans.tolist() == spans
    bare = steps_of(replace(one, segments=()), (), OfSet())
    assert not len(bare.of)


def test_what_does_not_fit_is_one_line(trained: Runs, tmp_path: Path) -> None:
    folder = youcook2_folder(tmp_path)
    run = trained(*MSRVTT, modalities="video,text")
    with pytest.raises(UserError) as caught:
        triptych.evaluate("retrieval", folder, layout="youcook2", run=run)
    line = str(caught.value)
    assert "holds 2d (2048) | 3d (2048), and the model learned from 2d (8) | 3d (6)" in line
    assert "\n" not in line
    given: dict[str, Any] = {"layout": "youcook2", "run": run}
    for what, more, said in (
        ("localization", {}, "layout 'youcook2' is not known; choose of coin, crosstask"),
        ("knn", {}, "evaluate knn: --layout is for retrieval and localization"),
        ("retrieval", {"run": None}, "--layout youcook2: needs --run RUN"),
        ("retrieval", {"labels": "labels.csv"}, "has its own labels and clips"),
        ("retrieval", {"settings": ["right=label"]}, "right=label: youcook2 has no labels"),
        ("retrieval", {"settings": ["hit=touch"]}, "'hit' is not a key; .*query, .*variant$"),
        ("retrieval", {"settings": ["ties"]}, "'ties': expected key=value"),
        ("retrieval", {"settings": ["variant=zip"]}, "variant 'zip' is not known"),
    ):
        with pytest.raises(UsageError, match=said):
            triptych.evaluate(what, folder, **{**given, **more})
    first = run / "checkpoints" / "initial.safetensors"
    with pytest.raises(UserError, match="words have no place in what video, text share under mcn"):
        triptych.evaluate("retrieval", folder, layout="youcook2", run=first)


def test_sound_and_words_that_the_model_does_not_take(
    trained: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = test_crosstask.protocol(tmp_path)
    steps = {"16815": ["crack egg", "xylophone", "flip egg"], "23521": ["boil water", "pour water"]}
    (folder / "step.json").write_text(json.dumps(steps))
    run = trained(("2d", 8), ("3d", 8), modalities="video,text")
    given: dict[str, Any] = {"what": "localization", "run": run}
    evaluate_official("crosstask", folder, **given)
    assert "1 of 5 steps have no word that the model knows" in capsys.readouterr().err
    with pytest.raises(UserError, match="through=audio: set and model have no audio in common"):
        evaluate_official("crosstask", folder, settings=["through=audio"], **given)
    unknown = {"16815": ["x", "y", "z"], "23521": ["u", "w"]}
    (folder / "step.json").write_text(json.dumps(unknown))
    with pytest.raises(UserError, match="the model knows no word of its 5 steps"):
        evaluate_official("crosstask", folder, **given)
