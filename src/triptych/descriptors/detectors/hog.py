"""The people detector that comes with OpenCV: edges in a window, and a linear support vector.

Dalal and Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005. Its weights are
in OpenCV itself: in versions 4, and from 5 on in the builds with the contributed modules.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from triptych.descriptors.frames import Picture
from triptych.descriptors.people import Box
from triptych.errors import UserError

SHORTER_SIDE = 360  # pixels: a window is 128 high, and people in small pictures are not
STRIDE, PADDING, STEP = (8, 8), (16, 16), 1.05
# Half of what the window has around people who stand: 16 of its pixels on each side. The rest is
# ground that tells the camera's motion; arms and strides reach into the half that stays.
ASIDE, ABOVE = 8 / 64, 8 / 128
# The detector's windows overlap where a person is; fewer than so many are taken for an accident.
WINDOWS = 2


def available() -> bool:
    """Whether the OpenCV that is installed has it."""
    return hasattr(cv2, "HOGDescriptor")


class Hog:
    """Finds people who stand or walk; a margin of at least ``confidence`` counts."""

    def __init__(self, confidence: float) -> None:
        if not available():
            raise UserError(
                f"people by hog: OpenCV {cv2.__version__} as installed here lacks it; give the "
                "folder of a network, or put opencv-contrib-python-headless in the place of "
                "opencv-python-headless (pip uninstall the one, then install the other)"
            )
        opencv: Any = cv2  # whose types say what this build has, not what another has
        self._detector = opencv.HOGDescriptor()
        self._detector.setSVMDetector(opencv.HOGDescriptor.getDefaultPeopleDetector())
        self._confidence = confidence

    def find(self, picture: Picture) -> list[Box]:
        """Boxes of people in ``picture``, uint8 RGB (h, w, 3): left, top, right, bottom."""
        factor = max(1, -(-SHORTER_SIDE // min(picture.shape[:2])))
        size = (picture.shape[1] * factor, picture.shape[0] * factor)
        large = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        windows, margins = self._detector.detectMultiScale(
            large, 0.0, STRIDE, PADDING, STEP, float(WINDOWS)
        )
        found = []
        for (left, top, width, height), margin in zip(windows, np.ravel(margins), strict=True):
            if margin >= self._confidence:
                across, down = ASIDE * width, ABOVE * height
                edges = (left + across, top + down, left + width - across, top + height - down)
                found.append(_rounded(edges, factor))
        return found


def _rounded(edges: tuple[float, float, float, float], factor: int) -> Box:
    left, top, right, bottom = (float(np.rint(edge / factor)) for edge in edges)
    return left, top, right, bottom
