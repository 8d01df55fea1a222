import pytest
import torch

from triptych.encoders import build
from triptych.encoders.encoder import FeatureInput, Stream

FORM = FeatureInput((Stream("2d", 1.0, 3, {"sha256": "ab"}), Stream("3d", 1.5, 2)))


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_features_pass_as_they_are_and_are_described(modality: str) -> None:
    encoder = build.build(f"stored_{modality}", modality, FORM, seed=0)
    clips = torch.rand(4, *FORM.shape)
    assert encoder(clips) is clips
    assert encoder.dim == FORM.dim == 5
    assert encoder.modality == build.modality_of(f"stored_{modality}") == modality
    assert not list(encoder.parameters())
    again = build.rebuild(build.describe(f"stored_{modality}", encoder))
    assert again.input == FORM
    assert (again.dim, again.modality) == (5, modality)
