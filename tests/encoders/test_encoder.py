from triptych.encoders.encoder import AudioInput, VideoInput


def test_a_clip_lasts_its_frames_and_a_sound_has_its_samples() -> None:
    assert VideoInput(frames=16, frame_rate=8.0).seconds == 2.0
    assert AudioInput(sample_rate=44_100, seconds=0.5).samples == 22_050
    assert AudioInput(sample_rate=11_025, seconds=1 / 3).samples == 3675
