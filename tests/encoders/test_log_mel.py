import cmath
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import stft

from triptych.encoders.log_mel import (
    LogMel,
    MelScale,
    htk_to_hz,
    hz_to_htk,
    hz_to_slaney,
    mel_filters,
    slaney_to_hz,
)
from triptych.errors import UserError


def chirp() -> torch.Tensor:
    """A second of sound: 440 Hz, and a tone that rises from 1 kHz."""
    t = np.arange(16_000) / 16_000
    x = 0.5 * np.sin(2 * np.pi * 440 * t) + 0.25 * np.sin(2 * np.pi * (1000 + 1500 * t) * t)
    return torch.from_numpy(x.astype(np.float32))


@pytest.mark.parametrize(
    ("hertz", "mel"),
    [
        (0.0, 0.0),
        (700.0, 2595 * math.log10(2)),
        (6300.0, 2595.0),  # 1 + 6300 / 700 = 10
        (1000.0, 999.9855),
    ],
)
def test_htk_s_scale_by_hand(hertz: float, mel: float) -> None:
    assert hz_to_htk(np.array(hertz)) == pytest.approx(mel, abs=1e-4)


@pytest.mark.parametrize(
    ("hertz", "mel"),
    [
        (0.0, 0.0),
        (200.0, 3.0),
        (1000.0, 15.0),
        (6400.0, 42.0),  # 27 mels for a factor of 6.4
        (1000 * math.sqrt(6.4), 28.5),
    ],
)
def test_slaney_s_scale_by_hand(hertz: float, mel: float) -> None:
    assert hz_to_slaney(np.array(hertz)) == pytest.approx(mel, abs=1e-9)


@given(hertz=st.floats(0, 100_000))
def test_scales_can_be_undone(hertz: float) -> None:
    x = np.array(hertz)
    assert htk_to_hz(hz_to_htk(x)) == pytest.approx(hertz, rel=1e-9, abs=1e-7)
    assert slaney_to_hz(hz_to_slaney(x)) == pytest.approx(hertz, rel=1e-9, abs=1e-7)


# Made by librosa 0.11.0: filters.mel(sr=16000, n_fft=512, n_mels=64, fmin=50, fmax=8000,
# dtype=float64) with htk=False, norm="slaney" and with htk=True, norm=None.
@pytest.mark.parametrize(
    ("formula", "total", "squares", "values", "peaks"),
    [
        (
            "slaney",
            2.049347809571307,
            0.01799127019911789,
            {
                (0, 2): 0.006001838700839012,
                (0, 3): 0.02100643545293654,
                (10, 16): 0.0,
                (30, 53): 0.006162620721344592,
                (63, 245): 0.0026010317896739935,
            },
            [3, 18, 52, 132, 244],
        ),
        (
            "htk",
            248.77228541750316,
            165.14934451028088,
            {
                (0, 2): 0.433714582001136,
                (0, 3): 0.5011679462569181,
                (10, 16): 0.0,
                (30, 53): 0.3542268951723113,
                (63, 245): 0.9296837311983751,
            },
            [3, 14, 55, 142, 246],
        ),
    ],
)
def test_filters_are_librosa_s(
    formula: str,
    total: float,
    squares: float,
    values: dict[tuple[int, int], float],
    peaks: list[int],
) -> None:
    filters = mel_filters(MelScale(formula=formula))  # type: ignore[arg-type]
    assert filters.shape == (64, 257)
    assert filters.sum() == pytest.approx(total, rel=1e-12)
    assert (filters**2).sum() == pytest.approx(squares, rel=1e-12)
    assert [int(filters[band].argmax()) for band in (0, 10, 30, 50, 63)] == peaks
    for (band, column), value in values.items():
        assert filters[band, column] == pytest.approx(value, rel=1e-10, abs=1e-15)


def test_slaney_s_triangles_have_unit_area_and_htk_s_unit_height() -> None:
    fine = {"fft": 1 << 16, "bands": 20}
    bin_width = 16_000 / (1 << 16)
    slaney = mel_filters(MelScale(formula="slaney", **fine))  # type: ignore[arg-type]
    np.testing.assert_allclose(slaney.sum(axis=1) * bin_width, 1, rtol=1e-4)
    htk = mel_filters(MelScale(formula="htk", **fine))  # type: ignore[arg-type]
    np.testing.assert_allclose(htk.max(axis=1), 1, atol=0.01)


