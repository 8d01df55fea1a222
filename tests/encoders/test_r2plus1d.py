from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.encoder import VideoInput
from triptych.encoders.r2plus1d import BY_BLOCK, BY_CONVOLUTION, R2Plus1D
from triptych.encoders.video_resnet import Block


def tiny(**clip: Any) -> R2Plus1D:
    torch.manual_seed(0)
    return R2Plus1D(VideoInput(**clip), (4, 6, 8, 10), (1, 1, 1, 1), stem=3).eval()


def frames(*shape: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=draw)


def settle(network: R2Plus1D) -> None:
    """Statistics unlike those of a fresh network, so that a test would notice them."""
    draw = torch.Generator().manual_seed(1)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1, generator=draw)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2, generator=draw)


def norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return F.batch_norm(
        x,
        state[f"{name}.running_mean"],
        state[f"{name}.running_var"],
        state[f"{name}.weight"],
        state[f"{name}.bias"],
    )


def by_hand(state: dict[str, Tensor], clips: Tensor) -> Tensor:
    """The paper's network in plain calls, on frames normalised in floating point."""
    mean = torch.tensor([0.43216, 0.394666, 0.37645])
    deviation = torch.tensor([0.22803, 0.22145, 0.216989])
    x = ((clips.float() / 255 - mean) / deviation).permute(0, 4, 1, 2, 3).contiguous()
    x = F.conv3d(x, state["stem.0.weight"], stride=(1, 2, 2), padding=(0, 3, 3))
    x = norm(x, state, "stem.1").relu()
    x = norm(F.conv3d(x, state["stem.3.weight"], padding=(1, 0, 0)), state, "stem.4").relu()
    for stage in range(1, 5):
        place, stride = f"layer{stage}.0", 1 if stage == 1 else 2
        out = x
        for number, step in ((1, stride), (2, 1)):
            conv = f"{place}.conv{number}"
            out = F.conv3d(
                out, state[f"{conv}.0.0.weight"], stride=(1, step, step), padding=(0, 1, 1)
            )
            out = norm(out, state, f"{conv}.0.1").relu()
            out = F.conv3d(out, state[f"{conv}.0.3.weight"], stride=(step, 1, 1), padding=(1, 0, 0))
            out = norm(out, state, f"{conv}.1")
            out = out.relu() if number == 1 else out
        if f"{place}.downsample.0.weight" in state:
            x = norm(
                F.conv3d(x, state[f"{place}.downsample.0.weight"], stride=stride),
                state,
                f"{place}.downsample.1",
            )
        x = (out + x).relu()
    return x.flatten(2).mean(2)


@torch.no_grad()
@pytest.mark.parametrize(("count", "size"), [(8, 32), (16, 32), (4, 40), (1, 17)])
def test_it_is_the_paper_s_network_on_normalised_frames(count: int, size: int) -> None:
    network = tiny(frames=count, size=size)
    settle(network)
    clips = frames(2, count, size, size)
    found = network(clips)
    assert found.shape == (2, network.dim)
    torch.testing.assert_close(found, by_hand(network.state_dict(), clips), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_clip_s_features_do_not_depend_on_its_companions() -> None:
    network = tiny()
    settle(network)
    clips = frames(4, 8, 32, 32)
    together = network(clips)
    alone = torch.cat([network(clip[None]) for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_without_the_background_only_what_moves_counts() -> None:
    clips = frames(2, 4, 32, 32).float() / 2
    wall = 100 * torch.rand(2, 1, 32, 32, 3, generator=torch.Generator().manual_seed(2))
    for background, same in (("subtract", True), ("keep", False)):
        network = tiny(frames=4, size=32, background=background)
        settle(network)
        with torch.no_grad():
            close = torch.allclose(network(clips), network(clips + wall), rtol=1e-3, atol=1e-3)
        assert close == same, background


def test_the_layout_in_memory_changes_nothing() -> None:
    network, clips = tiny(), frames(2, 8, 32, 32)
    before = network(clips)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    torch.testing.assert_close(network(clips), before, atol=1e-5, rtol=1e-4)


def test_the_middle_width_keeps_the_parameters_of_a_full_convolution() -> None:
    """Paper, section 3.5: N m + 3 m M of the pair is at most, and nearly, 27 N M."""
    for inputs, outputs in ((64, 64), (64, 128), (128, 256)):
        for kind in (BY_BLOCK, BY_CONVOLUTION):
            block = Block(inputs, outputs, 1, kind)
            assert 0.99 < kernels(block.conv1[0]) / (27 * inputs * outputs) <= 1
        # Only of its own inputs does the second convolution keep them where the width grows.
        assert 0.99 < kernels(block.conv2[0]) / (27 * outputs * outputs) <= 1


def kernels(layer: nn.Module) -> int:
    return sum(weight.numel() for weight in layer.parameters() if weight.ndim == 5)
