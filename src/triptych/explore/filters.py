"""The filters of the first layers that see and hear, and what can be said of them in numbers.

Which they are goes by the shape of the weights: R(2+1)D and S3D begin with a convolution over
space, (1, h, w), and one over time, (t, 1, 1); I3D and 3-D ResNets with one over both.
S3D as MIL-NCE trained it does so too, once its folded pixels are unfolded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from triptych.embeddings.model import Model
from triptych.encoders.encoder import Encoder
from triptych.errors import UserError
from triptych.explore.taught import locate
from triptych.progress import say
from triptych.seeds import derive

Floats = npt.NDArray[np.float64]
Kind = Literal["space", "time", "space-time", "mel-time"]
RGB = 3
FOLDED = 2 * 2 * 2 * RGB  # pairs of frames, rows and columns as channels, the colour last
DRAWS = 100


@dataclass(frozen=True)
class Layer:
    """One convolution: ``weights`` float64 (filters, inputs, *kernel).

    The kernel is (height, width) for "space", (frames,) for "time", (frames, height, width) for
    "space-time", (bands, frames) for "mel-time".
    """

    modality: str
    name: str  # of the parameter
    kind: Kind
    weights: Floats

    @property
    def energy(self) -> Floats:
        """Each filter's share of the layer's squared weights, (filters,)."""
        each = (self.weights.reshape(len(self.weights), -1) ** 2).sum(1)
        return np.asarray(each / max(each.sum(), np.finfo(float).tiny))

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """The filters, strongest first."""
        return np.argsort(-self.energy, kind="stable")

    def matrix(self, at: int) -> Floats | None:
        """Filter ``at`` with its time, or its bands, along the rows; None for one without time."""
        if self.kind == "space":
            return None
        one = self.weights[at]
        if self.kind == "mel-time":
            return np.asarray(one.mean(0))
        return np.asarray(np.moveaxis(one, 1, 0).reshape(one.shape[1], -1))

    def separable(self) -> Floats | None:
        """The share of each filter that is one profile in time times one pattern, (filters,)."""
        found = [self.matrix(at) for at in range(len(self.weights))]
        return (
            None if found[0] is None else np.array([share(one) for one in found if one is not None])
        )


@dataclass(frozen=True)
class Filters:
    """The first layers of one checkpoint."""

    title: str
    layers: list[Layer]


def share(matrix: Floats) -> float:
    """How much of a matrix's energy its first singular pair holds: 1 where it is separable.

    0 of a matrix of zeros. Of an n x m matrix it cannot be below 1 / min(n, m) otherwise.
    """
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2
    total = squares.sum()
    return float(squares[0] / total) if total > 0 else 0.0


def profile(matrix: Floats) -> Floats:
    """The first left singular vector, times its value; its largest entry is positive, (rows,)."""
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    first = left[:, 0] * values[0]
    return np.asarray(first * (np.sign(first[np.abs(first).argmax()]) or 1.0))


def share_by_chance(shape: tuple[int, ...]) -> float:
    """The mean ``share`` of matrices of that shape with normal entries."""
    draw = np.random.default_rng(derive(0, "separable", *shape))
    return float(np.mean([share(draw.normal(size=shape)) for _ in range(DRAWS)]))


def read(path: Path) -> Filters:
    """The first layers of a checkpoint, of a run's folder or of what `fit` left.

    Raises UserError where no encoder of it begins with a convolution of pictures or spectrograms.
    """
    file = locate(path)
    model = Model.load(file)
    layers = [layer for one in model.encoders.values() for layer in first_layers(one)]
    if not layers:
        raise UserError(
            f"{file}: trained on {' and '.join(model.encoders)}, with no filters to draw; take a "
            "run on video or audio whose encoder begins with a convolution"
        )
    method = model.facts.get("method", "") if model.trained else "before training"
    # run/checkpoints/best.safetensors is known by its run.
    folder = file.absolute().parent
    run = folder.parent if folder.name == "checkpoints" else folder
    run = run.parent if run.name == "run" else run
    return Filters(f"{run.name}, {file.stem} ({method})", layers)


def first_layers(encoder: Encoder) -> list[Layer]:
    """The first convolution of ``encoder``, and over time the one behind it where it is split."""
    if encoder.modality not in ("video", "audio"):
        return []
    size = 5 if encoder.modality == "video" else 4
    found = [
        (name, value.detach().double().cpu().numpy())
        for name, value in encoder.named_parameters()
        if value.ndim == size
    ]
    if not found:
        say(f"filters: the {encoder.modality} encoder begins with no convolution; it is left out")
        return []
    name, first = found[0]
    if encoder.modality == "audio":
        return [Layer("audio", name, "mel-time", first)]
    if first.shape[1] == FOLDED:
        first = unfolded(first)
    if first.shape[1] != RGB:
        say(f"filters: {name} is of {first.shape[1]} channels, not of RGB; it is left out")
        return []
    if first.shape[2] > 1:
        return [Layer("video", name, "space-time", first)]
    layers = [Layer("video", name, "space", first[:, :, 0])]
    for name, second in found[1:2]:
        if second.shape[1] == len(first) and second.shape[2] > 1 and second.shape[3:] == (1, 1):
            layers.append(Layer("video", name, "time", second[:, :, :, 0, 0]))
    return layers


def unfolded(weights: Floats) -> Floats:
    """The filters over pixels of a convolution over folded ones, as MIL-NCE's S3D begins.

    (filters, 24, t, h, w) to (filters, 3, 2t, 2h, 2w): the same as a convolution in steps of two.
    """
    count, _, *kernel = weights.shape
    parts = weights.reshape(count, 2, 2, 2, RGB, *kernel).transpose(0, 4, 5, 1, 6, 2, 7, 3)
    return np.ascontiguousarray(parts).reshape(count, RGB, *(2 * size for size in kernel))


def compare(panels: Sequence[Filters]) -> list[dict[str, Any]]:
    """A row for each layer of each checkpoint, as ``facts`` has it, with every filter's energy."""
    return [
        {
            "checkpoint": panel.title,
            **facts(layer, None if panel is panels[0] else panels[0]),
            "energy": layer.energy.tolist(),
        }
        for panel in panels
        for layer in panel.layers
    ]


