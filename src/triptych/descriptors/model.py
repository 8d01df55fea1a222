"""The fitted model: PCA, Gaussian mixture and count sketch, from a video's rows to one vector."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from triptych.clustering.whiten import unit
from triptych.config import Config, validated
from triptych.descriptors import em
from triptych.descriptors.fisher import Form, fisher_vector
from triptych.descriptors.mixture import Mixture, Moments
from triptych.descriptors.pca import Projection
from triptych.descriptors.sample import ROWS, Block, Floats, Sampled, usable
from triptych.descriptors.sketch import CountSketch
from triptych.errors import UserError
from triptych.state import tensor_file

KIND = tensor_file.Kind(
    "triptych.fisher.1", "Fisher model", "fit one with `triptych describe` on a collection"
)


class FisherSettings(Config):
    """What decides a Fisher model, beside the rows. Defaults: Tokmakov et al. 2020, section 4.1.

    What the paper leaves open is marked *.
    """

    form: Form = "paper"  # equations 5 and 6, or what the release computes: see fisher.gradient
    components: int = Field(256, ge=1)
    variance: float = Field(0.9, gt=0, le=1)  # share that PCA keeps, of all columns together
    power: float = Field(0.5, gt=0, le=1)  # * signed, before unit length
    sketch: int = Field(2000, ge=1)  # numbers of a sketch
    renormalise: bool = False  # * sketches to unit length; the release does not
    videos: int = Field(3500, ge=1)  # sampled for fitting
    rows_per_video: int = Field(500, ge=1)  # of each of those, drawn without replacement *
    variance_floor: float = Field(0.01, gt=0, lt=1)  # * of a component, in those of the sample
    starts: int = Field(8, ge=1)  # * of k-means by k-means++, of which the tightest is kept
    start_iterations: int = Field(10, ge=1)  # * of k-means
    iterations: int = Field(100, ge=1)  # * of expectation-maximisation, at most
    tolerance: float = Field(1e-3, ge=0)  # * gain in mean log-likelihood at which it ends
    seed: int = 0


class Encoded(NamedTuple):
    """A video's Fisher vector and what it is of."""

    vector: Floats  # [2KD], of unit length, or zeros for no rows
    rows: int  # that it was made from
    dropped: int  # with NaN or infinity, or longer than 1e6


