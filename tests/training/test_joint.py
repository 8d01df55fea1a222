from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.clips.test_texts import WORDS, captions
from tests.small import RECIPE, Small
from triptych import config
from triptych.clips.dataset import ClipBatch, ClipLoader, FileClips
from triptych.errors import UsageError
from triptych.methods.method import Meeting, declare
from triptych.state import checkpoint
from triptych.state.training_state import TrainingState
from triptych.training import joint
from triptych.training.pretrain import pretrain
from triptych.training.recipe import Recipe

MCN = config.override(Recipe(), ["method=mcn", "modalities=video,audio,text"])


@pytest.mark.parametrize(
    ("method", "pairs", "said"),
    [
        ("mcn", ["refresh_on=plateau"], "refresh_on=plateau: .* has a joint space"),
        ("mil_nce", ["balance=own"], "balance=own: .* leave balance out"),
        ("mcn", ["clustering.features=trained", "balance=none"], "features=trained: .* joint"),
        ("max_margin", ["optimisation.label_smoothing=.1"], "label_smoothing: .* set it to 0"),
        ("mcn", ["draws.per_file=5"], "batch=32: not a multiple of draws.per_file=5"),
        ("mcn", ["queue.size=8", "clustering.k=64"], "40 clips are clustered together, too few"),
        ("xdc", ["draws.per_file=2"], "method=xdc has draws that are uniform over its clusters"),
        ("xdc", ["frozen=video,audio,text"], "nothing would learn: method=xdc"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(method: str, pairs: list[str], said: str) -> None:
    recipe = config.override(MCN, [f"method={method}", *pairs])
    with pytest.raises(UsageError, match=said):
        joint.refuse(declare(method, recipe.modalities), recipe)


@pytest.mark.parametrize(
    ("method", "pairs"),
    [
        ("mcn", ["frozen=video,audio,text", "draws.per_file=4"]),
        ("mcn", ["queue.size=8", "joint.cluster=0"]),
        ("mil_nce", ["queue.size=8"]),
        ("xdc", ["frozen=text"]),
    ],
)
def test_what_can_be_is_not(method: str, pairs: list[str]) -> None:
    recipe = config.override(MCN, [f"method={method}", *pairs])
    joint.refuse(declare(method, recipe.modalities), recipe)


def test_null_is_the_method_s_and_all_else_the_recipe_s() -> None:
    own = declare("max_margin", ("video", "text")).joint
    assert joint.meeting_of(own, Recipe()) == Meeting(0.1, True, 1.0, 1.0, 1.0)
    given = (
        "joint.margin=0 joint.unit=false joint.temperature=.2 joint.cluster=0 joint.reconstruct=3"
    )
    found = joint.meeting_of(own, config.override(Recipe(), given.split()))
    assert found == Meeting(0.0, False, 0.2, 0.0, 3.0)


def furnished(*pairs: str) -> TrainingState:
    recipe = config.override(MCN, pairs)
    state = TrainingState(nn.ModuleDict(), nn.ModuleDict(), {})
    method, dims = declare(recipe.method, recipe.modalities), {"video": 4, "audio": 3, "text": 5}
    joint.furnish(state, method, recipe, dims, 100, torch.device("cpu"))
    return state


def test_an_ablated_term_has_no_parts() -> None:
    whole = furnished()
    assert set(whole.joint) == set(whole.decoders) == {"video", "audio", "text"}
    assert whole.queue is not None
    assert whole.queue.values.shape == (100, 256)  # no longer than the collection
    assert furnished("joint.cluster=0").queue is None
    assert len(furnished("joint.reconstruct=0").decoders) == 0
    assert furnished("queue.size=70").queue.values.shape == (70, 256)  # type: ignore[union-attr]
    other = furnished("method=xdc")
    assert len(other.joint) == 0
    assert other.queue is None
    for name in ("max_margin", "mil_nce"):
        found = furnished(f"method={name}")
        assert (len(found.joint), len(found.decoders), found.queue) == (3, 0, None)


def test_a_run_begins_with_the_joint_heads_of_another(small: Small, tmp_path: Path) -> None:
    first = config.override(RECIPE, ["method=mcn", "epochs=1", "joint.width=8"])
    pretrain(small.manifest, first, tmp_path / "first", small.source)
    given = checkpoint.load(tmp_path / "first" / "checkpoints" / "last.safetensors")[0]
    for width, same in ((8, True), (9, False)):
        again = config.override(first, ["seed=5", f"joint.width={width}"])
        out = tmp_path / f"of_{width}"
        pretrain(small.manifest, again, out, small.source, init=tmp_path / "first")
        begun = checkpoint.load(out / "checkpoints" / "initial.safetensors")[0]
        name = "joint.video.0.linear.weight"
        assert (begun[name].shape == given[name].shape) == same
        assert not same or torch.equal(begun[name], given[name])


def test_the_hash_of_a_model_is_of_its_joint_heads_too() -> None:
    heads = {"joint.text.0.linear.weight": torch.ones(2, 2)}
    assert checkpoint.weights_hash(heads) != checkpoint.weights_hash({})


def by_hand(
    files: list[int], middles: list[float], has: list[bool], count: int, row: int
) -> list[float]:
    """How far away the nearest are: of those that are equally far any will do."""
    far = [
        abs(middles[other] - middles[row])
        for other in range(len(files))
        if has[other] and files[other] == files[row]
    ]
    return sorted(far)[:count]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans()), min_size=1),
    st.integers(1, 6),
)
def test_the_nearest_in_time_are_those_of_a_full_sort(
    clips: list[tuple[int, int, bool]], count: int
) -> None:
    files, middles, has = (list(part) for part in zip(*clips, strict=True))
    found = joint.nearest_in_time(np.array(files), np.array(middles, float), np.array(has), count)
    assert found.shape == (len(clips), count)
    for row in range(len(clips)):
        near = [other for other in found[row] if other >= 0]
        assert len(set(near)) == len(near)
        assert all(files[other] == files[row] and has[other] for other in near)
        assert not has[row] or row in near, "its own narration is the nearest"
        distances = sorted(abs(middles[other] - middles[row]) for other in near)
        assert distances == by_hand(files, middles, has, count, row)


def test_beside_a_batch_are_the_narrations_near_its_clips_each_once() -> None:
    told = captions("pot", "stir", "", "whisk", "pot stir", "whisk pot")
    table = told.table
    for name, values in (
        ("path", ["a", "a", "a", "a", "b", "b"]),
        ("start", [0.0, 4.0, 5.0, 20.0, 0.0, 9.0]),
        ("end", [2.0, 6.0, 7.0, 22.0, 2.0, 11.0]),
    ):
        table = table.set_column(table.column_names.index(name), name, [values])
    manifest = type(told)(told.root, table)
    loader = ClipLoader(manifest, FileClips(manifest), {"text": WORDS})
    around = joint.Surroundings(manifest, loader.has("text"), 2)
    batch = ClipBatch(torch.tensor([3, 0, 5]), {}, {})
    beside = around.of(batch, loader, read=True)
    assert beside.rows.tolist() == [0, 1, 3, 4, 5]
    assert beside.own.tolist() == [
        [False, True, True, False, False],
        [True, True, False, False, False],
        [False, False, False, True, True],
    ]
    assert beside.files.tolist() == [0, 0, 1]
    assert beside.words is not None
    assert beside.words.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1]]
    assert around.of(batch, loader, read=False).words is None
    alone = joint.Surroundings(manifest, None, 0).of(batch, loader, read=True)
    assert (alone.rows.tolist(), alone.words) == ([], None)
