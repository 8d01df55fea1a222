import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from tests.small import RECIPE, Small
from triptych.atomic import alone
from triptych.clips.cache import CachedClips, ClipCache
from triptych.clips.dataset import ClipLoader, FileClips, View
from triptych.descriptors.table import DescriptorTable
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.encoders.text import WordInput
from triptych.errors import UserError
from triptych.manifest.scan import scan
from triptych.manifest.schema import Manifest
from triptych.methods.method import declare, names
from triptych.seeds import derive
from triptych.state import checkpoint, tensor_file
from triptych.training import loop, memory, refresh
from triptych.training.held_back import held_back
from triptych.training.joint_recipe import Drawing, JointSpace, Queueing
from triptych.training.log import read_metrics
from triptych.training.pretrain import pretrain
from triptych.training.recipe import (
    NO_AUGMENTATION,
    Aggregation,
    Bank,
    Clustering,
    Contrastive,
    Encoders,
    Prior,
    Recipe,
)
from triptych.training.source import open_source, spec_of

NEAR = Aggregation(neighbours=9, clusterings=2)
TWO = Clustering(k=2, starts=1, whiten=False)
SPAWN = multiprocessing.get_context("spawn")


def train(manifest: Path, cache: Path, out: Path, recipe: Recipe, resume: bool) -> None:
    torch.set_num_threads(1)
    clips = Manifest.read(manifest)
    source = CachedClips(ClipCache.open(cache, clips, spec_of(recipe.clip)))
    pretrain(clips, recipe, out, source, resume=resume, save_every=0.0)


def kill_at(place: str, count: int) -> None:
    """Make the ``count``-th call of a function the process's last."""
    module, name = {
        "step": (loop, "train_step"),
        "cluster": (refresh, "kmeans"),
        "cluster bank": (memory, "kmeans"),
    }.get(place, (tensor_file, "save_file"))
    real: Callable[..., Any] = getattr(module, name)
    calls = 0

    def counted(*args: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            if place == "save":  # with half a file written
                Path(args[1]).write_bytes(b"half a checkpoint")
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **keywords)

    setattr(module, name, counted)


def train_and_die(
    manifest: Path, cache: Path, out: Path, recipe: Recipe, resume: bool, kill: tuple[str, int]
) -> None:
    kill_at(*kill)
    train(manifest, cache, out, recipe, resume)


