"""Files with the names and shapes of the public networks (tests/golden), not of our encoders."""

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.encoders.parity import golden
from triptych.encoders.audio_resnet_9 import build as audio_resnet_9
from triptych.encoders.build import build, native
from triptych.encoders.davenet import build as davenet
from triptych.encoders.efficientnet_lite0 import build as efficientnet_lite0
from triptych.encoders.encoder import AudioInput, Encoder, VideoInput
from triptych.encoders.r2plus1d_18 import build as r2plus1d_18
from triptych.encoders.resnet3d_18_a import build as resnet3d_18_a
from triptych.encoders.weights import Report, difference, load_published
from triptych.errors import UserError

Weights = dict[str, Tensor]


def trunk(name: str, prefix: str = "", counts: bool = True) -> Weights:
    """One number a tensor, of its name, spread over the whole shape: the files stay small."""
    return {
        prefix + key: torch.tensor(zlib.crc32(key.encode()) % 997 / 997).expand(shape)
        for key, shape in golden(name)["shapes"].items()
        if counts or "_batches_" not in key
    }


def blank(name: str) -> Encoder:
    """The encoder, all zeros; drawing its weights would be most of a test's time."""
    with torch.device("meta"):
        encoder = native(name)
    encoder.to_empty(device="cpu")
    for value in encoder.state_dict().values():
        value.zero_()
    return encoder


def torchvision(name: str, width: int = 512) -> Weights:
    return trunk(name) | {"fc.weight": torch.zeros(400, width), "fc.bias": torch.zeros(400)}


def selavi() -> Weights:
    """Of its distributed training: both networks and ten heads of each."""
    heads = {
        f"module.mlp_{side}{head}.block_forward.{layer}.weight": torch.zeros(3, 512)
        for side in "va"
        for head in range(10)
        for layer in (2, 8)
    }
    video = trunk("r2plus1d_18_selavi", "module.video_network.base.")
    return video | trunk("audio_resnet_9", "module.audio_network.base.") | heads


def mil_nce() -> Weights:
    words = {
        "text_module.word_embd.weight": torch.zeros(9, 300),
        "text_module.fc1.bias": torch.zeros(4),
    }
    return trunk("s3d") | {"fc.weight": torch.zeros(512, 1024), "fc.bias": torch.zeros(512)} | words


def inflated() -> Weights:
    """Of a PyTorch that did not count batches yet."""
    head = {
        "logits.conv3d.weight": torch.zeros(400, 1024, 1, 1, 1),
        "logits.conv3d.bias": torch.zeros(400),
    }
    return trunk("i3d", counts=False) | head


def hara(name: str) -> Weights:
    return trunk(name, "module.") | {"module.fc.weight": torch.zeros(400, 512)}


def avlnet() -> Weights:
    """The whole model: the network of sound is one of its parts."""
    parts = {
        "DAVEnet_projection.weight": torch.zeros(9, 1024),
        "GU_audio.fc.weight": torch.zeros(1024, 1024),
        "GU_video.cg.fc.bias": torch.zeros(9),
        "text_pooling_caption.fc.weight": torch.zeros(9, 300),
    }
    unused = {f"DAVEnet.batchnorm1.{name}": torch.ones(1) for name in ("weight", "bias")}
    return trunk("davenet", "DAVEnet.") | unused | parts


FILES: list[tuple[str, Callable[[], Weights], int, dict[str, int]]] = [
    ("r2plus1d_18", lambda: torchvision("r2plus1d_18"), 31_300_125, {"fc": 2}),
    ("r2plus1d_18_xdc", lambda: trunk("r2plus1d_18_xdc"), 33_165_639, {}),
    ("r2plus1d_18_selavi", selavi, 31_300_125, {"audio_network": 72, "mlp_v": 20, "mlp_a": 20}),
    ("audio_resnet_9", selavi, 4_899_520, {"video_network": 222, "mlp_v": 20, "mlp_a": 20}),
    (
        "davenet",
        avlnet,
        44_670_976,
        {
            "DAVEnet_projection": 1,
            "GU_audio": 1,
            "GU_video": 1,
            "text_pooling_caption": 1,
            "batchnorm1": 2,
        },
    ),
    ("mc3_18", lambda: torchvision("mc3_18"), 11_490_240, {"fc": 2}),
    ("resnet3d_18_a", lambda: hara("resnet3d_18_a"), 33_030_080, {"fc": 1}),
    ("i3d", inflated, 12_287_264, {"logits": 2}),
    ("i3d_released", inflated, 12_287_264, {"logits": 2}),
    ("s3d", mil_nce, 9_146_000, {"fc": 2, "text_module": 2}),
    ("s3d_torchvision", lambda: trunk("s3d_torchvision"), 7_910_048, {}),
]


