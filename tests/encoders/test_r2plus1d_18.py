"""R(2+1)D-18 in the shape of torchvision: its key names, its shapes, its count of parameters."""

import pytest
import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.r2plus1d import R2Plus1D
from triptych.encoders.r2plus1d_18 import build


@pytest.fixture(scope="module")
def network() -> R2Plus1D:
    with torch.device("meta"):
        return build()


def names() -> set[str]:
    """The published names, from the published structure: stem, 4 stages of 2 blocks."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    found = {"stem.0.weight", "stem.3.weight"}
    found |= {f"stem.{place}.{name}" for place in (1, 4) for name in norm}
    for block in (f"layer{stage}.{number}" for stage in range(1, 5) for number in range(2)):
        for conv in ("conv1", "conv2"):
            found |= {f"{block}.{conv}.0.{place}.weight" for place in (0, 3)}
            found |= {f"{block}.{conv}.{place}.{name}" for place in ("0.1", "1") for name in norm}
        if block in ("layer2.0", "layer3.0", "layer4.0"):
            found |= {f"{block}.downsample.0.weight"}
            found |= {f"{block}.downsample.1.{name}" for name in norm}
    return found


def test_parameters_without_the_classifier(network: R2Plus1D) -> None:
    """torchvision states 31,505,325; its classifier of 400 classes has 512 x 400 + 400."""
    count = sum(weight.numel() for weight in network.parameters())
    assert count == 31_505_325 - (512 * 400 + 400) == 31_300_125


def test_names_are_those_of_the_published_weights(network: R2Plus1D) -> None:
    assert set(network.state_dict()) == names()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("stem.0.weight", (45, 3, 1, 7, 7)),
        ("stem.3.weight", (64, 45, 3, 1, 1)),
        ("layer1.0.conv1.0.0.weight", (144, 64, 1, 3, 3)),
        ("layer1.0.conv1.0.3.weight", (64, 144, 3, 1, 1)),
        ("layer2.0.conv1.0.0.weight", (230, 64, 1, 3, 3)),
        ("layer2.0.conv2.0.0.weight", (230, 128, 1, 3, 3)),
        ("layer2.1.conv1.0.0.weight", (288, 128, 1, 3, 3)),
        ("layer2.0.downsample.0.weight", (128, 64, 1, 1, 1)),
        ("layer3.0.conv1.0.0.weight", (460, 128, 1, 3, 3)),
        ("layer4.0.conv1.0.0.weight", (921, 256, 1, 3, 3)),
        ("layer4.1.conv2.0.3.weight", (512, 1152, 3, 1, 1)),
    ],
)
def test_shapes_are_those_of_the_published_weights(
    network: R2Plus1D, name: str, shape: tuple[int, ...]
) -> None:
    assert tuple(network.state_dict()[name].shape) == shape


def test_it_asks_for_clips_of_the_paper(network: R2Plus1D) -> None:
    assert (network.input.frames, network.input.size) == (16, 112)
    assert network.dim == 512
    assert network.modality == "video"


def test_it_is_the_published_network() -> None:
    encoder = build()
    check_shapes("r2plus1d_18", encoder)
    check_outputs("r2plus1d_18", encoder)