@pytest.fixture(scope="module")
def saved(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("manifest") / "manifest.parquet"
    small.manifest.write(path)
    return path


@pytest.fixture(scope="module")
def unbroken(saved: Path, small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    process = SPAWN.Process(target=train, args=(saved, small.cache, out, RECIPE, False))
    process.start()
    process.join()
    assert process.exitcode == 0
    return out


def tensors(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return checkpoint.load(run / "checkpoints" / f"{name}.safetensors")[0]


def die(saved: Path, small: Small, out: Path, recipe: Recipe, kills: list[tuple[str, int]]) -> None:
    """Train ``recipe`` to its end, killed at every one of ``kills`` and resumed."""
    for kill in kills:
        process = SPAWN.Process(
            target=train_and_die, args=(saved, small.cache, out, recipe, True, kill)
        )
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    process = SPAWN.Process(target=train, args=(saved, small.cache, out, recipe, True))
    process.start()
    process.join()
    assert process.exitcode == 0


def same_bits(one: Path, other: Path, names: tuple[str, ...]) -> bool:
    for name in names:
        first, second = tensors(one, name), tensors(other, name)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), name
    return True


@pytest.mark.parametrize(
    "kills",
    [
        [("step", 1), ("step", 5), ("save", 3)],
        [("cluster", 4), ("save", 1), ("step", 2)],
    ],
    ids=["mid-epoch", "mid-refresh"],
)
def test_killed_and_resumed_ends_in_the_same_bits(
    saved: Path, small: Small, unbroken: Path, tmp_path: Path, kills: list[tuple[str, int]]
) -> None:
    die(saved, small, tmp_path, RECIPE, kills)
    assert same_bits(unbroken, tmp_path, ("last", "best", "initial"))
    untimed = [
        [(row["epoch"], row.get("loss"), row["clusterings"]) for row in read_metrics(path)]
        for path in (unbroken / "metrics.jsonl", tmp_path / "metrics.jsonl")
    ]
    assert untimed[0] == untimed[1]


BANKED = RECIPE.model_copy(
    update={
        "method": "xcc",
        "frozen": ("audio",),
        "balance": "none",
        "clustering": Clustering(k=4, starts=1, components=8, features="trained"),
        "contrast": Contrastive(alpha=(0.0, 0.5)),
    }
)
PLATEAU = RECIPE.model_copy(update={"method": "jdc", "refresh_on": "plateau", "held_back": 0.3})

INSTANCE = RECIPE.model_copy(update={"method": "ir", "bank": Bank(width=16, noise=5)})
AGGREGATED = RECIPE.model_copy(
    update={"method": "la", "modalities": ("video", "text"), "aggregation": NEAR}
)
QUEUED = RECIPE.model_copy(
    update={
        "method": "mcn",
        "joint": JointSpace(width=12, hidden=5),
        "queue": Queueing(size=19, every=2),
    }
)
RELEASED = QUEUED.model_copy(update={"method": "mcn_released", "draws": Drawing(per_file=2)})
BALANCED = QUEUED.model_copy(update={"queue": Queueing(size=9, every=3, by="sinkhorn")})
NEARBY = QUEUED.model_copy(update={"method": "mil_nce", "modalities": ("video", "text")})
RANKED = QUEUED.model_copy(update={"method": "max_margin", "frozen": ("video", "audio", "text")})


@pytest.mark.parametrize(
    ("recipe", "kills"),
    [  # 3 steps are an epoch
        (QUEUED, [("step", 2), ("step", 5), ("save", 4)]),
        (RELEASED, [("step", 5)]),
        (BALANCED, [("step", 5)]),
        (NEARBY, [("step", 5)]),
        (RANKED, [("step", 5)]),
        (BANKED, [("step", 1), ("step", 4)]),
        (PLATEAU, [("step", 8)]),
        (INSTANCE, [("step", 1), ("step", 3), ("save", 6)]),
        (AGGREGATED, [("step", 5), ("cluster bank", 5)]),
    ],
    ids="queued released balanced nearby ranked banked plateau instance aggregated".split(),
)
def test_banks_projections_and_held_back_losses_survive_a_kill(
    saved: Path, small: Small, tmp_path: Path, recipe: Recipe, kills: list[tuple[str, int]]
) -> None:
    Recipe.model_validate(recipe.model_dump())
    die(saved, small, tmp_path / "whole", recipe, [])
    die(saved, small, tmp_path / "killed", recipe, kills)
    assert same_bits(tmp_path / "whole", tmp_path / "killed", ("last", "initial"))
    rows = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("whole", "killed")]
    losses = [[row.get("held_back_loss") for row in found] for found in rows]
    assert losses[0] == losses[1]
    assert (losses[0][0] is not None) == (recipe is PLATEAU)


def test_clusters_of_bank_and_prior_side_by_side_survive_a_kill(
    saved: Path, small: Small, tmp_path: Path
) -> None:
    """In the middle of an epoch, and of a refresh, with the paper's vectors as they are."""
    paths = tuple(sorted(set(small.manifest.column("path"))))
    vectors = np.random.default_rng(0).normal(size=(len(paths), 5)).astype(np.float32)
    DescriptorTable(paths, vectors, None, {}).write(tmp_path / "prior.parquet")
    recipe = AGGREGATED.model_copy(
        update={
            "modalities": ("video",),
            "clustering": Clustering(k=4, starts=1, whiten=False, l2=False),
            "prior": Prior(file=tmp_path / "prior.parquet", space="joint", weight=0.5),
        }
    )
    die(saved, small, tmp_path / "whole", recipe, [])
    die(saved, small, tmp_path / "killed", recipe, [("step", 5), ("cluster bank", 2)])
    assert same_bits(tmp_path / "whole", tmp_path / "killed", ("last", "initial", "best"))
    made = [
        pq.read_table(tmp_path / "whole" / "assignments" / f"epoch_000{epoch}.parquet")["video_1"]
        for epoch in range(4)
    ]
    assert made[0] != made[2], "made anew as the bank moves"


def test_a_frozen_encoder_does_not_change_by_one_bit_and_the_others_do(
    small: Small, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 1, "frozen": ("text", "audio")})
    pretrain(small.manifest, recipe, tmp_path, small.source)
    before, after = tensors(tmp_path, "initial"), tensors(tmp_path, "last")
    for name in checkpoint.part(before, "encoders"):
        same = torch.equal(before[f"encoders.{name}"], after[f"encoders.{name}"])
        assert same or name.startswith("video."), name
    video = [name for name in before if name.startswith("encoders.video.") and "conv" in name]
    assert all(not torch.equal(before[name], after[name]) for name in video)
    # What teaches and what learns is there all the same: every edge has a loss.
    loss = read_metrics(tmp_path / "metrics.jsonl")[0]["loss"]
    assert len(loss) == 6
    assert min(loss.values()) > 0