@pytest.mark.parametrize(
    ("name", "make", "parameters", "skipped"), FILES, ids=[f[0] for f in FILES]
)
def test_published_files_load_by_their_own_names(
    tmp_path: Path, name: str, make: Callable[[], Weights], parameters: int, skipped: dict[str, int]
) -> None:
    path, encoder = tmp_path / "weights.pth.tar", blank(name)
    torch.save({"state_dict": make(), "epoch": 3}, path)
    report = load_published(encoder, path)
    held = encoder.state_dict()
    for key, value in trunk(name, counts=False).items():
        assert torch.equal(held[key], value), key
    assert report.parameters == parameters
    assert report.loaded == len(trunk(name, counts=False))
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    left = {why.split(",")[0]: count for why, count in report.skipped.items()}
    assert left.pop("counts of training steps", 0) >= 0
    assert left == skipped
    line = report.line()
    assert f"{parameters:,} parameters loaded" in line
    assert all(f"{count} left out: {what}, " in line for what, count in skipped.items())
    assert "counts" not in line


def refused(encoder: str, weights: Weights, path: Path) -> str:
    torch.save(weights, path)
    made = blank(encoder)
    with pytest.raises(UserError) as error:
        load_published(made, path)
    assert not any(value.any() for value in made.state_dict().values())
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("encoder", "make", "reason", "hint"),
    [
        (
            "r2plus1d_18_xdc",
            lambda: torchvision("r2plus1d_18"),
            "another shape in 18 of 185 tensors, first layer2.0.conv2.0.0.weight",
            "these are R(2+1)D-18 weights of torchvision, take encoders.video=r2plus1d_18",
        ),
        (
            "r2plus1d_18",
            lambda: trunk("r2plus1d_18_xdc"),
            "another shape in 18 of 185",
            "these are R(2+1)D-18 weights of XDC, take encoders.video=r2plus1d_18_xdc",
        ),
        (
            "r2plus1d_18",
            selavi,
            "trained on other pixels",
            "these are R(2+1)D-18 weights of SeLaVi, take encoders.video=r2plus1d_18_selavi",
        ),
        (
            "audio_resnet_18",
            selavi,
            "the file lacks",
            "these are audio ResNet-9 weights of SeLaVi, take encoders.audio=audio_resnet_9",
        ),
        (
            "resnet3d_18_b",
            lambda: hara("resnet3d_18_a"),
            "the file lacks 15 of 100 tensors, first layer2.0.downsample.0.weight",
            "(2017), take encoders.video=resnet3d_18_a",
        ),
        (
            "resnet3d_18_a",
            lambda: trunk("resnet3d_18_b"),
            "no place for 15 of the file's tensors",
            "(2020), take encoders.video=resnet3d_18_b",
        ),
        (
            "mc3_18",
            inflated,
            "the file lacks 100 of 100 tensors",
            "take encoders.video=i3d or encoders.video=i3d_released",
        ),
    ],
)
def test_other_networks_are_refused_and_named(
    tmp_path: Path, encoder: str, make: Callable[[], Weights], reason: str, hint: str
) -> None:
    line = refused(encoder, make(), tmp_path / "w.pth")
    assert line.startswith("not the weights of this ")
    assert reason in line
    assert line.endswith(hint)


