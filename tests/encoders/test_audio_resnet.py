import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.encoders.audio_resnet import AudioResNet, Block
from triptych.encoders.encoder import AudioInput
from triptych.encoders.log_mel import LogMel, MelScale
from triptych.errors import UserError


def tiny(both: bool, seconds: float = 0.5) -> AudioResNet:
    torch.manual_seed(0)
    clip = AudioInput(seconds=seconds)
    return AudioResNet(clip, LogMel(MelScale()), (4, 6, 8, 10), (1, 1, 1, 1), both).eval()


def sound(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


@torch.no_grad()
def test_features_are_mean_over_bands_then_mean_and_maximum_over_time() -> None:
    network, x = tiny(both=True), sound(2, 8000)
    maps: list[Tensor] = []
    network.layer4.register_forward_hook(lambda _module, _inputs, out: maps.append(out))
    found = network(x)
    assert found.shape == (2, network.dim) == (2, 20)
    over_time = maps[0].sum(2) / maps[0].shape[2]
    torch.testing.assert_close(found[:, :10], over_time.sum(2) / over_time.shape[2])
    torch.testing.assert_close(found[:, 10:], over_time.max(2).values)
    mean = tiny(both=False)
    mean.load_state_dict(network.state_dict())
    torch.testing.assert_close(mean(x), found[:, :10])
    assert mean.dim == 10


@torch.no_grad()
def test_a_clip_s_features_do_not_depend_on_its_companions() -> None:
    network, x = tiny(both=True), sound(4, 8000)
    alone = torch.cat([network(one[None]) for one in x])
    torch.testing.assert_close(network(x), alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(4, 4, 1), (4, 6, 2)])
def test_a_block_is_two_convolutions_and_a_shortcut(inputs: int, outputs: int, stride: int) -> None:
    torch.manual_seed(0)
    block = Block(inputs, outputs, stride).eval()
    x = torch.randn(2, inputs, 9, 11)
    state = block.state_dict()

    def norm(y: Tensor, name: str) -> Tensor:  # fresh statistics: mean 0, variance 1
        return F.batch_norm(y, torch.zeros(outputs), torch.ones(outputs), state[f"{name}.weight"])

    y = norm(F.conv2d(x, state["conv1.weight"], None, stride, 1), "bn1").relu()
    y = norm(F.conv2d(y, state["conv2.weight"], None, 1, 1), "bn2")
    short = x
    if "downsample.0.weight" in state:
        short = norm(F.conv2d(x, state["downsample.0.weight"], None, stride), "downsample.1")
    torch.testing.assert_close(block(x), (y + short).relu())


def test_too_short_a_sound_is_refused_when_the_encoder_is_made() -> None:
    with pytest.raises(UserError, match=r"0\.016 s of sound at 16000 Hz is too short"):
        tiny(both=True, seconds=0.016)
    network = tiny(both=True, seconds=0.0161)
    assert isinstance(network.input, AudioInput)
    assert network(sound(1, network.input.samples)).shape == (1, 20)
