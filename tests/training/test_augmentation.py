import cmath
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from triptych.encoders import build
from triptych.encoders.encoder import AudioInput, VideoInput
from triptych.training.augmentation import YIQ, ColourJitter, SpecAugment, install, recoloured
from triptych.training.recipe import Augmentation


def spectrograms(clips: int = 4) -> torch.Tensor:
    return torch.randn(clips, 1, 64, 100, generator=torch.Generator().manual_seed(0))


def runs(hidden: torch.Tensor) -> list[int]:
    """Lengths of the runs of True."""
    lengths, now = [], 0
    for value in [*hidden.tolist(), False]:
        if value:
            now += 1
        elif now:
            lengths.append(now)
            now = 0
    return lengths


def test_nothing_changes_outside_of_training() -> None:
    for module, x in (
        (SpecAugment(12.0, 0.5, 0.5), spectrograms()),
        (ColourJitter(0.5, 0.5), torch.rand(2, 3, 8, 8, 3)),
    ):
        assert torch.equal(module.eval()(x), x)
        assert not torch.equal(module.train()(x), x)


def test_gain_is_one_constant_per_clip_within_its_decibels() -> None:
    x = spectrograms(500)
    gained = (SpecAugment(6.0, 0.0, 0.0).train()(x) - x).flatten(1)
    assert torch.allclose(gained, gained[:, :1].expand_as(gained), atol=1e-5)
    # 6 dB of power is a factor of 3.98, of which x holds the natural logarithm.
    most = math.log(10**0.6)
    assert 0.95 * most < float(gained.abs().max()) <= most + 1e-5
    assert abs(float(gained[:, 0].mean())) < 0.1


@given(bands=st.floats(0.05, 0.9), frames=st.floats(0.05, 0.9), seed=st.integers(0, 2**31))
def test_masks_are_whole_bands_and_frames_no_wider_than_allowed(
    bands: float, frames: float, seed: int
) -> None:
    torch.manual_seed(seed)
    x = spectrograms()
    out = SpecAugment(0.0, bands, frames).train()(x)
    changed = out != x
    for clip in range(len(x)):
        rows, columns = changed[clip, 0].all(1), changed[clip, 0].all(0)
        assert torch.equal(changed[clip, 0], rows[:, None] | columns[None])
        hidden = out[clip][changed[clip]]
        assert torch.allclose(hidden, x[clip].mean().expand_as(hidden), atol=1e-6)
        # Two masks of each kind, each of which may cover one place more than its width.
        assert sum(runs(rows)) <= 2 * (bands * 64 + 1)
        assert sum(runs(columns)) <= 2 * (frames * 100 + 1)
        assert len(runs(rows)) <= 2
        assert len(runs(columns)) <= 2


def test_colours_change_alike_in_all_frames_of_a_clip() -> None:
    x = torch.rand(200, 2, 4, 4, 3) * 255
    bright = ColourJitter(0.2, 0.0).train()(x) / x
    assert torch.allclose(bright, bright[:, :1, :1, :1, :1].expand_as(bright), rtol=1e-4)
    assert 0.8 <= float(bright.min()) < 0.82
    assert 1.18 < float(bright.max()) <= 1.2 + 1e-4
    contrast = ColourJitter(0.0, 0.2).train()(x)
    mean = (1, 2, 3, 4)
    assert torch.allclose(contrast.mean(mean), x.mean(mean), rtol=1e-4)
    spread = contrast.std(mean) / x.std(mean)
    assert 0.8 <= float(spread.min()) < 0.82
    assert 1.18 < float(spread.max()) <= 1.2 + 1e-4


def one_after_the_other(
    x: np.ndarray, amounts: dict[str, float], order: Sequence[str]
) -> np.ndarray:
    """Pixels (n, 3), step by step; hue through YUV, whose plane is YIQ's, seen from behind."""
    for name in order:
        much = amounts[name]
        y = x @ [0.299, 0.587, 0.114]
        if name == "bright":
            x = x * much
        elif name == "contrast":
            x = x.mean() + much * (x - x.mean())
        elif name == "saturation":
            x = y[:, None] + much * (x - y[:, None])
        else:
            colour = 0.492111 * (x[:, 2] - y) + 0.877283j * (x[:, 0] - y)
            colour = colour * cmath.exp(-2j * math.pi * much)
            blue, red = y + colour.real / 0.492111, y + colour.imag / 0.877283
            x = np.stack([red, (y - 0.299 * red - 0.114 * blue) / 0.587, blue], 1)
    return x


@given(
    order=st.permutations(["bright", "contrast", "saturation", "hue"]),
    factors=st.tuples(*[st.floats(0.6, 1.4)] * 3),
    turn=st.floats(-0.5, 0.5),
    seed=st.integers(0, 99),
)
def test_the_four_in_any_order_are_one_step_after_the_other(
    order: list[str], factors: tuple[float, float, float], turn: float, seed: int
) -> None:
    x = torch.rand(1, 2, 3, 2, 3, generator=torch.Generator().manual_seed(seed)) * 255
    names = ["bright", "contrast", "saturation", "hue"]
    amounts = torch.tensor([[*factors, turn]])
    places = torch.tensor([[order.index(name) for name in names]])
    found = recoloured(x, amounts, places, torch.tensor([False])).reshape(-1, 3)
    known = dict(zip(names, [*factors, turn], strict=True))
    want = one_after_the_other(x.reshape(-1, 3).double().numpy(), known, order)
    np.testing.assert_allclose(found.numpy(), want, atol=0.05)  # constants of six digits


