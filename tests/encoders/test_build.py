import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from triptych.encoders.build import (
    build,
    check_name,
    describe,
    modality_of,
    names,
    native,
    rebuild,
    text_input,
    whose_weights,
)
from triptych.encoders.encoder import AudioInput, Input, TextOptions, VideoInput
from triptych.encoders.subwords import SubwordInput
from triptych.encoders.text import WordInput
from triptych.errors import UsageError

INPUTS: dict[str, Input] = {
    "video": VideoInput(frames=4, frame_rate=5.0, size=32),
    "audio": AudioInput(8_000, 0.5),
    "text": WordInput(("onion", "öl", "don't")),
}
SMALL = {"video": "r2plus1d_small", "audio": "audio_resnet_small", "text": "bag_of_words"}


def test_encoders_are_found_by_their_modules() -> None:
    assert {name: modality_of(name) for name in names()} == {
        "audio_resnet_18": "audio",
        "audio_resnet_9": "audio",
        "audio_resnet_small": "audio",
        "bag_of_words": "text",
        "davenet": "audio",
        "davenet_small": "audio",
        "efficientnet_lite0": "video",
        "i3d": "video",
        "i3d_released": "video",
        "mc3_18": "video",
        "minilm": "text",
        "r2plus1d_18": "video",
        "r2plus1d_18_selavi": "video",
        "r2plus1d_18_xdc": "video",
        "r2plus1d_small": "video",
        "r3d_18": "video",
        "resnet3d_18_a": "video",
        "resnet3d_18_b": "video",
        "resnet3d_34_a": "video",
        "resnet3d_34_b": "video",
        "roberta": "text",
        "s3d": "video",
        "s3d_torchvision": "video",
        "stored_audio": "audio",
        "stored_video": "video",
        "transformer": "text",
        "word_vectors": "text",
        "word_vectors_released": "text",
    }


@pytest.mark.parametrize("modality", INPUTS)
def test_weights_come_from_the_seed_alone(modality: str) -> None:
    before = torch.get_rng_state()
    torch.rand(1)
    middle = torch.get_rng_state()
    one = build(SMALL[modality], modality, INPUTS[modality], seed=3).state_dict()
    assert torch.equal(torch.get_rng_state(), middle), "the caller's randomness is left alone"
    torch.set_rng_state(before)
    same = build(SMALL[modality], modality, INPUTS[modality], seed=3).state_dict()
    other = build(SMALL[modality], modality, INPUTS[modality], seed=4).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@torch.no_grad()
@pytest.mark.parametrize("modality", INPUTS)
def test_a_description_in_json_is_enough_to_rebuild(modality: str) -> None:
    encoder = build(SMALL[modality], modality, INPUTS[modality], seed=3).eval()
    again = rebuild(json.loads(json.dumps(describe(SMALL[modality], encoder)))).eval()
    assert again.input == encoder.input
    again.load_state_dict(encoder.state_dict())
    clips = {
        "video": torch.randint(0, 256, (1, 4, 32, 32, 3), dtype=torch.uint8),
        "audio": torch.rand(1, 4000),
        "text": torch.tensor([[1.0, 0, 1]]),
    }
    torch.testing.assert_close(again(clips[modality]), encoder(clips[modality]))


def test_segments_and_frame_size_survive_a_description_in_json() -> None:
    clip = VideoInput(4, 5.0, 32, "subtract", 3, "pooled", (40, 50))
    encoder = build(SMALL["video"], "video", clip, seed=0)
    assert rebuild(json.loads(json.dumps(describe(SMALL["video"], encoder)))).input == clip


@pytest.mark.parametrize("modality", INPUTS)
@pytest.mark.parametrize("name", [*SMALL.values(), "r2plus1d_34", "encoder", "text", "build"])
def test_a_wrong_encoder_is_refused_before_it_is_made(modality: str, name: str) -> None:
    if SMALL[modality] == name:
        return
    with pytest.raises(UsageError) as found:
        build(name, modality, INPUTS[modality], seed=0)
    line = str(found.value)
    assert line.startswith(f"encoders.{modality}={name!r}: ")
    assert SMALL[modality] in line
    assert ("it is an encoder of" in line) == (name in SMALL.values())


def test_published_weights_are_named_where_there_are_any() -> None:
    assert whose_weights("r2plus1d_18_xdc") == "R(2+1)D-18 weights of XDC"
    assert whose_weights("r2plus1d_small") is None
    assert whose_weights("bag_of_words") is None


@pytest.mark.parametrize(
    "name", [name for name in names() if modality_of(name) == "video" and name != "stored_video"]
)
@pytest.mark.parametrize(("count", "size"), [(8, 112), (16, 112), (32, 224), (64, 224), (8, 64)])
def test_every_video_encoder_takes_short_and_long_clips(name: str, count: int, size: int) -> None:
    with torch.device("meta"):
        encoder = native(name)
        clips = torch.empty((2, count, size, size, 3), dtype=torch.uint8)
        assert encoder(clips).shape == (2, encoder.dim)


# The other encoders are these with other pixels, another depth or another width.
@pytest.mark.parametrize(
    "name",
    [
        "audio_resnet_9",
        "audio_resnet_small",
        "davenet_small",
        "efficientnet_lite0",
        "i3d",
        "mc3_18",
        "r2plus1d_18_xdc",
        "r2plus1d_small",
        "resnet3d_18_a",
        "resnet3d_18_b",
        "s3d",
        "s3d_torchvision",
    ],
)
def test_gradients_reach_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    encoder = native(name).train()
    clips = torch.randint(0, 256, (2, 4, 32, 32, 3), dtype=torch.uint8)
    given = clips if modality_of(name) == "video" else torch.rand(2, 8000) - 0.5
    draw = torch.randn(2, encoder.dim)
    (encoder(given) * draw).sum().backward()
    still = [
        key
        for key, weight in encoder.named_parameters()
        if weight.grad is None or not weight.grad.any() or not weight.grad.isfinite().all()
    ]
    assert not still


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("transformer", "name its model, as transformer:FOLDER or the name of a published one"),
        ("transformer:", "name its model, as transformer:FOLDER or the name of a published one"),
        ("bag_of_words:large", "bag_of_words takes no model; write bag_of_words alone"),
        ("roberta:large", "roberta takes no model; write roberta alone"),
        ("bert", "encoders of text are bag_of_words, minilm, roberta, transformer:MODEL"),
        ("r2plus1d_18:x", "it is an encoder of video; encoders of text are bag_of_words, minilm, "),
    ],
)
def test_a_model_is_named_where_one_is_wanted(name: str, said: str) -> None:
    for call in (lambda: check_name(name, "text"), lambda: text_input(name, ["pot"])):
        with pytest.raises(UsageError) as found:
            call()
        assert str(found.value).startswith(f"encoders.text={name!r}: {said}")


def test_words_are_read_from_the_captions_and_subwords_from_the_model(roberta: Path) -> None:
    captions = ["stir the pot", "the pot", "salt"]
    assert text_input("bag_of_words", captions, TextOptions(2)) == WordInput(("pot", "salt"))
    read = text_input(f"transformer:{roberta}", captions, TextOptions(2))
    assert read == text_input(f"transformer:{roberta}", [])
    assert isinstance(read, SubwordInput)


def test_transformers_loads_only_when_it_is_used() -> None:
    code = (
        "import sys; import triptych.recipes.fit; from triptych.encoders.build import check_name;"
        "check_name('bag_of_words', 'text');"
        "sys.exit(bool({'transformers', 'tokenizers', 'huggingface_hub'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
