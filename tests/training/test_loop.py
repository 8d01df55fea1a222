from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.small import RECIPE, Small
from triptych import config
from triptych.clips.dataset import ClipLoader, View
from triptych.clustering.health import effective_rank
from triptych.clustering.whiten import Whitening
from triptych.encoders.text import WordInput
from triptych.methods.method import Triplets, declare
from triptych.state import checkpoint
from triptych.state.assignments import Assignment
from triptych.state.queue import Queue
from triptych.state.training_state import TrainingState
from triptych.training.health import Collapse
from triptych.training.joint_recipe import Drawing
from triptych.training.log import read_metrics
from triptych.training.loop import Loop
from triptych.training.pretrain import make_fabric, pretrain
from triptych.training.recipe import Contrastive

# Of the demo's captions at least one has one of these.
WORDS = ("the", "and", "so", "to", "a", "pot", "now", "it")


def loop_of(
    small: Small,
    out: Path,
    labels: dict[str, np.ndarray],
    words: tuple[str, ...],
    **changes: object,
) -> Loop:
    """A loop at the start of an epoch on these labels; text knows ``words`` alone."""
    changes = {"modalities": ("video", "text"), "batch": 50, **changes}
    recipe = RECIPE.model_copy(update=changes)
    video = recipe.clip.video_input()
    loader = ClipLoader(small.manifest, small.source, {"video": video, "text": WordInput(words)})
    state = TrainingState(nn.ModuleDict(), nn.ModuleDict(), {})
    state.assignments = {
        name: Assignment(of, np.zeros((4, 1), np.float32), Whitening.none(1))
        for name, of in labels.items()
    }
    method = declare("xdc", recipe.modalities)
    return Loop(small.manifest, recipe, method, state, loader, make_fabric(recipe), out, {})


def test_every_draw_of_an_edge_is_of_a_clip_that_its_student_can_be_shown(
    small: Small, tmp_path: Path
) -> None:
    """Else the draw would be lost, and a cluster of many such clips would count less."""
    spoken = [set(text.lower().split()) for text in small.manifest.column("text")]
    word = max({"the", *set.union(*spoken)}, key=lambda word: sum(word in said for said in spoken))
    known = np.array([word in said for said in spoken])
    assert 2 < known.sum() < len(known), "some captions with the word, and some without"
    assert small.manifest.has("text")[~known].any()
    # Two clusters of video of which one is mostly of clips whose words are unknown.
    video = np.where(known, np.arange(len(known)) % 2, 1)
    unread = np.flatnonzero(known)[:1]  # a caption that the last refresh could not read
    text = np.where(known, 0, -1)
    text[unread] = -1
    loop = loop_of(small, tmp_path, {"video": video, "text": text}, (word,))
    edge = "video_teaches_text"
    draws = loop._draws()
    shown = known.copy()
    shown[unread] = False
    weights = draws.weights[edge]
    assert not weights[~shown[draws.rows]].any()
    for cluster in (0, 1):
        mass = weights[shown[draws.rows] & (video[draws.rows] == cluster)].sum() / len(weights)
        assert mass == pytest.approx(0.5, abs=0.05)


def test_own_clusters_balance_what_others_teach(small: Small, tmp_path: Path) -> None:
    """Rai et al. draw uniformly over the video clusters, whoever supervises."""
    clips = len(small.manifest)
    has_text = small.manifest.has("text") & (np.arange(clips) % 5 > 0)  # a fifth was not readable
    video = (np.arange(clips) >= clips - 4).astype(int)  # four clips against all others
    text = np.where(has_text, np.arange(clips) % 3, -1)
    assert set(video[has_text]) == set(video[~has_text]) == {0, 1}
    loop = loop_of(small, tmp_path, {"video": video, "text": text}, WORDS)
    loop.recipe = loop.recipe.model_copy(update={"balance": "own"})
    draws = loop._draws()
    weights = draws.weights["text_teaches_video"]
    rare = video[draws.rows] == 1
    assert weights[rare].sum() / len(weights) == pytest.approx(0.5, abs=0.06)
    assert not weights[~has_text[draws.rows]].any()
    loop.recipe = loop.recipe.model_copy(update={"balance": "none"})
    rows = loop._draws().rows
    assert (video[rows] == 1).mean() == pytest.approx(4 / clips, abs=0.06)


