"""``embed``: one pass over a collection with a trained model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from lightning_fabric import Fabric

from triptych.clips.dataset import ClipLoader, ClipSource, View
from triptych.embeddings.extract import Features, extract
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.manifest.schema import Manifest

BATCH = 64


def embed(
    manifest: Manifest, model: Model, source: ClipSource, *, workers: int = 0
) -> EmbeddingTable:
    """The vectors of every clip: its centre window, whole frame, no flip.

    A modality that a clip lacks, or that does not decode, is null in the table.
    """
    encoders = model.encoders
    loader = ClipLoader(
        manifest, source, {name: encoder.input for name, encoder in encoders.items()}, workers
    )
    # In 32 bits: this pass is made once, and its vectors are kept.
    fabric = Fabric(accelerator="auto", devices=1, precision="32-true")
    for encoder in encoders.values():
        encoder.to(fabric.device)
    rows = np.arange(len(manifest))
    batches = loader.batches(
        [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)], View(random=False, seed=0)
    )
    features = extract(encoders, batches, len(rows), fabric)
    for encoder in encoders.values():
        encoder.cpu()
    _refuse_nothing(manifest, features)
    columns = {name: (part.values, part.present) for name, part in model.vectors(features).items()}
    # IR and LA have no heads, before and after.
    trained = bool(model.heads) or model.facts["state"]["refreshed"] >= 0
    return EmbeddingTable.build(
        manifest,
        columns,
        model.sha256,
        # Weights from before the first step are no method's yet, and results must not say so.
        method=model.facts["method"] if trained else "initial",
        modalities=list(encoders),
    )


def _refuse_nothing(manifest: Manifest, features: Mapping[str, Features]) -> None:
    """A clip may fail; where all do, the files are not where the manifest says."""
    media = [name for name in features if name != "text" and manifest.has(name).any()]
    if media and not any(features[name].present.any() for name in media):
        raise UserError(
            f"{manifest.root}: not one clip can be decoded; say where the videos are with root"
        )
