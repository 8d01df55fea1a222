import pytest
import torch

from tests.encoders.parity import check_outputs, check_shapes, waves
from triptych.encoders.davenet import Davenet, build
from triptych.encoders.encoder import AudioInput
from triptych.errors import UserError


def tiny() -> Davenet:
    torch.manual_seed(0)
    return Davenet(AudioInput(16_000, 1.0), (3, 4, 5, 6)).eval()


def test_it_is_the_published_network() -> None:
    """AVLnet's, in evaluation, on librosa's spectrograms of the same sounds."""
    network = build()
    check_shapes("davenet", network)
    check_outputs("davenet", network)


def test_its_parameters() -> None:
    """AVLnet's own network, counted, less the normalisation of its input, which it never uses."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count == 44_670_978 - 2


@torch.no_grad()
def test_steps_count_that_have_sound_in_all_their_frames() -> None:
    """Against the stages by themselves and a loop: 160 frames make 10 steps of 16."""
    network = tiny()
    pictures = torch.randn(4, 40, 160)
    steps = network.relu(network.bn1(network.conv1(pictures[:, None])))
    for stage in (1, 2, 3, 4):
        steps = network.get_submodule(f"layer{stage}")(steps)
    assert steps.shape == (4, 6, 1, 10)
    given = torch.tensor([160, 47, 16, 3])
    expected = [steps[clip, :, 0, :n].mean(1) for clip, n in enumerate((10, 2, 1, 1))]
    found = network.of_spectrograms(pictures, given)
    torch.testing.assert_close(found, torch.stack(expected))
    torch.testing.assert_close(network.of_spectrograms(pictures), steps[:, :, 0].mean(2))
    torch.testing.assert_close(network.of_spectrograms(pictures[:, None], given), found)


def test_a_thousand_frames_make_63_steps_of_1024_numbers() -> None:
    with torch.device("meta"):
        network = build()
        seen = []
        network.layer4.register_forward_hook(lambda *given: seen.append(given[2].shape))
        network.of_spectrograms(torch.zeros(2, 40, 1000))
    assert seen == [(2, 1024, 1, 63)]


@torch.no_grad()
def test_a_clip_with_silence_behind_it_keeps_to_its_sound() -> None:
    network = tiny()
    clips = torch.zeros(2, 16_000)
    clips[:, :6_000] = waves(6_000)
    _, frames = network.log_mel(clips)
    assert frames.tolist() == [38, 38]
    whole = network(clips)
    assert torch.isfinite(network(torch.zeros(1, 16_000))).all()
    clips[1, 6_000:] = torch.randn(10_000) * 0.1
    assert not torch.allclose(network(clips)[1], whole[1])
    torch.testing.assert_close(network(clips * 0.5)[0], whole[0], atol=1e-3, rtol=1e-2)


def test_sound_that_is_too_short_is_refused() -> None:
    with pytest.raises(UserError, match=r"too short, take at least 0\.0125625 s"):
        build(AudioInput(16_000, 0.01))