@dataclass(frozen=True)
class FisherModel:
    """Fitted once on a sample, kept in one file, and used on any video described alike."""

    settings: FisherSettings
    projection: Projection  # C columns to D
    mixture: Mixture  # K components
    count_sketch: CountSketch
    facts: dict[str, Any] = field(default_factory=dict)  # of the sample, the fit and the source

    @classmethod
    def fit(
        cls,
        sample: Mapping[str, Block],
        settings: FisherSettings | None = None,
        *,
        source: dict[str, Any] | None = None,
        device: str | torch.device = "cpu",
    ) -> FisherModel:
        """Fit to ``sample``: for each video's path some of its rows [n, C], as Reservoir draws.

        The order of the mapping plays no part; it is asked for each video several times, and may
        read its rows each time: only the projected rows are held. ``source`` says what the rows
        are, in words and numbers that JSON can hold; it is kept with the model. Raises UserError
        where the rows are too few for the mixture, or hold nothing to tell apart.
        """
        settings = settings or FisherSettings()
        rows = _usable(sample)
        projection = Projection.fit(rows, settings.variance)
        found = em.fit(
            _projected(projection, rows, device),
            settings.components,
            seed=settings.seed,
            starts=settings.starts,
            floor=settings.variance_floor,
            start_iterations=settings.start_iterations,
            iterations=settings.iterations,
            tolerance=settings.tolerance,
            device=device,
        )
        sketch = CountSketch.draw(
            2 * settings.components * projection.dim, settings.sketch, settings.seed
        )
        facts = {
            "videos": len(sample),
            "rows": rows.rows,
            "dropped": rows.dropped,
            "columns": len(projection.mean),
            "axes": projection.dim,
            "variance_kept": projection.kept,
            "steps": len(found.history),
            "log_likelihood": found.history[-1],
            "revived": found.revived,
        }
        return cls(settings, projection, found.mixture, sketch, {"fit": facts, "source": source})

    @property
    def dim(self) -> int:
        """2KD, the length of a Fisher vector."""
        return 2 * self.mixture.means.size

    def encode(self, blocks: Iterable[Block], device: str | torch.device = "cpu") -> Encoded:
        """The Fisher vector of the video whose rows come in ``blocks`` [n, C], of any sizes.

        One block of 4096 rows is held at a time beside the one given. No blocks, or none with
        rows, give zeros. Raises UserError where rows have other columns than the model's.
        """
        project, posterior = self.projection.on(device), self.mixture.on(device)
        moments = Moments.none(*self.mixture.means.shape)
        dropped = 0
        for block in blocks:
            for start in range(0, len(block), ROWS):
                rows, lost = usable(block[start : start + ROWS], len(self.projection.mean))
                dropped += lost
                moments += posterior.moments(project(torch.tensor(rows, device=device)))
        vector = fisher_vector(self.mixture, moments, self.settings.form, self.settings.power)
        return Encoded(vector, moments.rows, dropped)

    def sketch(self, vectors: Floats) -> Floats:
        """Fisher vectors [..., 2KD] to sketches [..., settings.sketch].

        Of about unit length, and of exactly that with ``renormalise``; zeros stay zeros.
        """
        short = self.count_sketch.apply(vectors)
        return unit(short) if self.settings.renormalise else short

    @property
    def digest(self) -> str:
        """16 hex digits that change with any number that decides a vector or its sketch."""
        digest = hashlib.sha256()
        shown = self.settings.model_dump(include={"form", "power", "sketch", "renormalise"})
        digest.update(repr(sorted(shown.items())).encode())
        for name, value in sorted(self._tensors().items()):
            digest.update(name.encode())
            digest.update(value.numpy().tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write as one safetensors file with the settings and facts in it, whole or not at all."""
        facts = {
            "settings": self.settings.model_dump(),
            "variance_kept": self.projection.kept,
            "facts": self.facts,
        }
        tensor_file.save(path, self._tensors(), facts, KIND)

    @classmethod
    def load(cls, path: Path) -> FisherModel:
        """Read what ``save`` wrote. Raises UserError in one line where it is anything else."""
        tensors, facts = tensor_file.load(path, KIND)
        try:
            arrays = {name: tensors[name].numpy() for name in NAMES}
            settings = validated(FisherSettings, facts["settings"], str(path))
            kept, noted = float(facts["variance_kept"]), dict(facts["facts"])
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path}: not a whole Fisher model; {KIND.remedy}") from None
        if not _fit_together(arrays, settings):
            raise UserError(f"{path}: a damaged Fisher model; {KIND.remedy}")
        return cls(
            settings,
            Projection(arrays["pca.mean"], arrays["pca.axes"], kept),
            Mixture(arrays["gmm.weights"], arrays["gmm.means"], arrays["gmm.variances"]),
            CountSketch(settings.sketch, arrays["sketch.buckets"], arrays["sketch.signs"]),
            noted,
        )

    def _tensors(self) -> dict[str, Tensor]:
        parts = (
            *(self.projection.mean, self.projection.axes),
            *(self.mixture.weights, self.mixture.means, self.mixture.variances),
            *(self.count_sketch.buckets, self.count_sketch.signs),
        )
        return {name: torch.from_numpy(part) for name, part in zip(NAMES, parts, strict=True)}


NAMES = (
    *("pca.mean", "pca.axes"),
    *("gmm.weights", "gmm.means", "gmm.variances"),
    *("sketch.buckets", "sketch.signs"),
)


def _usable(sample: Mapping[str, Block]) -> Sampled:
    """The rows of all videos that can be reckoned with; UserError where there are none."""
    rows = Sampled(sample)
    if not rows.width:
        raise UserError(
            f"Fisher model: no rows in a sample of {len(sample)} videos; they may be too short or "
            "show no motion: sample others"
        )
    if not rows.rows:
        raise UserError(f"Fisher model: none of the {rows.dropped} rows of the sample is finite")
    return rows


def _projected(projection: Projection, rows: Sampled, device: str | torch.device) -> Floats:
    project = projection.on(device)
    out = np.empty((rows.rows, projection.dim), np.float32)
    count = 0
    for block in rows:
        found = project(torch.tensor(block, device=device)).cpu().numpy()
        out[count : count + len(found)] = found
        count += len(found)
    return out


def _fit_together(arrays: Mapping[str, Any], settings: FisherSettings) -> bool:
    """Whether the arrays have the types, shapes and ranges of one model."""
    mean, axes, weights, means, variances, buckets, signs = (arrays[name] for name in NAMES)
    columns, dim = axes.shape if axes.ndim == 2 else (0, 0)
    length = 2 * settings.components * dim
    shapes = (
        (mean, (columns,)),
        (weights, (settings.components,)),
        (means, (settings.components, dim)),
        (variances, (settings.components, dim)),
        (buckets, (length,)),
        (signs, (length,)),
    )
    return bool(
        length
        and all(array.shape == shape for array, shape in shapes)
        and {array.dtype for array in (mean, axes)} == {np.dtype(np.float32)}
        and {array.dtype for array in (weights, means, variances)} == {np.dtype(np.float64)}
        and np.issubdtype(buckets.dtype, np.signedinteger)
        and signs.dtype == np.int8
        and all(np.isfinite(array).all() for array in (mean, axes, weights, means, variances))
        and min(weights.min(), variances.min()) > 0
        and 0 <= buckets.min() <= buckets.max() < settings.sketch
        and set(np.unique(signs)) <= {-1, 1}
    )