def test_features_of_a_frozen_encoder_are_extracted_once(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []
    real = loop.extract

    def watched(encoders: dict[str, Any], *others: Any) -> Any:
        asked.append(set(encoders))
        return real(encoders, *others)

    monkeypatch.setattr(loop, "extract", watched)
    recipe = RECIPE.model_copy(update={"epochs": 2, "frozen": ("audio", "text")})
    pretrain(small.manifest, recipe, tmp_path, small.source)
    assert asked.count({"audio", "text"}) == 1
    assert asked.count({"video"}) == 3


def test_features_of_training_steps_are_not_extracted_again(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    real = loop.extract

    def watched(encoders: Any, batches: Any, *others: Any) -> Any:
        kept = list(batches)
        read.append(sum(len(batch.rows) for batch in kept))
        return real(encoders, kept, *others)

    monkeypatch.setattr(loop, "extract", watched)
    clustering = RECIPE.clustering.model_copy(update={"features": "trained"})
    recipe = RECIPE.model_copy(
        update={"epochs": 2, "clustering": clustering, "balance": "none", "method": "sdc"}
    )
    pretrain(small.manifest, recipe, tmp_path, small.source)
    clips = len(small.manifest)
    assert read[0] == clips  # nothing has been trained yet
    # An epoch of plain draws visits every clip that any encoder can be shown.
    shown = small.source.has("video") & small.source.has("audio")
    assert read[1] <= clips - int(shown.sum()) + RECIPE.batch


def test_labels_stay_until_the_loss_on_held_back_clips_stops_falling(
    small: Small, tmp_path: Path
) -> None:
    changed = {"epochs": 6, "refresh_on": "plateau", "held_back": 0.3, "method": "sdc"}
    pretrain(small.manifest, RECIPE.model_copy(update=changed), tmp_path, small.source)
    rows = read_metrics(tmp_path / "metrics.jsonl")[:-1]
    round_, expected = [], []
    for row in rows:  # by hand: new labels after the first loss that did not fall by 1 %
        expected.append(not round_ or (len(round_) > 1 and round_[-1] > 0.99 * min(round_[:-1])))
        round_ = [row["held_back_loss"]] if expected[-1] else [*round_, row["held_back_loss"]]
    assert [row["new_clusters"] for row in rows] == expected
    assert sum(expected) < len(expected)


def test_the_loss_on_held_back_clips_is_the_plain_mean_in_evaluation_mode(
    small: Small, tmp_path: Path
) -> None:
    """By hand from the checkpoint: no dropout, no weights, no clip that was trained on."""
    changed = {"refresh_on": "plateau", "held_back": 0.3, "method": "sdc", "modalities": ("text",)}
    recipe = RECIPE.model_copy(update={**changed, "epochs": 1})
    pretrain(small.manifest, recipe, tmp_path, small.source)
    model = Model.load(tmp_path / "checkpoints" / "last.safetensors")
    paths = small.manifest.column("path")
    rows = np.flatnonzero(held_back(paths, 0.3, derive(recipe.seed, "held back")))
    features, _ = embed(small.manifest, model, small.source).vectors("vector_text")
    weight, bias = model.heads["text_teaches_text"]
    logits = torch.from_numpy(features @ weight.T + bias).double()
    labels = torch.from_numpy(model.assignments["text"].labels)
    # A clip without words has no loss and counts in the mean, as in training.
    sums = F.cross_entropy(logits[rows], labels[rows], ignore_index=-1, reduction="sum")
    expected = sums.item() / len(rows)
    found = read_metrics(tmp_path / "metrics.jsonl")[0]["held_back_loss"]
    assert found == pytest.approx(expected, rel=1e-4)


def test_what_a_run_leaves_can_be_read(unbroken: Path, small: Small) -> None:
    rows = read_metrics(unbroken / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert all(row["new_clusters"] for row in rows), "refresh_every=1"
    assert all(0 <= row["data_wait"] <= 1 for row in rows[:3])
    assert "loss" not in rows[3]  # the clustering that judges the last weights
    labels = pq.read_table(unbroken / "assignments" / "epoch_0002.parquet")
    assert labels.column_names == ["clip_id", "video", "audio", "text"]
    assert labels["clip_id"].to_pylist() == small.manifest.table["clip_id"].to_pylist()
    assert json.loads((unbroken / "recipe.json").read_text())["batch"] == RECIPE.batch
    assert list((unbroken / "tensorboard").glob("events*"))
    assert not list(unbroken.rglob("*.part"))


def test_training_lowers_the_loss_on_labels_that_stay(small: Small, tmp_path: Path) -> None:
    changed = {"epochs": 12, "refresh_every": 12, "augmentation": NO_AUGMENTATION}
    pretrain(small.manifest, RECIPE.model_copy(update=changed), tmp_path, small.source)
    rows = read_metrics(tmp_path / "metrics.jsonl")[:-1]
    assert [row["new_clusters"] for row in rows] == [True] + [False] * 11
    losses = [sum(row["loss"].values()) for row in rows]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", names())
def test_every_method_trains_and_its_clips_can_be_embedded(
    name: str, small: Small, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"method": name, "epochs": 1})
    done = pretrain(small.manifest, recipe, tmp_path, small.source)
    method = declare(name, recipe.modalities)
    loss = read_metrics(tmp_path / "metrics.jsonl")[0]["loss"]
    terms = {edge.head for edge in method.headed} | {pair.term for pair in method.contrasts}
    kind = {"ir": "instance", "la": "neighbours"}.get(name)
    terms |= {f"{modality}_{kind}" for modality in method.modalities if kind}
    if method.joint:
        terms = {pair.term for pair in method.pairs}
    if method.joint and method.clusters:
        of_mcn = {f"{one}_{kind}" for one in method.modalities for kind in ("centroid", "rebuilt")}
        terms |= of_mcn
    assert loss.keys() == terms
    # Projections learn with the encoders.
    before, after = (
        checkpoint.part(tensors(tmp_path, file), "projections") for file in ("initial", "last")
    )
    assert len(after) == 2 * len(recipe.modalities) * (name in ("ir", "jdc", "la", "xcc"))
    assert all(not torch.equal(before[key], after[key]) for key in after)
    assert all(0 < value < (100 if method.joint else 10) for value in loss.values())
    model = Model.load(done.checkpoint)
    assert model.meets == (name not in ("ir", "jdc", "la", "sdc"))
    vectors, present = embed(small.manifest, model, small.source).vectors("vector_joint")
    assert present.all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)


def test_a_language_model_learns_and_its_checkpoint_needs_no_folder(
    small: Small, roberta: Path, tmp_path: Path
) -> None:
    """Saved with a folder that is gone afterwards; it reads clips and queries as before."""
    folder = tmp_path / "model"
    shutil.copytree(roberta, folder)
    encoders = Encoders(text=f"transformer:{folder}")
    recipe = RECIPE.model_copy(
        update={"modalities": ("video", "text"), "encoders": encoders, "epochs": 1}
    )
    done = pretrain(small.manifest, recipe, tmp_path / "run", small.source)
    before = tensors(tmp_path / "run", "initial")
    after = checkpoint.load(done.checkpoint)[0]
    layer = "encoders.text.network.encoder.layer.0.attention.self.query.weight"
    assert torch.equal(before[layer], load_file(roberta / "model.safetensors")[layer[22:]])
    assert not torch.equal(before[layer], after[layer]), "it is tuned"
    shutil.rmtree(folder)
    model = Model.load(done.checkpoint)
    table = embed(small.manifest, model, small.source)
    vectors, present = table.vectors("vector_text")
    assert present.tolist() == small.manifest.has("text").tolist()
    row = int(np.flatnonzero(present)[-1])
    query = model.embed_text(str(small.manifest.column("text")[row]))
    np.testing.assert_allclose(query["vector_text"], vectors[row], atol=1e-4)


def test_the_vocabulary_is_of_the_clips_trained_on_and_kept_for_all_others(
    small: Small, tmp_path: Path
) -> None:
    """The released code of Rai et al. counted all captions, those of the test clips as well.

    One clip in three is held out, and alone has the word zester. All words stand in captions as
    people write them, in capitals and beside commas, which that code's look-up did not find.
    """
    clips = len(small.manifest)
    held_out = np.arange(clips) % 3 == 2
    words = ("then the Grater...", "GRATER, then a Peeler!", "ZESTER, not Grater;")
    spoken = [words[row % 3] for row in range(clips)]
    table = small.manifest.table
    for name, values in (("text", spoken), ("has_text", [True] * clips)):
        table = table.set_column(table.column_names.index(name), name, [values])
    told = Manifest(small.manifest.root, table)
    recipe = RECIPE.model_copy(
        update={"method": "sdc", "modalities": ("text",), "epochs": 1, "clustering": TWO}
    )
    done = pretrain(told.select(np.flatnonzero(~held_out)), recipe, tmp_path, FileClips(told))
    model = Model.load(done.checkpoint)
    form = model.encoders["text"].input
    assert form == WordInput(("grater", "peeler"))
    loader = ClipLoader(told, FileClips(told), {"text": form})
    (batch,) = loader.batches([range(clips)], View(random=False))
    assert batch.inputs["text"].tolist() == [[1, row % 3 == 1] for row in range(clips)]


def test_a_changed_recipe_is_refused_and_names_the_key(small: Small, unbroken: Path) -> None:
    changed = RECIPE.model_copy(update={"seed": 7})
    with pytest.raises(UserError, match=r"another recipe \(seed 0 became 7\).*--init"):
        pretrain(small.manifest, changed, unbroken, small.source, resume=True)
    nested = RECIPE.model_copy(update={"clip": RECIPE.clip.model_copy(update={"frames": 5})})
    with pytest.raises(UserError, match=r"another recipe \(clip\.frames 4 became 5\)"):
        pretrain(small.manifest, nested, unbroken, small.source, resume=True)
    fewer = small.manifest.select(range(len(small.manifest) - 1))
    with pytest.raises(UserError, match="another collection"):
        pretrain(fewer, RECIPE, unbroken, small.source, resume=True)


def test_a_run_is_not_overwritten(small: Small, unbroken: Path) -> None:
    with pytest.raises(UserError, match="holds a run already; --resume"):
        pretrain(small.manifest, RECIPE, unbroken, small.source)


def test_init_starts_anew_from_weights(small: Small, unbroken: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 1, "seed": 3})
    best = unbroken / "checkpoints" / "best.safetensors"
    pretrain(small.manifest, recipe, tmp_path, small.source, init=best)
    started = checkpoint.part(tensors(tmp_path, "initial"), "encoders")
    given = checkpoint.part(tensors(unbroken, "best"), "encoders")
    assert all(torch.equal(started[name], given[name]) for name in given)
    wrong = RECIPE.model_copy(update={"modalities": ("video", "audio"), "seed": 4})
    text_only = RECIPE.model_copy(update={"modalities": ("text",), "method": "sdc", "epochs": 1})
    pretrain(small.manifest, text_only, tmp_path / "text", small.source)
    with pytest.raises(UserError, match="its encoders are not those of the recipe"):
        pretrain(
            small.manifest,
            wrong,
            tmp_path / "wrong",
            small.source,
            init=tmp_path / "text" / "checkpoints" / "last.safetensors",
        )


