import pytest
import torch
from torch import Tensor, nn

from triptych.encoders.encoder import VideoInput
from triptych.encoders.video_resnet import FLAT, FULL, Kind, VideoResNet, full_stem


@pytest.mark.parametrize(
    ("kinds", "lengths"),
    [([FULL] * 4, [8, 4, 2, 1]), ([FULL, FLAT, FLAT, FLAT], [8, 8, 8, 8])],
    ids=["r3d", "mc3"],
)
@torch.no_grad()
def test_flat_stages_keep_every_frame(kinds: list[Kind], lengths: list[int]) -> None:
    clip = VideoInput(frames=8, size=32)
    network = VideoResNet(clip, full_stem(), kinds, (64, 6, 8, 10), (1, 1, 1, 1)).eval()
    seen: list[Tensor] = []
    for stage in range(1, 5):
        layer = network.get_submodule(f"layer{stage}")
        layer.register_forward_hook(lambda _module, _given, out: seen.append(out))
    network(torch.zeros(1, 8, 32, 32, 3, dtype=torch.uint8))
    assert [tuple(out.shape[2:]) for out in seen] == [
        (t, size, size) for t, size in zip(lengths, (16, 8, 4, 2), strict=True)
    ]


def test_a_flat_stage_sees_each_frame_alone() -> None:
    torch.manual_seed(0)
    kinds = [FLAT] * 4
    stem = nn.Sequential(nn.Conv3d(3, 4, (1, 3, 3)))
    clip = VideoInput(frames=2, size=32)
    network = VideoResNet(clip, stem, kinds, (4, 4, 4, 4), (1, 1, 1, 1)).eval()
    frames = torch.randint(0, 256, (1, 2, 32, 32, 3), dtype=torch.uint8)
    torch.testing.assert_close(network(frames), network(frames.flip(1)))
