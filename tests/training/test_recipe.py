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


def test_what_is_frozen_takes_part() -> None:
    start = Recipe()
    assert config.override(start, ["frozen=audio"]).frozen == ("audio",)
    with pytest.raises(
        UsageError, match=r"^command line: frozen names text, which is no modality here$"
    ):
        config.override(start, ["frozen=text"])


def test_shares_of_a_frame_need_crops_that_are_scaled() -> None:
    scales = "augmentation.crops=1,.84,.71,.59,.5"
    found = config.override(Recipe(), ["clip.crop=scaled", scales])
    assert found.augmentation.crops == (1.0, 0.84, 0.71, 0.59, 0.5)
    assert found.clip.video_input().crop == "scaled"
    with pytest.raises(UsageError, match=r"shares of a frame .* set clip.crop=scaled"):
        config.override(Recipe(), [scales])
    with pytest.raises(UsageError, match=r"augmentation\.crops"):
        config.override(Recipe(), ["clip.crop=scaled", "augmentation.crops=1,1.5"])


def test_a_normaliser_is_a_word_or_a_number_above_nothing() -> None:
    for text, value in (("scaled", "scaled"), ("2876934.2", 2876934.2), ("5", 5.0)):
        assert config.override(Recipe(), [f"bank.normaliser={text}"]).bank.normaliser == value
    for wrong in ("guessed", "0", "-1", "true"):
        with pytest.raises(UsageError, match=r"bank\.normaliser"):
            config.override(Recipe(), [f"bank.normaliser={wrong}"])
    assert config.override(Recipe(), ["bank.noise=null"]).bank.noise is None


@pytest.mark.parametrize(
    "pair",
    [
        "bank.temperature=1e-30",
        "bank.temperature=1e30",
        "prior.weight=1e30",
        "joint.temperature=1e-30",
        "joint.margin=1e30",
        "joint.cluster=1e30",
        "joint.reconstruct=1e30",
    ],
)
def test_what_leaves_the_range_of_its_numbers_is_refused(pair: str) -> None:
    """A loss of 1e29 that is finite, and a joint space of infinity, were met in training first."""
    with pytest.raises(UsageError, match=pair.partition("=")[0]):
        config.override(Recipe(), [pair])


def test_alpha_is_one_number_or_one_an_epoch_and_the_last_stays() -> None:
    ramp = config.override(Recipe(), ["contrast.alpha=0,0,0,.2,.2,.4,.4,.5"])
    assert [ramp.alpha(epoch) for epoch in (0, 2, 3, 6, 7, 100)] == [0, 0, 0.2, 0.4, 0.5, 0.5]
    assert config.override(ramp, ["contrast.alpha=.7"]).alpha(3) == 0.7
    for wrong in ("contrast.alpha=0,2", "contrast.alpha=[]", "contrast.margin=0"):
        with pytest.raises(UsageError, match=r"contrast\.(alpha|margin)"):
            config.override(Recipe(), [wrong])


def test_features_of_training_need_steps_that_visit_every_clip() -> None:
    wanted = ["clustering.features=trained", "balance=none"]
    assert config.override(Recipe(), wanted).clustering.features == "trained"
    for pairs in (wanted[:1], [*wanted, "refresh_on=plateau"], [wanted[0], "balance=own"]):
        with pytest.raises(UsageError, match="visit every clip: set balance=none and refresh_on"):
            config.override(Recipe(), pairs)
