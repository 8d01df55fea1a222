import json
from pathlib import Path

import pytest
import torch

from tests.embeddings.test_model import save_run
from triptych.encoders import build
from triptych.encoders.encoder import AudioInput, VideoInput
from triptych.errors import UsageError, UserError
from triptych.state import checkpoint
from triptych.state.backbone import Backbone, Word, digest


def kept(backbone: Backbone) -> dict[str, object]:
    """The facts as a file has them."""
    return json.loads(json.dumps(backbone.facts))  # type: ignore[no-any-return]


def same(one: Backbone, other: Backbone) -> bool:
    first, second = one.encoder.state_dict(), other.encoder.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize(
    ("text", "network", "rate", "weights"),
    [
        ("mc3_18", "mc3_18", 1.0, None),
        ("mc3_18@1.5", "mc3_18", 1.5, None),
        ("mc3_18@1.5:a/we@ights.pt", "mc3_18", 1.5, "a/we@ights.pt"),
        ("mc3_18:weights.pt", "mc3_18", 1.0, "weights.pt"),
        ("a/run.1/video@2", "a/run.1/video", 2.0, None),
    ],
)
def test_a_word_is_a_network_a_rate_and_weights(
    text: str, network: str, rate: float, weights: str | None
) -> None:
    assert Word.parse(text) == Word(network, rate, weights)


@pytest.mark.parametrize("text", ["", "a@x", "a@0", "a@-1", "a@inf", "a@nan", "a@", "a@1e9"])
def test_what_is_no_word_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match=r"^streams="):
        Word.parse(text)


def test_an_encoder_of_a_run_sees_what_it_learned_from_and_is_found_again(tmp_path: Path) -> None:
    run = tmp_path / "run" / "checkpoints" / "last.safetensors"
    save_run(run)
    found = Backbone.of(Word.parse(f"{tmp_path}/run/video@2"))
    assert found.modality == "video"
    assert found.form == VideoInput(frames=2, frame_rate=4.0, size=16)
    assert not found.keeps
    assert not found.encoder.training
    tensors, _ = checkpoint.load(run)
    weights = checkpoint.part(tensors, "encoders.video")
    assert all(
        torch.equal(value, weights[key]) for key, value in found.encoder.state_dict().items()
    )
    assert found.facts["weights"] == {"from": "run", "path": str(run), "part": "video"}
    assert same(Backbone.again(kept(found)), found)
    heard = Backbone.of(Word.parse(f"{run}/audio"))
    assert heard.form == AudioInput(8_000, 0.5)
    with pytest.raises(UsageError, match=r"say which of its networks, /video or /audio"):
        Backbone.of(Word.parse(str(tmp_path / "run")))
    with pytest.raises(UsageError, match=r"a run has weights; leave :x\.pt out"):
        Backbone.of(Word.parse(f"{run}/audio:x.pt"))


def test_a_run_of_one_network_needs_no_more_words(tmp_path: Path) -> None:
    save_run(tmp_path / "last.safetensors", ("audio", "text"), meet=False)
    assert Backbone.of(Word.parse(str(tmp_path / "last.safetensors"))).modality == "audio"
    with pytest.raises(UsageError, match=r"say which of its networks, /audio, behind"):
        Backbone.of(Word.parse(f"{tmp_path}/last.safetensors/video"))


def test_weights_of_a_file_are_found_again_by_what_they_are(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    encoder = build.build("r2plus1d_small", "video", VideoInput(), seed=7)
    torch.save(encoder.state_dict(), file)
    found = Backbone.of(Word.parse(f"r2plus1d_small@1:{file}"))
    assert found.keeps
    assert found.facts["sha256"] == digest(encoder)
    assert same(Backbone.again(kept(found)), found)
    torch.save(build.build("r2plus1d_small", "video", VideoInput(), seed=8).state_dict(), file)
    with pytest.raises(
        UserError, match=r"weights\.pt: the weights of r2plus1d_small are others now"
    ):
        Backbone.again(kept(found))
    file.unlink()
    with pytest.raises(UserError, match=r"weights\.pt: .* were here, sha256 \w{16}; put them back"):
        Backbone.again(kept(found))


def test_random_weights_are_the_same_every_time() -> None:
    one, other = (Backbone.of(Word.parse("audio_resnet_small@2:random")) for _ in range(2))
    assert one.facts == other.facts
    assert same(one, other)
    assert same(Backbone.again(kept(one)), one)


def test_what_no_network_is_behind_is_refused(tmp_path: Path) -> None:
    for text, said in {
        "r2plus1d_18": r"has no weights of its own; name a file of them as r2plus1d_18@1:FILE",
        "bag_of_words": "describes no pictures and no sound; networks are audio_resnet_18",
        "stored_video": "describes no pictures and no sound",
        "nothing": "neither a network nor a run's folder; networks are",
    }.items():
        with pytest.raises(UsageError, match=said):
            Backbone.of(Word.parse(text))
    with pytest.raises(UserError, match=r"gone\.pt: no such file of weights"):
        Backbone.of(Word.parse(f"r2plus1d_18:{tmp_path}/gone.pt"))
    with pytest.raises(UserError, match="stored by another program"):
        Backbone.again({"layout": "mcn"})


def test_a_network_of_several_segments_describes_no_moment(tmp_path: Path) -> None:
    several = {"video": VideoInput(2, 4.0, 16, segments=3), "audio": AudioInput(8_000, 0.5, 3)}
    save_run(tmp_path / "last.safetensors", inputs=several)
    with pytest.raises(UsageError, match="looks at 3 segments of a clip"):
        Backbone.of(Word.parse(f"{tmp_path}/last.safetensors/video"))