def test_no_clip_is_left_out_because_it_fills_no_batch(small: Small, tmp_path: Path) -> None:
    clips = len(small.manifest)
    zeros = np.zeros(clips, np.int64)
    text = np.where(small.manifest.has("text"), 0, -1)
    size = next(n for n in range(5, clips) if clips % n)
    labels = {"video": zeros, "text": text}
    loop = loop_of(small, tmp_path, labels, WORDS, balance="none", batch=size)
    assert loop.steps_an_epoch == -(-clips // size)
    draws = loop._draws()
    batches = [rows for rows, _ in ((b.rows, w) for b, w in loop._batches(draws, 0))]
    seen = set(np.concatenate(batches).tolist())
    shown = loop._shown("video") & (text >= 0) | loop._shown("text")
    assert seen == set(np.flatnonzero(shown).tolist())
    assert [len(rows) for rows in batches] == [size] * loop.steps_an_epoch


@pytest.mark.parametrize("balance", ["teacher", "own", "none"])
def test_clips_that_are_held_back_are_never_drawn(
    small: Small, tmp_path: Path, balance: str
) -> None:
    clips = len(small.manifest)
    text = np.where(small.manifest.has("text"), np.arange(clips) % 2, -1)
    labels = {"video": np.arange(clips) % 3, "text": text}
    changed = {"refresh_on": "plateau", "held_back": 0.4, "balance": balance}
    loop = loop_of(small, tmp_path, labels, WORDS, **changed)
    paths = small.manifest.column("path")
    assert len(set(paths[loop.held])) == round(0.4 * len(set(paths)))
    assert not loop.held[loop._draws().rows].any()


def test_every_epoch_has_its_own_weight_of_the_cross_entropy(small: Small, tmp_path: Path) -> None:
    zeros = np.zeros(len(small.manifest), np.int64)
    contrast = Contrastive(alpha=(0.0, 0.2, 0.5), margin=0.7, negatives="semi-hard", unit=False)
    labels = {"video": zeros, "text": zeros}
    loop = loop_of(small, tmp_path, labels, WORDS, method="xcc", contrast=contrast)
    (batch,) = loop.loader.batches([[0, 1]], View(random=False))
    found = []
    for epoch in range(5):
        loop.state.epoch = epoch
        found.append(loop.step_of(batch, {}).triplets)
    assert [triplets.alpha for triplets in found] == [0.0, 0.2, 0.5, 0.5, 0.5]
    assert found[0] == Triplets(0.0, 0.7, "semi-hard", unit=False)


def test_clips_with_one_modality_alone_are_not_drawn_where_pairs_meet(
    small: Small, tmp_path: Path
) -> None:
    loop = loop_of(small, tmp_path, {}, WORDS)
    loop.method = declare("max_margin", ("video", "text"))
    both = loop._shown("video") & loop._shown("text")
    assert 0 < both.sum() < len(both)
    rows = loop._draws().rows
    assert set(rows.tolist()) == set(np.flatnonzero(both).tolist())


def test_a_batch_has_as_many_clips_of_each_file_as_is_asked(small: Small, tmp_path: Path) -> None:
    loop = loop_of(small, tmp_path, {}, WORDS, batch=6, draws=Drawing(per_file=3))
    loop.method = declare("mcn", ("video", "text"))
    paths = small.manifest.column("path")
    for row in range(loop.steps_an_epoch):
        drawn = paths[loop._draws().rows[row * 6 : (row + 1) * 6]]
        assert len(set(drawn[:3])) == len(set(drawn[3:])) == 1


def test_narrations_are_looked_for_only_where_a_method_asks(small: Small, tmp_path: Path) -> None:
    found = {}
    for name in ("mcn", "mil_nce"):
        loop = loop_of(small, tmp_path, {}, WORDS)
        loop.method = declare(name, ("video", "text"))
        found[name] = loop.surroundings.near.shape[1]
    assert found == {"mcn": 0, "mil_nce": 5}


def test_a_run_with_a_queue_shows_its_health_and_marks_no_best(
    small: Small, tmp_path: Path
) -> None:
    recipe = config.override(
        RECIPE, ["method=mcn", "queue.size=11", "joint.width=7", "joint.warmup=0"]
    )
    done = pretrain(small.manifest, recipe, tmp_path, small.source)
    assert done.checkpoint.name == "last.safetensors"
    assert not (tmp_path / "assignments").exists()
    first, *others = read_metrics(tmp_path / "metrics.jsonl")
    assert (first["clusterings"], first["effective_rank"]) == ({}, {})
    queue = checkpoint.load(done.checkpoint)[0]["queue.values"].numpy()
    assert queue.shape == (11, 7)
    assert others[-1]["effective_rank"]["fused"] == pytest.approx(effective_rank(queue))
    for row in others:
        assert 1 <= row["clusterings"]["fused"]["used"] <= row["clusterings"]["fused"]["k"] == 4
    shares = first["noted"]
    assert shares.keys() == {"video~audio_found", "video~text_found", "audio~text_found"}
    assert all(0 <= share <= 1 for share in shares.values())


def test_features_that_have_collapsed_stop_a_run_and_clusters_do_not(
    small: Small, tmp_path: Path
) -> None:
    loop = loop_of(small, tmp_path, {}, WORDS)
    loop.method, loop.state.refreshed = declare("mcn", ("video", "text")), 0
    loop.state.queue = Queue(20, 4)
    draw = torch.Generator().manual_seed(0)
    loop.state.queue.push(torch.randn(20, 4, generator=draw))
    loop.state.centroids = {"fused": torch.tensor([[0.0] * 4, [99.0] * 4])}
    loop.refresh()
    assert loop.state.health["clusterings"]["fused"]["largest"] == 1
    loop.state.queue.push(torch.ones(20, 4))
    with pytest.raises(Collapse, match=r"the fused features have effective rank 1\.00"):
        loop.refresh()
