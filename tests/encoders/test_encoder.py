import copy

import pytest
import torch
from torch import Tensor, nn

from triptych.encoders.encoder import AudioInput, Encoder, Input, VideoInput


class Rowwise(Encoder):
    """Features of a clip from its flattened numbers, through BatchNorm."""

    dim = 3

    def __init__(self, clip: Input, width: int) -> None:
        super().__init__()
        self.input = clip
        self.layers = nn.Sequential(nn.Linear(width, 3), nn.BatchNorm1d(3))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        out: Tensor = self.layers(x.flatten(1).float())
        return out


def test_a_clip_lasts_its_frames_and_a_sound_has_its_samples() -> None:
    assert VideoInput(frames=16, frame_rate=8.0).seconds == 2.0
    assert AudioInput(sample_rate=44_100, seconds=0.5).samples == 22_050
    assert AudioInput(sample_rate=11_025, seconds=1 / 3).samples == 3675


def test_the_shape_of_a_clip_in_a_batch() -> None:
    assert VideoInput(8, 8.0, 32).shape == (8, 32, 32, 3)
    assert VideoInput(8, 8.0, 32, segments=5).shape == (40, 32, 32, 3)
    assert VideoInput(8, 8.0, 32, segments=5, segments_as="pooled").shape == (5, 8, 32, 32, 3)
    assert VideoInput(8, 8.0, 32, segments=1, segments_as="pooled").shape == (8, 32, 32, 3)
    assert AudioInput(8_000, 0.5).shape == (4000,)
    assert AudioInput(8_000, 0.5, 5).shape == (5, 4000)


@pytest.mark.parametrize(
    "clip", [VideoInput(2, 8.0, 4, segments=5, segments_as="pooled"), AudioInput(16, 6.0, 5)]
)
def test_pooled_segments_are_encoded_one_by_one_and_averaged(clip: Input) -> None:
    torch.manual_seed(0)
    encoder = Rowwise(clip, 96)
    clips = torch.rand(4, *clip.shape)
    encoder.eval()
    want = torch.stack([encoder.forward(clips[:, i]) for i in range(5)]).mean(0)
    torch.testing.assert_close(encoder(clips), want)
    # Statistics of training are those of all segments of all clips.
    twin = copy.deepcopy(encoder).train()
    twin(clips)
    rows = encoder.layers[0](clips.reshape(20, 96))
    mean = twin.layers[1].get_buffer("running_mean")
    torch.testing.assert_close(mean, 0.1 * rows.mean(0))
    variance = twin.layers[1].get_buffer("running_var")
    torch.testing.assert_close(variance, 0.9 + 0.1 * rows.var(0))


@pytest.mark.parametrize("clip", [VideoInput(2, 8.0, 4, segments=5), AudioInput(480, 1.0)])
def test_anything_else_is_encoded_as_it_is(clip: Input) -> None:
    torch.manual_seed(0)
    encoder = Rowwise(clip, 480).eval()
    clips = torch.rand(4, *clip.shape)
    assert torch.equal(encoder(clips), encoder.layers(clips.flatten(1)))
    assert encoder.seen == [(4, *clip.shape)]
