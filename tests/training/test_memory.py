from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.small import RECIPE, Small
from triptych import config
from triptych.clustering.agreement import ari
from triptych.descriptors.table import DescriptorTable
from triptych.embeddings.embed import embed
from triptych.embeddings.extract import Features
from triptych.embeddings.model import Model
from triptych.errors import UsageError, UserError
from triptych.methods.method import declare
from triptych.state import checkpoint
from triptych.state.memory_bank import MemoryBank, keys_of
from triptych.training import memory
from triptych.training.log import read_metrics
from triptych.training.pretrain import pretrain
from triptych.training.recipe import NO_AUGMENTATION, Recipe

VIDEO = ["modalities=video", "bank.width=16", "clustering.whiten=false"]
IR, LA = (config.override(RECIPE, [f"method={name}", *VIDEO]) for name in ("ir", "la"))


def tensors(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return checkpoint.load(run / "checkpoints" / f"{name}.safetensors")[0]


def halves(small: Small) -> np.ndarray:
    """The videos in two groups of three, by their names: nothing that can be seen."""
    paths = small.manifest.column("path")
    return np.isin(paths, sorted(set(paths))[::2])


def prior_of(small: Small, path: Path, leave_out: int = 0) -> Path:
    """Descriptors that are far apart between the halves and near within them."""
    paths = small.manifest.column("path")
    names = sorted(set(paths))[leave_out:][::-1]
    draw = np.random.default_rng(0)
    group = dict(zip(paths, halves(small), strict=True))
    values = [np.eye(5)[int(group[name])] + 0.05 * draw.normal(size=5) for name in names]
    DescriptorTable(tuple(names), np.array(values, np.float32), None, {}).write(path)
    return path


def blobs(groups: np.ndarray, dim: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    centres = 5 * draw.normal(size=(groups.max() + 1, dim))
    return (centres[groups] + draw.normal(size=(len(groups), dim))).astype(np.float32)


@pytest.mark.parametrize("whiten", [True, False])
def test_in_the_joint_space_the_weight_sets_one_against_the_other(whiten: bool) -> None:
    """Whatever the lengths in the file: bank and prior disagree, and the heavier one decides."""
    draw = np.random.default_rng(0)
    inside, outside = draw.integers(0, 3, 120), draw.integers(0, 3, 120)
    everywhere = np.ones(120, bool)
    bank = Features(blobs(inside, 6, 1), everywhere)
    prior = Features(1000 * blobs(outside, 4, 2), everywhere)
    settings = ["prior.file=x", "prior.space=joint", f"clustering.whiten={whiten}".lower()]
    recipe = config.override(LA, [*settings, "clustering.k=3", "clustering.components=2"])
    method = declare("la", ("video",))
    for weight, winner in ((0.1, inside), (10.0, outside)):
        weighed = config.override(recipe, [f"prior.weight={weight}"])
        found, _ = memory.cluster_banks(
            method, {"video": bank}, weighed, 0, prior, torch.device("cpu")
        )
        assert ari(found["video_1"].labels, winner) > 0.9, weight


def test_the_joint_distance_is_the_bank_s_and_weight_squared_times_the_prior_s() -> None:
    draw = np.random.default_rng(0)
    everywhere = np.ones(20, bool)
    bank = Features(draw.normal(size=(20, 6)).astype(np.float32), everywhere)
    prior = Features(draw.normal(size=(20, 9)).astype(np.float32), everywhere)
    settings = ["prior.file=x", "prior.space=joint", "prior.weight=0.7"]
    values, _ = memory.space(bank, prior, config.override(LA, settings))
    one, two = (x.values / np.linalg.norm(x.values, axis=1, keepdims=True) for x in (bank, prior))
    apart = ((one[3] - one[8]) ** 2).sum() + 0.49 * ((two[3] - two[8]) ** 2).sum()
    assert ((values[3] - values[8]) ** 2).sum() == pytest.approx(apart, rel=1e-5)


def test_the_paper_s_joint_space_is_of_the_vectors_as_they_are() -> None:
    """Section 3.3 puts them side by side; sketches are of about unit length, and stay so."""
    draw = np.random.default_rng(0)
    has, listed = np.arange(9) > 1, np.arange(9) < 7
    bank = Features(draw.normal(size=(9, 3)).astype(np.float32), has)
    prior = Features(draw.normal(size=(9, 5)).astype(np.float32), listed)
    recipe = config.override(LA, ["prior.file=x", "prior.space=joint", "clustering.l2=false"])
    values, present = memory.space(bank, prior, recipe)
    both = np.concatenate([bank.values, prior.values], axis=1)
    assert present.tolist() == (has & listed).tolist()
    np.testing.assert_array_equal(values, both[2:7])
    alone = config.override(recipe, ["prior.space=prior", "prior.weight=3"])
    np.testing.assert_array_equal(memory.space(bank, prior, alone)[0], prior.values[2:7])


def test_a_prior_alone_clusters_the_prior_and_leaves_out_who_has_none() -> None:
    groups = np.arange(60) % 3
    has, listed = np.arange(60) > 4, np.arange(60) < 50
    bank = Features(np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32), has)
    prior = Features(blobs(groups, 12, 0), listed)
    recipe = config.override(LA, ["prior.file=x", "clustering.k=3", "aggregation.clusterings=2"])
    method = declare("la", ("video",))
    found, inertia = memory.cluster_banks(
        method, {"video": bank}, recipe, 0, prior, torch.device("cpu")
    )
    assert list(found) == list(inertia) == ["video_1", "video_2"]
    for assignment in found.values():
        assert ((assignment.labels >= 0) == (has & listed)).all()
        assert ari(assignment.labels[has & listed], groups[has & listed]) == 1


def test_runs_of_k_means_differ_by_their_seeds() -> None:
    everywhere = np.ones(80, bool)
    bank = Features(np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32), everywhere)
    recipe = config.override(LA, ["clustering.k=12", "clustering.starts=1"])
    found, _ = memory.cluster_banks(
        declare("la", ("video",)), {"video": bank}, recipe, 0, None, torch.device("cpu")
    )
    labels = [assignment.labels for assignment in found.values()]
    assert len(labels) == 3
    assert all(ari(one, other) < 0.9 for one, other in pairwise(labels))


