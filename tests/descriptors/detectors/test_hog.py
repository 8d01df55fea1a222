from pathlib import Path

import cv2
import numpy as np
import pytest

from triptych.descriptors.detectors.hog import Hog, available
from triptych.descriptors.frames import colour_frames
from triptych.errors import UserError

needs_hog = pytest.mark.skipif(not available(), reason="this build of OpenCV has no HOG detector")


@needs_hog
@pytest.mark.parametrize("shrunk", [1, 3])
def test_people_in_a_real_picture_are_found_at_any_size(data: Path, shrunk: int) -> None:
    """Looked at: a man in black stands alone, his back to the camera."""
    frames = list(colour_frames(data / "originals" / "fi003.mp4"))
    picture = frames[30]
    assert picture is not None
    height, width = picture.shape[0] // shrunk, picture.shape[1] // shrunk
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    found = Hog(0.3).find(small)
    x, y = 160 / shrunk, 190 / shrunk
    assert any(left < x < right and top < y < bottom for left, top, right, bottom in found)
    assert all(edge == round(edge) for box in found for edge in box)
    assert len(Hog(9.0).find(small)) == 0


@needs_hog
def test_an_empty_picture_has_nobody() -> None:
    assert Hog(0.0).find(np.full((90, 120, 3), 127, np.uint8)) == []


def test_a_build_without_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "HOGDescriptor", raising=False)
    assert not available()
    with pytest.raises(UserError, match=r"lacks it; give the folder .* opencv-contrib") as error:
        Hog(0.3)
    assert "\n" not in str(error.value)