def test_greys_have_no_hue() -> None:
    grey = torch.full((1, 1, 2, 2, 3), 90.0)
    turned = recoloured(
        grey, torch.tensor([[1.0, 1.0, 1.0, 0.3]]), torch.arange(4)[None], torch.tensor([False])
    )
    torch.testing.assert_close(turned, grey, rtol=1e-4, atol=1e-3)


def test_a_share_of_clips_loses_its_colours_in_all_frames() -> None:
    torch.manual_seed(0)
    x = torch.rand(1000, 2, 2, 2, 3) * 255
    out = ColourJitter(0, 0, grey=0.2).train()(x)
    grey = ((out - out[..., :1]).abs() < 1e-3).all(-1).flatten(1)
    assert torch.equal(grey.all(1), grey.any(1))
    assert abs(int(grey.all(1).sum()) - 200) < 65  # five standard deviations
    torch.testing.assert_close(out[~grey.all(1)], x[~grey.all(1)], rtol=1e-5, atol=1e-3)
    lost = x[grey.all(1)]
    want = 0.299 * lost[..., 0] + 0.587 * lost[..., 1] + 0.114 * lost[..., 2]
    torch.testing.assert_close(out[grey.all(1)][..., 0], want, rtol=1e-5, atol=1e-3)


def test_colours_keep_their_precision_under_autocast() -> None:
    x = torch.rand(3, 2, 4, 4, 3) * 255
    jitter = ColourJitter(0.4, 0.4, saturation=0.4, hue=0.4, grey=0.5).train()
    found = []
    for enabled in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            found.append(jitter(x))
    assert torch.equal(*found)


def test_amounts_are_drawn_within_theirs_for_every_clip_and_frames_stay_alike() -> None:
    torch.manual_seed(0)
    red = torch.tensor([255.0, 0.0, 0.0]).expand(400, 2, 2, 2, 3)
    out = ColourJitter(0, 0, saturation=0.4).train()(red)
    assert torch.equal(out, out[:, :1, :1, :1].expand_as(out))
    factor = (out[:, 0, 0, 0, 0] - out[:, 0, 0, 0, 1]) / 255
    assert 0.6 <= float(factor.min()) < 0.63
    assert 1.37 < float(factor.max()) <= 1.4 + 1e-4
    turned = ColourJitter(0, 0, hue=0.25).train()(red)[:, 0, 0, 0] @ torch.tensor(YIQ).T
    torch.testing.assert_close(turned[:, 0], torch.full((400,), 0.299 * 255))
    angle = torch.atan2(turned[:, 2], turned[:, 1]) - math.atan2(YIQ[2][0], YIQ[1][0])
    assert -0.25 <= float(angle.min()) / (2 * math.pi) < -0.24
    assert 0.24 < float(angle.max()) / (2 * math.pi) <= 0.25 + 1e-4


def test_the_order_is_drawn_for_every_clip() -> None:
    """Amounts being equal, contrast is before both, after both or between saturation and hue."""
    x = (torch.rand(1, 1, 4, 4, 3) * 255).expand(60, 1, 4, 4, 3)
    jitter = ColourJitter(0.4, 0.4, saturation=0.4, hue=0.4).train()
    real = torch.rand
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch, "rand", lambda *s, **k: real(*s, **k) if s[-1] == 4 else torch.ones(*s)
        )
        out = jitter(x).mul(10).round().flatten(1)
    assert len(out.unique(dim=0)) == 4


@pytest.mark.parametrize(
    ("name", "modality", "clip"),
    [
        ("r2plus1d_small", "video", VideoInput(4, 8.0, 32)),
        ("audio_resnet_small", "audio", AudioInput(seconds=0.5)),
    ],
)
def test_encoders_are_changed_in_training_only_and_keep_their_weights(
    name: str, modality: str, clip: VideoInput | AudioInput
) -> None:
    encoder = build.build(name, modality, clip, seed=0).eval()
    if isinstance(clip, VideoInput):
        x = torch.randint(0, 256, (2, 4, 32, 32, 3), dtype=torch.uint8)
    else:
        x = torch.rand(2, clip.samples) - 0.5
    keys, before = list(encoder.state_dict()), encoder(x)
    install({modality: encoder}, Augmentation())
    assert list(encoder.state_dict()) == keys
    assert torch.equal(encoder(x), before)
    encoder.augment.train()  # alone: BatchNorm of a network in training differs by itself
    assert not torch.allclose(encoder(x), before)


def test_an_augmentation_of_nothing_leaves_the_encoders_alone() -> None:
    encoder = build.build("audio_resnet_small", "audio", AudioInput(seconds=0.5), seed=0)
    install({"audio": encoder}, Augmentation(gain=0, mask_bands=0, mask_frames=0))
    assert isinstance(encoder.augment, torch.nn.Identity)