def test_a_run_from_weights_that_dies_before_its_first_save_goes_on_from_them(
    small: Small, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 1, "seed": 3})
    best = unbroken / "checkpoints" / "best.safetensors"
    pretrain(small.manifest, recipe, tmp_path / "whole", small.source, init=best)
    broken = tmp_path / "broken"
    with monkeypatch.context() as dying:
        dying.setattr(loop, "train_step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            pretrain(small.manifest, recipe, broken, small.source, init=best)
    assert not (broken / "checkpoints" / "last.safetensors").exists()
    changed = recipe.model_copy(update={"batch": 4})
    with pytest.raises(UserError, match="another recipe"):
        pretrain(small.manifest, changed, broken, small.source, resume=True)
    pretrain(small.manifest, recipe, broken, small.source, resume=True)
    one, other = tensors(tmp_path / "whole"), tensors(broken)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_that_dies_before_it_saves_anything_begins_from_the_same_weights(
    small: Small, unbroken: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 1, "seed": 3})
    best = unbroken / "checkpoints" / "best.safetensors"
    pretrain(small.manifest, recipe, tmp_path, small.source, init=best, resume=True)
    started = checkpoint.part(tensors(tmp_path, "initial"), "encoders")
    given = checkpoint.part(tensors(unbroken, "best"), "encoders")
    assert all(torch.equal(started[name], given[name]) for name in given)
    before = tensors(tmp_path, "last")
    pretrain(small.manifest, recipe, tmp_path, small.source, init=best, resume=True)
    after = tensors(tmp_path, "last")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_deadline_ends_the_run_with_a_usable_checkpoint(small: Small, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 10_000})
    done = pretrain(small.manifest, recipe, tmp_path, small.source, deadline=time.monotonic() + 2.0)
    assert not done.finished
    assert done.checkpoint.is_file()


