"""I3D behind the preprocessing of Rai et al.'s released code: 12,287,264 parameters.

Its weights expect RGB in [-1, 1]. The release gives them bytes as OpenCV reads them, blue first,
less the means 90, 98, 102 of another network, at half the size. It is here to repeat what was
published; take ``i3d`` for anything else.
"""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.inflated import I3d
from triptych.encoders.pixels import Preprocessing

PUBLISHED = "I3D weights of pytorch-i3d"
PIXELS = Preprocessing(order="bgr", scale=1.0, mean=(90.0, 98.0, 102.0))


def build(clip: VideoInput | None = None) -> I3d:
    """Features of 1024 numbers; 16 frames of 112x112 at 25 per second unless ``clip`` says else."""
    return I3d(clip or VideoInput(frames=16, frame_rate=25.0, size=112), PIXELS)
