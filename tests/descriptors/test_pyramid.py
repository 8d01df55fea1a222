from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from tests.descriptors.scenes import texture
from triptych.descriptors.displacement import refine, weave
from triptych.descriptors.polynomial import expand
from triptych.descriptors.pyramid import Pyramid, flows
from triptych.errors import UserError


def test_levels_by_hand() -> None:
    small = Pyramid(120, 160)
    np.testing.assert_allclose(small.scales, [1, 2**0.5, 2, 2**1.5], rtol=1e-6)
    assert small.sizes == ((120, 160), (85, 113), (60, 80), (42, 57))
    assert len(Pyramid(360, 480).scales) == 7  # the eighth would be 31.8 pixels high
    assert len(Pyramid(1080, 1920).scales) == 8
    assert Pyramid(32, 500).sizes == ((32, 500),)


@given(height=st.integers(32, 2000), width=st.integers(32, 2000))
def test_no_level_is_smaller_than_a_patch(height: int, width: int) -> None:
    pyramid = Pyramid(height, width)
    assert 1 <= len(pyramid.scales) == len(pyramid.sizes) <= 8
    assert min(min(size) for size in pyramid.sizes) >= 32
    for scale, (high, wide) in zip(pyramid.scales, pyramid.sizes, strict=True):
        assert abs(high * scale - height) <= scale / 2 * 1.001
        assert abs(wide * scale - width) <= scale / 2 * 1.001


@pytest.mark.parametrize(
    ("size", "said"), [((31, 640), "640x31; .* 32x32"), ((4097, 4096), "scale the video down")]
)
def test_sizes_that_cannot_be_are_refused(size: tuple[int, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Pyramid(*size)


def bilinear(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Looked up where the middles of the new pixels lie."""
    y = (np.arange(height) + 0.5) * picture.shape[0] / height - 0.5
    x = (np.arange(width) + 0.5) * picture.shape[1] / width - 0.5
    grid = np.meshgrid(y, x, indexing="ij")
    return np.asarray(
        ndimage.map_coordinates(picture.astype(np.float64), grid, order=1, mode="nearest")
    )


def test_each_grey_level_is_made_from_the_one_before() -> None:
    pyramid = Pyramid(120, 160)
    levels = pyramid.greys(texture(120, 160))
    assert [level.shape for level in levels] == list(pyramid.sizes)
    for before, level in pairwise(levels):
        assert np.abs(bilinear(before, *level.shape) - level).max() <= 1.0


def test_models_are_of_the_blurred_full_picture() -> None:
    pyramid, picture = Pyramid(120, 160), texture(120, 160)
    for scale, size, model in zip(
        pyramid.scales, pyramid.sizes, pyramid.models(picture), strict=True
    ):
        sigma = (float(scale) - 1) / 2
        reach = max(round(sigma * 5) | 1, 3)
        steps = np.arange(reach) - reach // 2
        # Three taps of no given width are binomial ones in OpenCV.
        taps = np.exp(-(steps**2) / (2 * sigma**2)) if sigma else np.array([1.0, 2.0, 1.0])
        taps /= taps.sum()
        blurred = picture.astype(np.float64)
        for axis in range(2):
            blurred = ndimage.correlate1d(blurred, taps, axis=axis, mode="mirror")
        wanted = np.empty((5, *size), np.float32)
        expand(bilinear(blurred, *size).astype(np.float32), wanted)
        np.testing.assert_allclose(model, wanted, atol=0.01)


def test_flows_come_down_through_a_median() -> None:
    pyramid = Pyramid(64, 80)
    first = texture(64, 80)
    matrix = np.array([[1, 0, 3.0], [0, 1, -2.0]])
    second = np.asarray(cv2.warpAffine(first, matrix, (80, 64), borderMode=cv2.BORDER_REFLECT))
    here, there = pyramid.models(first), pyramid.models(second)
    found = flows(here, there)
    flow = np.zeros((2, *pyramid.sizes[-1]), np.float32)
    for level in reversed(range(len(pyramid.scales))):
        size = pyramid.sizes[level]
        if flow.shape[1:] != size:
            flow = np.stack([bilinear(axis, *size) for axis in flow * np.float32(2**0.5)])
        flow = flow.astype(np.float32)
        for _ in range(2):
            better = np.empty_like(flow)
            refine(here[level], weave(there[level]), flow, better)
            flow = better
        flow = np.stack([ndimage.median_filter(axis, 5, mode="nearest") for axis in flow])
        np.testing.assert_allclose(found[level], flow, atol=1e-3)
    inner = found[0][:, 16:-16, 16:-16].reshape(2, -1)
    np.testing.assert_allclose(np.median(inner, axis=1), [3, -2], atol=0.1)


def test_flows_of_coarser_levels_are_magnified_for_the_finer_ones() -> None:
    pyramid = Pyramid(120, 160)
    pictures = texture(120, 160), np.roll(texture(120, 160), 2, axis=1)
    here, there = (pyramid.models(picture) for picture in pictures)
    coarse = flows(*(pyramid.models(picture, 2) for picture in pictures))
    whole = flows(here, there)
    found = pyramid.completed(coarse)
    assert [flow.shape[1:] for flow in found] == list(pyramid.sizes)
    for level in (2, 3):
        np.testing.assert_array_equal(found[level], whole[level])
    for level in (0, 1):
        wanted = bilinear(found[level + 1][0], *pyramid.sizes[level]) * 2**0.5
        np.testing.assert_allclose(found[level][0], wanted, atol=1e-4)
    assert abs(float(np.median(found[0][0])) - 2) < 0.1
    assert all(map(np.array_equal, pyramid.completed(whole), whole))