def test_a_deadline_within_an_epoch_keeps_the_clusters_that_taught_in_it(
    small: Small, tmp_path: Path
) -> None:
    pretrain(small.manifest, RECIPE, tmp_path, small.source, deadline=time.monotonic())
    taught = tensors(tmp_path)["assignments.video.labels"]
    folder = tmp_path / "assignments"
    assert pq.read_table(folder / "epoch_0000.parquet")["video"].to_pylist() == taught.tolist()
    judged = pq.read_table(folder / "epoch_0000_step_000001.parquet")["video"].to_pylist()
    assert judged != taught.tolist()


def test_a_modality_that_no_clip_has_is_refused(small: Small, tmp_path: Path) -> None:
    table = small.manifest.table
    silent = Manifest(
        small.manifest.root,
        table.set_column(
            table.column_names.index("has_audio"), "has_audio", [[False] * len(table)]
        ),
    )
    with pytest.raises(UserError, match="no clip of the collection has audio"):
        pretrain(silent, RECIPE, tmp_path, small.source)


def test_too_many_clusters_are_refused_before_a_clip_is_read(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ClipLoader, "batches", lambda *_: 1 / 0)
    every = [small.manifest.has(name) for name in RECIPE.modalities]
    joint = int(np.logical_and.reduce(every).sum())
    clustering = RECIPE.clustering.model_copy(update={"k": joint + 1})
    recipe = RECIPE.model_copy(update={"method": "jdc", "clustering": clustering})
    wanted = rf"clustering of joint: {joint} clips have it, but clustering.k={joint + 1}"
    with pytest.raises(UserError, match=wanted):
        pretrain(small.manifest, recipe, tmp_path, small.source)
    assert not list(tmp_path.glob("*.json"))