def test_half_a_network_and_two_networks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    short = trunk("i3d")
    del short["Mixed_4d.b2b.bn.running_var"]
    assert refused("i3d", short, path).endswith(
        "the file lacks 1 of 285 tensors, first Mixed_4d.b2b.bn.running_var"
    )
    more = trunk("i3d") | {"Mixed_5d.b0.conv3d.weight": torch.zeros(1)}
    assert "no place for 1 of the file's tensors, first Mixed_5d" in refused("i3d", more, path)
    two = trunk("i3d", "encoder_q.") | trunk("i3d", "encoder_k.")
    assert "several such networks, under encoder_k and encoder_q" in refused("i3d", two, path)
    broken = trunk("i3d")
    broken["Mixed_5b.b0.bn.bias"] = torch.full((256,), torch.nan)
    assert refused("i3d", broken, path).startswith("Mixed_5b.b0.bn.bias is not finite")
    for kind in (torch.int32, torch.complex64):  # what a cast would leave is not what was trained
        broken["Mixed_5b.b0.bn.bias"] = torch.zeros(256, dtype=kind)
        said = f"Mixed_5b.b0.bn.bias is {str(kind)[6:]}, not float32"
        assert refused("i3d", broken, path).startswith(said)
    assert "lacks 285 of 285" in refused("i3d", {"a": torch.zeros(2)}, path)


def test_halves_and_safetensors_load(tmp_path: Path) -> None:
    half = {key: value.half().contiguous() for key, value in trunk("i3d", counts=False).items()}
    save_file(half, tmp_path / "w.safetensors")
    encoder = blank("i3d")
    load_published(encoder, tmp_path / "w.safetensors")
    assert encoder.state_dict()["Mixed_3b.b0.bn.bias"].dtype == torch.float32


def test_an_encoder_of_our_own_is_found_in_our_own_checkpoint(tmp_path: Path) -> None:
    given = build("audio_resnet_small", "audio", AudioInput(), seed=1)
    held = {f"encoders.audio.{key}": value for key, value in given.state_dict().items()}
    save_file(held | {"heads.v.weight": torch.zeros(3)}, tmp_path / "w.safetensors")
    taken = build("audio_resnet_small", "audio", AudioInput(8_000), seed=2)
    report = load_published(taken, tmp_path / "w.safetensors")
    assert torch.equal(taken.state_dict()["conv1.weight"], given.state_dict()["conv1.weight"])
    # The windows and filters of another sample rate stay its own.
    assert report.skipped["front end for clips of another form"] == 2
    assert report.missing["front end, made for the clips"] == 2


def test_clips_unlike_those_of_the_training_are_said() -> None:
    with torch.device("meta"):
        assert difference(r2plus1d_18()) is None
        assert difference(r2plus1d_18(VideoInput(16, 15.0, 112, "subtract"))) is None
        assert difference(r2plus1d_18(VideoInput(8, 8.0, 64))) == (
            "clips of 8 frames of 64 pixels at 8 per second; trained on 16 of 112 at 15 per second"
        )
        assert difference(resnet3d_18_a(VideoInput(16, 29.97, 112))) is None
        joined = VideoInput(8, 15.0, 112, segments=2)
        pooled = VideoInput(16, 15.0, 112, segments=5, segments_as="pooled")
        assert difference(r2plus1d_18(joined)) is None
        assert difference(r2plus1d_18(pooled)) is None
        assert difference(audio_resnet_9(AudioInput(24_000, 1.0, segments=3))) is None
        assert str(difference(resnet3d_18_a(VideoInput(8, 8.0, 112)))).endswith(
            "trained on 16 of 112 at their video's rate"
        )
        assert difference(audio_resnet_9(AudioInput(16_000, 2.0))) == (
            "clips of 2 s of sound at 16000 Hz; trained on 1 s at 24000 Hz"
        )
        assert difference(davenet(AudioInput(16_000, 2.0))) == (
            "clips of 2 s of sound at 16000 Hz; trained on 10 s at 16000 Hz"
        )
        assert difference(native("r2plus1d_small")) is None
        frame_by_frame = efficientnet_lite0(VideoInput(8, 8.0, 112))
        assert difference(frame_by_frame) == "frames of 112 pixels; trained on 224"
        assert difference(efficientnet_lite0(VideoInput(8, 8.0, 224))) is None


def test_a_report_is_plain_data() -> None:
    report = Report("w.pth", "0" * 64, "module", 3, 1_234, {"fc, heads": 2}, {}, None)
    assert report.line() == "w.pth: 1,234 parameters loaded, 3 tensors; 2 left out: fc, heads"