@pytest.mark.parametrize(
    ("method", "pairs", "said"),
    [
        ("ir", ["refresh_on=plateau"], "refresh_on=plateau: method=ir has a memory bank: clips"),
        ("la", ["balance=own"], "balance=own: method=la"),
        ("la", ["clustering.features=trained", "balance=none"], "features=trained: method=la"),
        ("ir", ["optimisation.label_smoothing=0.1"], "no labels to smooth"),
        ("ir", ["modalities=video,audio", "frozen=audio"], "frozen=audio: .*leave it out"),
        ("ir", ["prior.file=d.parquet"], "prior.file: method=ir .* take method=la"),
        ("sdc", ["prior.file=d.parquet"], "prior.file: method=sdc"),
        ("la", ["prior.file=d", "prior.weight=2"], "prior.weight=2.0: .* take prior.space=joint"),
        ("ir", ["prior.weight=0.5"], "prior.weight=0.5: it weighs the descriptors in the joint"),
        ("la", ["prior.column=vector_video"], "prior.column=vector_video: there is no file to"),
        ("la", ["prior.space=joint"], "prior.space=joint: .* name its descriptors with prior.file"),
    ],
)
def test_what_a_bank_cannot_honour_is_refused(method: str, pairs: list[str], said: str) -> None:
    recipe = config.override(Recipe(), [f"method={method}", *pairs])
    with pytest.raises(UsageError, match=said):
        memory.refuse(declare(method, recipe.modalities), recipe)


def test_settings_of_a_prior_that_are_as_they_were_are_not_refused() -> None:
    given = ["prior.weight=1", "prior.column=vector"]
    for pairs in ([], given, ["prior.file=d", *given], ["prior.file=d", "prior.column=other"],
                  ["prior.file=d", "prior.space=joint", "prior.weight=2"]):  # fmt: skip
        recipe = config.override(Recipe(), ["method=la", *pairs])
        memory.refuse(declare("la", recipe.modalities), recipe)


def test_a_prior_of_too_few_different_vectors_is_refused(small: Small, tmp_path: Path) -> None:
    """Not first by what clusters it, which would speak of an encoder that has collapsed."""
    paths = tuple(dict.fromkeys(small.manifest.column("path").tolist()))
    same = np.zeros((len(paths), 3), np.float32)
    same[0] = 1
    DescriptorTable(paths, same, None, {}).write(tmp_path / "same.parquet")
    recipe = config.override(LA, [f"prior.file={tmp_path / 'same.parquet'}"])
    with pytest.raises(UserError, match=r"prior\.file=.*: only 2 of .* differ, too few for .*\.k="):
        memory.read_prior(recipe, small.manifest)


