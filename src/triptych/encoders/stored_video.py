"""Stored features of pictures, as features.video of a recipe names them."""

from __future__ import annotations

from triptych.encoders.encoder import FeatureInput
from triptych.encoders.stored import StoredVideo


def build(clip: FeatureInput | None = None) -> StoredVideo:
    """Features of as many numbers as the stores of the recipe have together."""
    return StoredVideo(clip or FeatureInput())
