import numpy as np
import pytest
import torch

from tests.encoders.parity import waves
from triptych.encoders.log_filter_bank import LogFilterBank, bin_filters


@pytest.mark.parametrize(
    ("rate", "samples", "frames", "mean", "deviation", "golden"),
    [
        (24_000, 24_000, 99, 7.768822531, 18.393438374, (18.07309, 15.06294, 18.48764, 14.61505)),
        (16_000, 7_001, 43, 9.999313770, 15.611672443, (16.50606, 14.49720, 17.60843, 14.84457)),
    ],
)
def test_it_agrees_with_python_speech_features(
    rate: int,
    samples: int,
    frames: int,
    mean: float,
    deviation: float,
    golden: tuple[float, ...],
) -> None:
    """Figures of logfbank 0.6 (winlen .02, winstep .01, nfilt 257, nfft 1024) of the same sound.

    At 16 kHz the last frame is not full.
    """
    found = LogFilterBank(rate)(waves(samples))[0, 0].double()
    assert found.shape == (257, frames)
    assert found.mean().item() == pytest.approx(mean, abs=1e-4)
    assert found.std(correction=0).item() == pytest.approx(deviation, abs=1e-4)
    assert found[0, 0].item() == pytest.approx(-36.04365, abs=1e-4)  # an empty band
    places = ((200, 0), (100, 20), (256, 40), (150, 42))
    for place, value in zip(places, golden, strict=True):
        assert found[place].item() == pytest.approx(value, abs=2e-3)


@pytest.mark.parametrize(
    ("rate", "empty", "total"), [(24_000, 38, 509.5), (48_000, 56, 509.0), (16_000, 26, None)]
)
def test_bands_are_as_empty_as_in_the_release(rate: int, empty: int, total: float | None) -> None:
    """Counted in the filter banks of python_speech_features 0.6."""
    filters = bin_filters(rate, 1024, 257)
    assert filters.shape == (257, 513)
    assert (filters.max(1) == 0).sum() == empty
    assert total is None or filters.sum() == pytest.approx(total)
    assert filters.min() == 0
    assert filters.max() == 1


def test_autocast_does_not_round_it_and_silence_is_a_number() -> None:
    layer = LogFilterBank(24_000)
    plain = layer(waves(2_400))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(waves(2_400)), plain, rtol=0, atol=0)
    silent = layer(torch.zeros(1, layer.least))
    assert silent.shape == (1, 1, 257, 1)
    np.testing.assert_allclose(silent.numpy(), np.log(np.finfo(np.float64).eps), rtol=1e-6)
