import pytest
import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.encoder import VideoInput
from triptych.encoders.s3d import build
from triptych.errors import UserError


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("s3d", network)
    check_outputs("s3d", network)


def test_its_parameters() -> None:
    """S3D_HowTo100M's own network, counted without the layer to its words."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count == 9_146_000


def test_joined_segments_count_together() -> None:
    assert build(VideoInput(frames=3, size=64, segments=2)).input.shape == (6, 64, 64, 3)


@pytest.mark.parametrize(("frames", "size"), [(7, 64), (8, 63)])
def test_odd_clips_are_refused_in_one_line(frames: int, size: int) -> None:
    with pytest.raises(UserError, match=rf"in pairs, not {frames} frames of {size}; make clip"):
        build(VideoInput(frames=frames, size=size))
