import numpy as np
import pytest
import torch
from torch import nn

from triptych.embeddings.extract import Features
from triptych.errors import UserError
from triptych.methods.method import Cluster, declare
from triptych.state.feature_bank import FeatureBank
from triptych.state.training_state import TrainingState, new_projections
from triptych.training import optimizer
from triptych.training.recipe import Clustering, Recipe
from triptych.training.refresh import cluster_features, install, joined, project

DIMS = {"video": 6, "audio": 5}


class Toy(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.weight = nn.Parameter(torch.ones(dim, dim))


def blobs(clips: int, dim: int, groups: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(groups, dim)) * 5
    members = generator.integers(0, groups, clips)
    return (centres[members] + generator.normal(size=(clips, dim))).astype(np.float32), members


def features(present: np.ndarray | None = None) -> dict[str, Features]:
    everywhere = np.ones(90, bool)
    video, _ = blobs(90, 6, 3, 0)
    audio, _ = blobs(90, 5, 4, 1)
    return {
        "video": Features(video, everywhere),
        "audio": Features(audio, everywhere if present is None else present),
    }


def test_a_clip_that_lacks_the_modality_gets_no_label_and_no_other_gap_appears() -> None:
    present = np.arange(90) % 3 > 0
    method = declare("xdc", ("video", "audio"))
    found, _ = cluster_features(method, features(present), Clustering(k=4, components=4), 0)
    assert ((found["audio"].labels >= 0) == present).all()
    assert (found["video"].labels >= 0).all()


def test_separate_groups_are_found() -> None:
    video, members = blobs(300, 6, 3, 7)
    everywhere = np.ones(300, bool)
    method = declare("sdc", ("video",))
    found, _ = cluster_features(
        method, {"video": Features(video, everywhere)}, Clustering(k=3, whiten=False, l2=False), 0
    )
    pairs = set(zip(found["video"].labels.tolist(), members.tolist(), strict=True))
    assert len(pairs) == 3


def test_joined_features_weigh_modalities_alike_whatever_their_scale() -> None:
    given = features()
    loud = {**given, "audio": Features(given["audio"].values * 1000, given["audio"].present)}
    both = Cluster("both", of=("video", "audio"))
    assert np.allclose(joined(both, given)[0], joined(both, loud)[0], atol=1e-6)


def test_jdc_clusters_what_its_projections_make_of_the_features() -> None:
    """The features of both modalities are one blob; only the projections have groups."""
    everywhere = np.arange(90) > 0
    draw = np.random.default_rng(3)
    values = {name: draw.normal(size=(90, dim)).astype(np.float32) for name, dim in DIMS.items()}
    layers = new_projections(DIMS, 2, seed=0)
    given = {
        name: Features(part * everywhere[:, None], everywhere) for name, part in values.items()
    }
    projected = project(layers, given, torch.device("cpu"))
    for name, part in projected.items():
        weight, bias = (p.detach().numpy() for p in (layers[name].weight, layers[name].bias))
        np.testing.assert_allclose(part.values[1:], values[name][1:] @ weight.T + bias, atol=1e-5)
        assert not part.values[0].any()  # not even the bias of a clip that has nothing
        assert (part.present == everywhere).all()
    groups = np.arange(90) % 3
    angles = {name: groups * 2 * np.pi / 3 + turn for name, turn in (("video", 0), ("audio", 1))}
    seen = {
        name: Features(np.stack([np.cos(at), np.sin(at)], 1).astype(np.float32) * 5, everywhere)
        for name, at in angles.items()
    }
    for part in seen.values():
        part.values[:] += draw.normal(scale=0.05, size=(90, 2))
    method = declare("jdc", ("video", "audio"))
    recipe = Clustering(k=3, whiten=False)
    found, _ = cluster_features(method, given, recipe, 0, seen)
    labels = found["joint"].labels
    assert labels[0] == -1
    assert len(set(zip(labels[1:].tolist(), groups[1:].tolist(), strict=True))) == 3


def test_fewer_clips_than_clusters_is_refused_in_a_sentence() -> None:
    present = np.arange(90) < 3
    with pytest.raises(UserError, match=r"of audio: 3 clips .*k=4; set it to 3 at most, or to 2"):
        cluster_features(declare("xdc", ("video", "audio")), features(present), Clustering(k=4), 0)


def test_a_refresh_gives_new_heads_that_their_optimiser_knows() -> None:
    # Rai et al. built optimisers before they replaced the heads: the new ones never learned.
    method = declare("xdc", ("video", "audio"))
    recipe = Recipe(clustering=Clustering(k=4, components=4))
    encoders = nn.ModuleDict({"video": Toy(6), "audio": Toy(5)})
    rates = recipe.optimisation
    state = TrainingState(
        encoders, nn.ModuleDict(), {"encoders": optimizer.build(encoders.parameters(), 1, rates)}
    )
    found, _ = cluster_features(method, features(), recipe.clustering, 0)
    bank = state.banks["video"] = FeatureBank(90, 6)
    bank.known[:] = True
    state.held_back = [1.0, 2.0]
    install(state, method, found, recipe, torch.device("cpu"))
    # Features and losses under the old labels say nothing of the new ones.
    assert not bank.known.any()
    assert state.held_back == []
    for _ in range(2):
        old = dict(state.heads.named_parameters())
        old_optimizer = state.optimizers["heads"]
        state.epoch += 1
        install(state, method, found, recipe, torch.device("cpu"))
        known = {id(p) for g in state.optimizers["heads"].param_groups for p in g["params"]}
        assert known == {id(p) for p in state.heads.parameters()}
        assert state.optimizers["heads"] is not old_optimizer
        assert state.optimizers["heads"].state_dict()["state"] == {}
        weights = [n for n in old if n.endswith("weight")]
        new = dict(state.heads.named_parameters())
        assert all((old[name] != new[name]).any() for name in weights)
        assert new["audio_teaches_video.weight"].shape == (4, 6)


def test_what_cannot_be_clustered_is_named_with_what_to_do() -> None:
    method, given = declare("xdc", ("video", "audio")), features()
    alike = {**given, "audio": Features(np.ones((90, 5), np.float32), given["audio"].present)}
    with pytest.raises(UserError, match=r"clustering of audio: .* same.*, or leave audio out of"):
        cluster_features(method, alike, Clustering(k=4), 0)
    with pytest.raises(
        UserError,
        match=r"audio: 1 clips have it, but clustering.k=2; take more",
    ):
        cluster_features(method, features(np.arange(90) < 1), Clustering(k=2), 0)
    alone = {"video": Features(given["video"].values[:1], np.ones(1, bool))}
    with pytest.raises(UserError, match=r"k=2; take more clips$"):
        cluster_features(declare("sdc", ("video",)), alone, Clustering(k=2), 0)
