from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from tests.embeddings.test_model import save_run
from triptych.encoders.build import build
from triptych.encoders.encoder import AudioInput, Encoder, Input, VideoInput
from triptych.encoders.text import WordInput
from triptych.errors import UserError
from triptych.explore.filters import (
    Filters,
    Layer,
    compare,
    facing,
    facts,
    first_layers,
    profile,
    read,
    share,
    share_by_chance,
)

TIME = np.array([1.0, -2.0, 0.5])


class Stub(Encoder):
    """An encoder of any convolutions; only their shapes and weights matter here."""

    dim = 1

    def __init__(self, modality: str, *layers: nn.Module) -> None:
        super().__init__()
        inputs: dict[str, Input] = {"video": VideoInput(), "audio": AudioInput()}
        self.modality, self.input = modality, inputs[modality]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError


def layer(weights: np.ndarray, kind: str = "space-time") -> Layer:
    return Layer("video", "conv", kind, weights)  # type: ignore[arg-type]


def over_space_and_time(pattern: np.ndarray) -> np.ndarray:
    """(3, t, h, w) of one pattern (3, h, w) that only fades and turns over with ``TIME``."""
    return pattern[:, None] * TIME[None, :, None, None]


def test_a_filter_that_is_a_product_is_separable_and_its_profile_is_found() -> None:
    pattern = np.random.default_rng(0).normal(size=(3, 5, 7))
    moving = np.zeros((3, 3, 5, 7))
    for frame in range(3):  # one dot that walks: three frames with nothing in common
        moving[:, frame, 2, frame] = 1.0
    two = np.zeros((3, 3, 5, 7))
    two[0, 0, 0, 0], two[0, 1, 1, 1] = 3.0, 1.0  # energies 9 and 1, without overlap
    some = layer(np.stack([over_space_and_time(pattern), moving, two]))
    np.testing.assert_allclose(some.separable(), [1, 1 / 3, 9 / 10])
    matrix = some.matrix(0)
    assert matrix is not None
    found = profile(matrix)
    # The largest of TIME is negative, and is shown upwards.
    np.testing.assert_allclose(found / np.abs(found).max(), TIME / -2)
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(matrix))


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 5), columns=st.integers(1, 8), seed=st.integers(0, 99))
def test_a_share_is_the_top_eigenvalue_over_the_trace(rows: int, columns: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).normal(size=(rows, columns))
    gram = matrix @ matrix.T
    assert share(matrix) == pytest.approx(np.linalg.eigvalsh(gram).max() / np.trace(gram))
    assert share(np.zeros((rows, columns))) == 0


def test_what_noise_gives_by_its_own_draws() -> None:
    draw = np.random.default_rng(7)
    shares = []
    for _ in range(300):
        matrix = draw.normal(size=(3, 20))
        shares.append(np.linalg.eigvalsh(matrix @ matrix.T).max() / (matrix**2).sum())
    assert share_by_chance((3, 20)) == pytest.approx(np.mean(shares), abs=0.02)
    assert share_by_chance((1, 20)) == pytest.approx(1)
    assert share_by_chance((3, 20)) == share_by_chance((3, 20))


def test_energy_by_hand() -> None:
    some = layer(np.stack([np.full((3, 2, 2), value) for value in (1.0, 3.0, 0.0)]), "space")
    np.testing.assert_allclose(some.energy, [0.1, 0.9, 0])
    assert some.order.tolist() == [1, 0, 2]
    assert some.separable() is None
    np.testing.assert_array_equal(layer(np.zeros((2, 3, 1, 1)), "space").energy, [0, 0])


@pytest.mark.parametrize(
    ("encoder", "kinds"),
    [
        (Stub("video", nn.Conv3d(3, 4, (3, 7, 7)), nn.Conv3d(4, 4, 3)),
         [("space-time", (3, 3, 7, 7))]),
        (Stub("video", nn.Conv3d(3, 4, (1, 7, 7)), nn.Conv3d(4, 5, (7, 1, 1))),
         [("space", (3, 7, 7)), ("time", (4, 7))]),
        # A convolution over both behind the first is no second half of it.
        (Stub("video", nn.Conv3d(3, 4, (1, 7, 7)), nn.Conv3d(4, 5, 3)), [("space", (3, 7, 7))]),
        (Stub("audio", nn.Conv2d(1, 4, (7, 5))), [("mel-time", (1, 7, 5))]),
        (Stub("video", nn.Linear(3, 3)), []),
        (Stub("video", nn.Conv3d(2, 4, 3)), []),
    ],
)  # fmt: skip
def test_the_first_layers_go_by_their_shape(
    encoder: Encoder, kinds: list, capsys: pytest.CaptureFixture[str]
) -> None:
    found = first_layers(encoder)
    assert [(one.kind, one.weights.shape[1:]) for one in found] == kinds
    assert bool(found) != ("left out" in capsys.readouterr().err)


