from pathlib import Path

import numpy as np
import pytest
from torch import nn

from tests.small import RECIPE, Small
from triptych.clips.dataset import ClipLoader, View
from triptych.clustering.whiten import Whitening
from triptych.encoders.text import WordInput
from triptych.methods.method import Triplets, declare
from triptych.state.assignments import Assignment
from triptych.state.training_state import TrainingState
from triptych.training.loop import Loop
from triptych.training.pretrain import make_fabric
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