def facts(layer: Layer, first: Filters | None = None) -> dict[str, Any]:
    """How many filters a layer has, the strongest one's share of energy, how separable they are.

    ``separable`` is the mean over filters, weighed by energy, and ``by_chance`` that of noise.
    ``like_first`` is the cosine of all weights to those of the same layer of ``first``, None where
    they differ in shape: near 1, training has hardly moved them.
    """
    found: dict[str, Any] = {
        "modality": layer.modality,
        "layer": layer.name,
        "kind": layer.kind,
        "filters": len(layer.weights),
        "kernel": "×".join(map(str, layer.weights.shape[1:])),
        "strongest": float(layer.energy.max()),
        "even": 1 / len(layer.weights),
    }
    separable, matrix = layer.separable(), layer.matrix(0)
    if separable is not None and matrix is not None:
        found["separable"] = float(separable @ layer.energy)
        found["by_chance"] = share_by_chance(matrix.shape)
    if first is not None:
        found["like_first"] = _cosine(layer, first)
    return found


def facing(layer: Layer, first: Filters) -> list[int]:
    """The filters in the order of the same layer of ``first``; in their own where it has none."""
    order: list[int] = (_same(layer, first) or layer).order.tolist()
    return order


def _cosine(layer: Layer, other: Filters) -> float | None:
    one = _same(layer, other)
    if one is None:
        return None
    lengths = np.linalg.norm(one.weights) * np.linalg.norm(layer.weights)
    return float((one.weights * layer.weights).sum() / lengths) if lengths > 0 else None


def _same(layer: Layer, other: Filters) -> Layer | None:
    """The layer of ``other`` with the same place and shape."""
    for one in other.layers:
        alike = (one.modality, one.kind) == (layer.modality, layer.kind)
        if alike and one.weights.shape == layer.weights.shape:
            return one
    return None