def test_folded_pixels_are_unfolded_to_the_same_convolution() -> None:
    generator = torch.Generator().manual_seed(0)
    clips = torch.randn(1, 3, 6, 8, 10, generator=generator)
    folded = torch.zeros(1, 24, 3, 4, 5)
    for channel, (t, h, w, colour) in enumerate(product(range(2), range(2), range(2), range(3))):
        folded[:, channel] = clips[:, colour, t::2, h::2, w::2]
    encoder = Stub("video", nn.Conv3d(24, 4, (2, 3, 4), bias=False))
    (found,) = first_layers(encoder)
    assert (found.kind, found.weights.shape) == ("space-time", (4, 3, 4, 6, 8))
    weights = torch.from_numpy(found.weights).float()
    torch.testing.assert_close(
        functional.conv3d(clips, weights, stride=2), encoder.body(folded), atol=1e-4, rtol=1e-4
    )


def test_the_encoders_of_this_project() -> None:
    video = build("r2plus1d_small", "video", VideoInput(frames=2, size=16), 0)
    space, time = first_layers(video)
    weights = dict(video.named_parameters())
    assert (space.weights.shape, time.weights.shape) == ((12, 3, 7, 7), (16, 12, 3))
    np.testing.assert_allclose(
        space.weights, weights[space.name].detach()[:, :, 0].contiguous().numpy()
    )
    for at in range(16):  # one row for each frame
        np.testing.assert_array_equal(time.matrix(at), time.weights[at].T)
    audio = build("audio_resnet_small", "audio", AudioInput(8_000, 0.5), 0)
    assert [one.weights.shape for one in first_layers(audio)] == [(16, 1, 7, 7)]
    text = build("bag_of_words", "text", WordInput(("a", "b")), 0)
    assert first_layers(text) == []


def test_a_row_says_how_far_two_checkpoints_are_apart() -> None:
    weights = np.random.default_rng(0).normal(size=(4, 3, 2, 2))
    space = layer(weights, "space")
    for other, cosine in ((weights * 3, 1), (-weights, -1), (weights[:3], None)):
        found = facts(layer(other, "space"), Filters("first", [space]))
        assert found["like_first"] == (cosine if cosine is None else pytest.approx(cosine))
    first, second = compare([Filters("a", [space]), Filters("b", [space])])
    assert "like_first" not in first
    assert (second["checkpoint"], second["filters"], second["kernel"]) == ("b", 4, "3×2×2")
    assert (second["even"], second["strongest"]) == (1 / 4, max(second["energy"]))
    assert sum(second["energy"]) == pytest.approx(1)


def test_filters_face_the_same_ones_of_the_first_checkpoint() -> None:
    weights = np.arange(1, 4).reshape(3, 1, 1, 1) * np.ones((3, 3, 2, 2))
    first = layer(weights, "space")
    grown = layer(weights[::-1].copy(), "space")
    assert facing(first, Filters("a", [first])) == [2, 1, 0]
    assert facing(grown, Filters("a", [first])) == [2, 1, 0]
    assert facing(grown, Filters("a", [layer(weights, "mel-time")])) == [0, 1, 2]


def test_the_mean_share_is_weighed_by_energy() -> None:
    fading = over_space_and_time(np.ones((3, 2, 3)))
    walking = np.zeros_like(fading)
    for frame in range(3):
        walking[:, frame, 0, frame] = 1.0
    both = layer(np.stack([fading, walking]))
    energies = np.array([(fading**2).sum(), (walking**2).sum()])
    expected = (energies @ [1, 1 / 3]) / energies.sum()
    assert facts(both)["separable"] == pytest.approx(expected)


def test_a_run_is_read_and_named(tmp_path: Path) -> None:
    file = tmp_path / "work" / "run" / "checkpoints" / "best.safetensors"
    save_run(file)
    for path in (file, tmp_path / "work", tmp_path / "work" / "run"):
        found = read(path)
        assert found.title == "work, best (xdc)"
        assert [one.kind for one in found.layers] == ["space", "time", "mel-time"]
    for one, other in pairwise(read(file).layers):
        assert not torch.equal(*(torch.tensor(x.weights).flatten()[:9] for x in (one, other)))


def test_a_run_on_words_alone_has_no_filters(tmp_path: Path) -> None:
    save_run(tmp_path / "text.safetensors", ("text",), meet=False)
    with pytest.raises(UserError, match=r"text\.safetensors: trained on text, with no filters"):
        read(tmp_path / "text.safetensors")
