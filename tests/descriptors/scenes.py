"""Pictures and films of which it is known how everything in them moves."""

from __future__ import annotations

import cv2
import numpy as np

from triptych.descriptors.pyramid import Grey

PAN = (2, 1)  # pixels a frame that the background goes right and down
OWN = (-1, 2)  # the same of the square, as it is seen
SIDE = 40
START = (60, 30)  # its upper left corner: x, y


def texture(height: int, width: int, seed: int = 0) -> Grey:
    """Grey blobs of a few pixels, everywhere different."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    low, high = smooth.min(), smooth.max()
    return np.asarray((smooth - low) * (255 / (high - low)), np.uint8)


def film(frames: int, height: int = 112, width: int = 144, *, square: bool = True) -> list[Grey]:
    """A camera that pans, and a square that moves by itself."""
    wide = texture(height + PAN[1] * frames, width + PAN[0] * frames)
    own = texture(SIDE, SIDE, seed=1)
    pictures = []
    for number in range(frames):
        left, top = (axis * (frames - 1 - number) for axis in PAN)
        picture = wide[top : top + height, left : left + width].copy()
        if square:
            x, y = (start + step * number for start, step in zip(START, OWN, strict=True))
            picture[y : y + SIDE, x : x + SIDE] = own
        pictures.append(picture)
    return pictures
