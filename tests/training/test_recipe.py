import pytest

from triptych import config
from triptych.clips.sample import ClipSpec
from triptych.encoders.encoder import AudioInput, VideoInput
from triptych.errors import UsageError
from triptych.training.recipe import Recipe
from triptych.training.source import spec_of


def test_segments_and_frame_size_reach_encoders_and_readers() -> None:
    pairs = ["segments=8", "segments_as=pooled", "frame_rate=15", "size=112", "resize=128,171"]
    clip = config.override(Recipe(), [f"clip.{pair}" for pair in pairs]).clip
    assert clip.video_input() == VideoInput(8, 15.0, 112, "keep", 8, "pooled", (128, 171))
    assert clip.audio_input() == AudioInput(16_000, 8 / 15, 8)
    assert spec_of(clip) == ClipSpec(8, 15.0, 112, 16_000, 8, (128, 171))


@pytest.mark.parametrize("resize", ["63,80", "80,63", "64", "64,64,3", "80,5000", "0,0"])
def test_frames_smaller_than_the_crop_are_refused_in_one_line(resize: str) -> None:
    with pytest.raises(UsageError, match=r"clip\.resize") as caught:
        config.override(Recipe(), ["clip.size=64", f"clip.resize={resize}"])
    assert "\n" not in str(caught.value)


def test_a_frame_size_is_taken_and_taken_back() -> None:
    accepted = config.override(Recipe(), ["clip.resize=64,64", "clip.size=64"])
    assert accepted.clip.resize == (64, 64)
    assert config.override(accepted, ["clip.resize=null"]).clip.resize is None