def test_a_prior_of_other_clips_is_refused_and_of_some_is_counted(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = DescriptorTable(("elsewhere.mp4",), np.ones((1, 3), np.float32), None, {})
    elsewhere.write(tmp_path / "other.parquet")
    clips = len(small.manifest)
    recipe = config.override(LA, [f"prior.file={tmp_path / 'other.parquet'}"])
    with pytest.raises(UserError, match=rf"descriptors of 0 of the {clips} clips, too few for"):
        memory.read_prior(recipe, small.manifest)
    path = prior_of(small, tmp_path / "some.parquet", leave_out=1)
    recipe = config.override(LA, [f"prior.file={path}"])
    found = memory.read_prior(recipe, small.manifest)
    assert found is not None
    lacking = int((~found.present).sum())
    first = sorted(set(small.manifest.column("path")))[0]
    assert lacking == int((small.manifest.column("path") == first).sum())
    assert f"{lacking} of {clips} clips have no descriptor" in capsys.readouterr().err


def test_instance_recognition_learns_to_tell_clips_apart(small: Small, tmp_path: Path) -> None:
    """By chance a clip is nearest to itself once in 23 times; gradients the wrong way give less."""
    recipe = config.override(IR, ["epochs=12", "refresh_every=12", "optimisation.warmup=0"])
    pretrain(small.manifest, recipe, tmp_path, small.source)
    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "loss" in row]
    recognised = [row["noted"]["video_recognised"] for row in rows]
    assert np.mean(recognised[-3:]) > 0.3
    # It comes of the loss: where nothing is learned, all clips stay as far from their rows.
    assert rows[-1]["loss"]["video_instance"] < 0.7 * rows[1]["loss"]["video_instance"]


def test_a_prior_s_neighbours_come_together_in_the_bank(small: Small, tmp_path: Path) -> None:
    """Groups that no picture shows: only the prior can bring their clips nearer to each other."""
    path = prior_of(small, tmp_path / "prior.parquet")
    recipe = config.override(
        LA,
        ["epochs=12", "refresh_every=4", "clustering.k=2", f"prior.file={path}", "batch=4"],
    ).model_copy(update={"augmentation": NO_AUGMENTATION})
    pretrain(small.manifest, recipe, tmp_path / "run", small.source)
    same = halves(small)[:, None] == halves(small)[None]
    apart = ~np.eye(len(same), dtype=bool)

    def gap(name: str) -> float:
        bank = tensors(tmp_path / "run", name)["memory.video.values"].numpy()
        near = bank @ bank.T
        return float(near[same & apart].mean() - near[~same].mean())

    assert gap("last") > gap("initial") + 0.2
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert len(list((tmp_path / "run" / "assignments").iterdir())) == 1, "made once"
    assert all(row["clusterings"]["video_1"]["nmi_previous"] is None for row in rows)
    assert not (tmp_path / "run" / "checkpoints" / "best.safetensors").exists()


def test_another_prior_under_the_same_name_is_another_run(small: Small, tmp_path: Path) -> None:
    path = prior_of(small, tmp_path / "prior.parquet")
    recipe = config.override(LA, ["epochs=1", "clustering.k=2", f"prior.file={path}"])
    pretrain(small.manifest, recipe, tmp_path / "run", small.source)
    prior_of(small, path, leave_out=1)
    with pytest.raises(UserError, match="made with another prior"):
        pretrain(small.manifest, recipe, tmp_path / "run", small.source, resume=True)


def test_clusters_are_made_when_the_recipe_says_also_where_batches_divide_the_clips(
    small: Small, tmp_path: Path
) -> None:
    """The release clusters at the partial last batch of an epoch: where there is none, never."""
    clips = small.manifest.select(range(20))
    recipe = config.override(LA, ["epochs=5", "refresh_every=2", "batch=4"])
    pretrain(clips, recipe, tmp_path, _part(small, 20))
    made = sorted(path.stem for path in (tmp_path / "assignments").iterdir())
    assert made == ["epoch_0000", "epoch_0002", "epoch_0004", "epoch_0005"]
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["new_clusters"] for row in rows] == [True, False, True, False, True, True]


def _part(small: Small, count: int) -> object:
    from triptych.recipes.comparison.clips import part_of

    return part_of(small.source, np.arange(count))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ir", "la"])
def test_two_clips_are_enough(name: str, small: Small, tmp_path: Path) -> None:
    """The release stops with an error where there are fewer than 4096."""
    recipe = config.override(LA, [f"method={name}", "epochs=2", "clustering.k=2", "batch=2"])
    done = pretrain(small.manifest.select([0, 1]), recipe, tmp_path, _part(small, 2))
    assert done.finished


