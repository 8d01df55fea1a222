"""Networks filled by a formula, and what the published implementations make of them.

``tests/golden/encoders/NAME.json`` holds, of the public network whose weights the encoder NAME
takes: ``shapes``, every name and shape of its state_dict without the classifier; ``outputs``, its
features of made-up clips, every SPARSE-th of them.

They were made once, outside the repository, by running each project's own network in evaluation
mode, with weights from ``fill`` and clips from ``clips``, prepared as that project prepares them:
torchvision 0.28.0 behind a stub of its compiled operators, VMZ's middle widths put into its
R(2+1)D, pytorch-i3d, S3D_HowTo100M, 3D-ResNets-PyTorch, SeLaVi's audio network behind
python_speech_features 0.6, and AVLnet's DAVEnet behind librosa 0.11. The last feature map was
averaged over all time and space where the project's own pooling takes clips of one size only.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triptych.encoders.encoder import Encoder

GOLDEN = Path(__file__).parents[1] / "golden" / "encoders"
SPARSE = 16


def fill(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """A weight for every name, from the name alone; signals neither die nor blow up on their way.

    numpy's RandomState is frozen: the same numbers in every version.
    """
    found = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            found[name] = torch.tensor(0)
            continue
        values = np.random.RandomState(zlib.crc32(name.encode())).uniform(-1, 1, tuple(shape))
        if name.endswith("running_var"):
            values = 1 + 0.5 * values
        elif len(shape) > 1:
            values *= (6 / np.prod(shape[1:])) ** 0.5
        elif name.endswith("weight"):
            values = 0.8 + 0.2 * values
        elif "gating" in name:
            values += 3  # gates nearly open, or little of the clip would be left behind nine
        else:
            values *= 0.05
        found[name] = torch.from_numpy(values).float()
    return found


def clips(frames: int, size: int) -> Tensor:
    """One clip of noise with coarse structure, (1, frames, size, size, 3), uint8 RGB."""
    draw = np.random.RandomState(frames * 1000 + size)
    coarse = draw.uniform(0, 200, (1, frames, 4, 4, 3)).repeat(-(-size // 4), 2)
    picture = coarse.repeat(-(-size // 4), 3)[:, :, :size, :size]
    return torch.from_numpy((picture + draw.uniform(0, 55, picture.shape)).astype(np.uint8))


def waves(samples: int) -> Tensor:
    """One sound of noise under a swelling tone, (1, samples), in [-1, 1], as 16 bits hold it."""
    time = np.arange(samples) / samples
    noise = np.random.RandomState(samples).uniform(-0.2, 0.2, samples)
    sound = noise + 0.6 * time * np.sin(2000 * time * time)
    return torch.from_numpy(np.round(sound * 32767) / 32768).float()[None]


def golden(name: str) -> dict[str, Any]:
    """What the published network of this encoder has and makes."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


def check_shapes(name: str, encoder: Encoder) -> None:
    """Every name and shape of the published network, and no other."""
    ours = {key: list(value.shape) for key, value in encoder.state_dict().items()}
    ours = {key: value for key, value in ours.items() if not key.startswith("log_mel.")}
    assert ours == golden(name)["shapes"]


@torch.no_grad()
def check_outputs(name: str, encoder: Encoder) -> None:
    """The published network's features, at every clip length and size it was run with."""
    found = golden(name)
    encoder.load_state_dict(fill(found["shapes"]), strict=False)
    encoder.eval()
    assert found["outputs"]
    for case in found["outputs"]:
        given = clips(*case["clip"]) if encoder.modality == "video" else waves(*case["clip"])
        features = encoder(given)
        assert features.shape == (1, encoder.dim)
        wanted = torch.tensor(case["features"])
        assert wanted.abs().max() > 0.01
        error = (features[0, ::SPARSE] - wanted).abs().max() / wanted.abs().max()
        assert error < 3e-5, f"{case['clip']}: {error:.1e}"
