import numpy as np
import pytest
import torch
from torch import Tensor

from triptych.encoders.encoder import Background, VideoInput
from triptych.encoders.pixels import KINETICS, NativeClip, Preprocessing, VideoEncoder

SMALL = Preprocessing("bgr", 0.5, (1.0, 2.0, 3.0), (2.0, 4.0, 8.0))


class Probe(VideoEncoder):
    dim = 3

    def encode(self, x: Tensor) -> Tensor:
        return x.mean((2, 3, 4))


def probe(preprocessing: Preprocessing, background: Background = "keep") -> Probe:
    return Probe(VideoInput(4, 8.0, 6, background), preprocessing, None)


def frames(clips: int = 2) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (clips, 4, 6, 6, 3), dtype=torch.uint8, generator=draw)


@pytest.mark.parametrize("background", ["keep", "subtract"])
@pytest.mark.parametrize("form", [KINETICS, SMALL, Preprocessing(scale=2 / 255, mean=(1, 1, 1))])
def test_every_pixel_is_what_the_formula_says(form: Preprocessing, background: Background) -> None:
    clips = frames()
    found = probe(form, background).pixels(clips).numpy()
    assert found.shape == (2, 3, 4, 6, 6)
    bytes_ = clips.numpy().astype(np.float64)
    if form.order == "bgr":
        bytes_ = bytes_[..., ::-1]
    mean = np.array(form.mean)
    if background == "subtract":
        bytes_, mean = bytes_ - bytes_.mean(1, keepdims=True), np.zeros(3)
    wanted = (bytes_ * form.scale - mean) / np.array(form.deviation)
    np.testing.assert_allclose(found, wanted.transpose(0, 4, 1, 2, 3), atol=2e-5)


@pytest.mark.parametrize("form", [KINETICS, SMALL])
def test_colours_lie_side_by_side_in_memory(form: Preprocessing) -> None:
    found = probe(form).pixels(frames())
    assert found.is_contiguous(memory_format=torch.channels_last_3d)
    assert found.stride(1) == 1


def test_random_changes_come_before_the_network_s_own_numbers() -> None:
    encoder = probe(SMALL)
    seen: list[Tensor] = []
    encoder.augment.register_forward_hook(lambda _module, given, _out: seen.append(given[0]))
    encoder(frames())
    torch.testing.assert_close(seen[0], frames().float())


def test_a_native_clip_at_the_videos_own_rate_is_asked_for_at_25() -> None:
    assert NativeClip(16, None, 112).input() == VideoInput(16, 25.0, 112)
    assert NativeClip(8, 10.0, 96).input() == VideoInput(8, 10.0, 96)