def test_the_first_clusters_are_of_what_the_network_makes_of_the_clips(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand from the first checkpoint; the release clusters a bank of chance."""
    seen: list[Features] = []
    real = memory.cluster_banks

    def watched(method: Any, features: Any, *others: Any) -> Any:
        seen.append(Features(features["video"].values.copy(), features["video"].present.copy()))
        return real(method, features, *others)

    monkeypatch.setattr(memory, "cluster_banks", watched)
    pretrain(small.manifest, config.override(LA, ["epochs=1"]), tmp_path, small.source)
    first = tmp_path / "checkpoints" / "initial.safetensors"
    features, present = embed(small.manifest, Model.load(first), small.source).vectors(
        "vector_video"
    )
    given = tensors(tmp_path, "initial")
    weight, bias = (given[f"projections.video.{name}"].numpy() for name in ("weight", "bias"))
    want = features @ weight.T + bias
    want = want / np.linalg.norm(want, axis=1, keepdims=True)
    assert (seen[0].present == present).all()
    np.testing.assert_allclose(seen[0].values[present], want[present], atol=1e-4)
    assert not given["memory.video.known"].any()
    # The next ones are of what the steps have left there; nothing is filled again.
    left = tensors(tmp_path)["memory.video.values"].numpy()
    np.testing.assert_array_equal(seen[1].values, left)


def test_every_clip_is_drawn_and_remembered_once_an_epoch(small: Small, tmp_path: Path) -> None:
    recipe = config.override(IR, ["epochs=1", "bank.momentum=0"])
    pretrain(small.manifest, recipe, tmp_path, small.source)
    before, after = tensors(tmp_path, "initial"), tensors(tmp_path)
    members = after["memory.video.members"]
    assert after["memory.video.known"].tolist() == members.tolist()
    same = (before["memory.video.values"] * after["memory.video.values"]).sum(1) > 0.999
    assert same.tolist() == (~members).tolist()


def test_a_run_begins_with_another_s_bank_by_its_clips(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From IR to LA, as the paper does, on a collection that begins with other clips."""
    some = small.manifest.select(range(3, len(small.manifest)))
    from triptych.recipes.comparison.clips import part_of

    source = part_of(small.source, np.arange(3, len(small.manifest)))  # type: ignore[arg-type]
    first = config.override(IR, ["epochs=2", "bank.noise=5"])
    pretrain(some, first, tmp_path / "ir", source)
    recipe = config.override(LA, ["epochs=1"])
    capsys.readouterr()
    pretrain(small.manifest, recipe, tmp_path / "la", small.source, init=tmp_path / "ir")
    count = len(checkpoint.part(tensors(tmp_path / "ir"), "encoders"))
    said = capsys.readouterr().err
    assert f"3 of {len(small.manifest)} clips are not in its memory bank of video" in said
    assert (
        f"pretrain: from {tmp_path / 'ir' / 'checkpoints' / 'last.safetensors'}: the encoder of "
        f"video ({count} tensors), the memory bank of video ({len(some)} of {len(small.manifest)} "
        "clips)\n"
    ) in said
    given, taken = tensors(tmp_path / "ir"), tensors(tmp_path / "la", "initial")
    assert torch.equal(taken["memory.video.values"][3:], given["memory.video.values"])
    assert taken["memory.video.known"].tolist() == [False] * 3 + [True] * len(some)
    assert taken["memory.video.scale"] == given["memory.video.scale"] > 0
    for name in ("weight", "bias"):
        key = f"projections.video.{name}"
        assert torch.equal(taken[key], given[key])
    other = config.override(LA, ["epochs=1", "bank.width=8"])
    with pytest.raises(UserError, match=r"holds 16 numbers a clip, bank.width is 8; set bank"):
        pretrain(small.manifest, other, tmp_path / "8", small.source, init=tmp_path / "ir")


def test_weights_without_a_bank_give_one_that_begins_anew(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sdc = config.override(RECIPE, ["method=sdc", "modalities=video", "epochs=1"])
    pretrain(small.manifest, sdc, tmp_path / "sdc", small.source)
    recipe = config.override(IR, ["epochs=1"])
    pretrain(small.manifest, recipe, tmp_path / "ir", small.source, init=tmp_path / "sdc")
    said = capsys.readouterr().err
    assert "has no memory bank of video, which begins anew" in said
    assert said.count("the memory bank of") == 0


def test_what_cannot_be_read_is_a_member_no_more() -> None:
    bank = MemoryBank(keys_of(["a", "b", "c"]), torch.ones(3, dtype=torch.bool), 2, seed=0)
    before = bank.values.clone()
    found = Features(np.array([[0, 0], [0, 0], [0, 3]], np.float32), np.array([True, False, True]))
    memory.fill(bank, torch.tensor([False, True, True]), found)
    assert bank.members.tolist() == [True, False, True]
    assert bank.known.tolist() == [False, False, True]
    assert bank.values[2].tolist() == [0.0, 1.0]
    assert torch.equal(bank.values[0], before[0])