def test_the_two_scales_are_not_interchangeable() -> None:
    """With equal areas and from 0 Hz on they differ by more than the largest value of Slaney's."""
    slaney = mel_filters(MelScale(low=0.0, formula="slaney"))
    edges = htk_to_hz(np.linspace(0, hz_to_htk(np.array(8000.0)), 66))
    areas = (edges[2:] - edges[:-2])[:, None] / 2
    htk = mel_filters(MelScale(low=0.0, formula="htk")) / areas
    assert np.abs(slaney - htk).max() == pytest.approx(0.0277, abs=1e-4)
    assert slaney.max() == pytest.approx(0.0211, abs=1e-4)


def test_one_frame_by_the_definition_of_the_fourier_transform() -> None:
    """A frame of 16 samples, centred on sample 40, summed out in double precision."""
    scale = MelScale(
        sample_rate=100, fft=16, window=10, hop=8, bands=3, low=5.0, high=50.0, formula="htk"
    )
    sound = np.random.default_rng(0).uniform(-1, 1, 80)
    window = [0.5 - 0.5 * math.cos(2 * math.pi * n / 10) for n in range(10)]
    window = [0.0] * 3 + window + [0.0] * 3
    powers = []
    for k in range(9):
        total = sum(
            window[n] * sound[40 - 8 + n] * cmath.exp(-2j * math.pi * k * n / 16) for n in range(16)
        )
        powers.append(abs(total) ** 2)
    expected = np.log(mel_filters(scale) @ np.array(powers) + 1e-6)
    found = LogMel(scale)(torch.from_numpy(sound.astype(np.float32))[None])
    assert found.shape == (1, 1, 3, 11)
    np.testing.assert_allclose(found[0, 0, :, 5].numpy(), expected, rtol=1e-4)


def test_the_spectrogram_agrees_with_scipy_s() -> None:
    scale = MelScale()
    sound = chirp().numpy().astype(np.float64)
    padded = np.pad(sound, 256, mode="reflect")
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    _, _, spectrum = stft(
        padded, nperseg=512, noverlap=352, window=window, boundary=None, padded=False
    )
    power = np.abs(spectrum * window.sum()) ** 2  # scipy divides by the window's sum
    expected = np.log(mel_filters(scale) @ power + scale.floor)
    found = LogMel(scale)(chirp()[None])[0, 0].numpy()
    assert found.shape == expected.shape == (64, 101)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_spectrogram_is_librosa_s() -> None:
    """Made by librosa 0.11.0.

    log(feature.melspectrogram(y, sr=16000, n_fft=512, hop_length=160, win_length=400,
    pad_mode="reflect", n_mels=64, fmin=50, fmax=8000) + 1e-6), y the chirp in double precision.
    """
    found = LogMel(MelScale())(chirp()[None])[0, 0].double()
    assert found.mean().item() == pytest.approx(-10.494322949, abs=1e-4)
    assert found.std(correction=0).item() == pytest.approx(5.158023165, abs=1e-4)
    golden = {
        (0, 0): 0.6389,
        (8, 10): 3.90457,
        (20, 50): -13.67769,
        (40, 80): -13.79881,
        (63, 100): -9.72367,
    }
    for place, value in golden.items():
        assert found[place].item() == pytest.approx(value, abs=2e-3)


def test_autocast_does_not_round_it() -> None:
    layer = LogMel(MelScale())
    plain = layer(chirp()[None])
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(chirp()[None]), plain, rtol=0, atol=0)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_windows_are_as_long_at_every_sample_rate(rate: int) -> None:
    scale = MelScale.of_rate(rate)
    assert scale.window / rate == pytest.approx(0.025, rel=0.01)
    assert scale.hop / rate == pytest.approx(0.010, rel=0.01)
    assert scale.window <= scale.fft < 2 * scale.window
    assert scale.high == rate / 2
    assert (LogMel(scale).get_buffer("filters").amax(1) > 0).all()
    assert MelScale.of_rate(16_000) == MelScale()


def test_a_scale_that_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="above half the sample rate"):
        LogMel(MelScale(sample_rate=8_000))
    with pytest.raises(UserError, match=r"of 128 bands are narrower than the 93\.8 Hz"):
        LogMel(MelScale(sample_rate=48_000, high=24_000, bands=128))