def test_half_a_checkpoint_of_a_killed_run_goes_and_two_runs_do_not_meet(
    small: Small, tmp_path: Path
) -> None:
    strays = [tmp_path / "checkpoints" / name for name in (".tmpA1b2c3", ".last.1f.part")]
    strays[0].parent.mkdir()
    for stray in strays:
        stray.touch()
    with alone(tmp_path), pytest.raises(UserError, match="another process is at work here"):
        pretrain(small.manifest, RECIPE, tmp_path, small.source)
    assert all(stray.exists() for stray in strays)
    pretrain(small.manifest, RECIPE, tmp_path, small.source, deadline=0.0)
    assert not any(stray.exists() for stray in strays)


@pytest.mark.parametrize("segments_as", ["joined", "pooled"])
def test_a_run_on_whole_files_sees_segments_of_them(
    small: Small, tmp_path: Path, segments_as: str
) -> None:
    """Features of the run's own table are those of its segments, encoded by hand."""
    manifest = scan(small.manifest.root, whole=True, workers=0).manifest
    clip = RECIPE.clip.model_copy(update={"segments": 3, "segments_as": segments_as})
    recipe = RECIPE.model_copy(
        update={
            "clip": clip,
            "clustering": Clustering(k=2, starts=1, components=2),
            "epochs": 1,
            "batch": 4,
        }
    )
    source = open_source(manifest, recipe.clip, tmp_path / "cache", workers=1)
    done = pretrain(manifest, recipe, tmp_path / "run", source)
    model = Model.load(done.checkpoint)
    table = embed(manifest, model, source)
    video, audio = model.encoders["video"], model.encoders["audio"]
    loader = ClipLoader(manifest, source, {"video": video.input, "audio": audio.input})
    (batch,) = loader.batches([range(len(manifest))], View(random=False))
    frames, sounds = batch.inputs["video"].reshape(-1, 3, 4, 32, 32, 3), batch.inputs["audio"]
    with torch.no_grad():
        if segments_as == "joined":
            seen = video.forward(torch.cat(frames.unbind(1), dim=1))
        else:
            seen = torch.stack([video.forward(part) for part in frames.unbind(1)]).mean(0)
        heard = torch.stack([audio.forward(part) for part in sounds.unbind(1)]).mean(0)
    for name, want in (("vector_video", seen), ("vector_audio", heard)):
        np.testing.assert_allclose(table.vectors(name)[0], want, rtol=1e-3, atol=1e-5)


def test_a_batch_of_more_clips_than_there_are_is_said(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = small.manifest.select([0, 1, 2, 3])
    recipe = RECIPE.model_copy(update={"epochs": 1, "batch": 5, "clustering": TWO})
    pretrain(few, recipe, tmp_path / "five", FileClips(few))
    assert "batch=5: more than the 4 clips" in capsys.readouterr().err
    pretrain(few, recipe.model_copy(update={"batch": 4}), tmp_path / "four", FileClips(few))
    assert "batch=" not in capsys.readouterr().err
