import numpy as np
import pytest
import torch

from tests.encoders.parity import waves
from triptych.encoders.log_mel import MelScale, mel_filters
from triptych.encoders.relative_mel import RelativeMel, below_loudest


@pytest.mark.parametrize(
    ("samples", "frames", "mean", "deviation", "golden"),
    [
        (16_000, 101, -22.247981, 8.629036, (-42.36415, -19.81168, -10.18095, -26.79511)),
        (40_000, 251, -15.447763, 8.046938, (-34.59875, -16.22569, -5.56426, -27.67016)),
    ],
)
def test_it_agrees_with_librosa(
    samples: int, frames: int, mean: float, deviation: float, golden: tuple[float, ...]
) -> None:
    """Figures of librosa 0.11 on the same sound, its mean off and pre-emphasised by .97.

    stft (n_fft 400, hop 160, symmetric Hamming, mirrored ends), filters.mel (40 from 20 Hz) and
    power_to_db of the maximum: what AVLnet and MCN call.
    """
    levels, count = RelativeMel(16_000)(waves(samples))
    found = below_loudest(levels)[0, 0].double()
    assert found.shape == (40, frames)
    assert count.tolist() == [frames]
    assert found.mean().item() == pytest.approx(mean, abs=1e-4)
    assert found.std(correction=0).item() == pytest.approx(deviation, abs=1e-4)
    for place, value in zip(((0, 0), (20, 50), (39, 100), (10, 30)), golden, strict=True):
        assert found[place].item() == pytest.approx(value, abs=1e-3)


def test_silence_at_the_end_changes_nothing_before_it_and_is_counted_out() -> None:
    """Against the formula, written out in numpy for the sound alone."""
    sound = waves(4_000)[0].double().numpy() + 0.1
    clips = torch.zeros(3, 8_000)
    clips[0, :4_000] = torch.from_numpy(sound)
    clips[1, :4_000] = torch.from_numpy(sound) / 4
    levels, frames = RelativeMel(16_000)(clips)
    assert frames.tolist() == [26, 26, 1]
    sound = sound - sound.mean()
    sound = np.concatenate([sound[:1], sound[1:] - 0.97 * sound[:-1]])
    padded = np.concatenate([sound[200:0:-1], sound, np.zeros(4_200)])
    windows = [padded[160 * i : 160 * i + 400] * np.hamming(400) for i in range(51)]
    filters = mel_filters(MelScale(16_000, 400, 400, 160, 40, low=20.0, high=8_000.0))
    power = filters @ np.abs(np.fft.rfft(windows, axis=1)).T ** 2
    decibels = 10 * np.log10(np.maximum(power, 1e-10))
    expected = np.maximum(decibels - decibels.max(), -80)
    found = below_loudest(levels)[:, 0].numpy()
    np.testing.assert_allclose(found[0], expected, atol=2e-3)
    assert (found[0, :, 28:] == -80).all()
    # A quarter of the loudness is the same picture, down to where the softest power is cut off.
    loud = expected > -60
    np.testing.assert_allclose(found[1][loud], expected[loud], atol=2e-3)
    assert (found[2] == 0).all(), "silence has no loudest level"


def test_the_least_sound_it_takes() -> None:
    front = RelativeMel(16_000)
    assert front.least == 201
    assert front(torch.rand(1, 201))[0].shape == (1, 1, 40, 2)
    with pytest.raises(RuntimeError):
        front(torch.rand(1, 200))
