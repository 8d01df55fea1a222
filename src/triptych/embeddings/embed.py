"""``embed``: one pass over a collection with a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from lightning_fabric import Fabric

from triptych.clips.dataset import ClipLoader, ClipSource, View
from triptych.clips.stored import StoredFeatures, open_stored, refuse_other_streams
from triptych.embeddings.extract import Features, extract
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.encoders.encoder import FeatureInput
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import Manifest

BATCH = 64


def embed(
    manifest: Manifest,
    model: Model,
    source: ClipSource,
    *,
    workers: int = 0,
    features: Mapping[str, Sequence[Path]] | None = None,
) -> EmbeddingTable:
    """The vectors of every clip: its centre window, whole frame, no flip; or its stored features.

    A modality that a clip lacks, or that does not decode, is null in the table. ``features`` are
    the stores of each modality that the model has stored features of; None: those of its run.
    """
    encoders = model.encoders
    stored = _stored(manifest, model, features)
    loader = ClipLoader(
        manifest,
        source,
        {name: encoder.input for name, encoder in encoders.items()},
        workers,
        stored,
    )
    # In 32 bits: this pass is made once, and its vectors are kept.
    fabric = Fabric(accelerator="auto", devices=1, precision="32-true")
    for encoder in encoders.values():
        encoder.to(fabric.device)
    rows = np.arange(len(manifest))
    batches = loader.batches(
        [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)], View(random=False, seed=0)
    )
    found = extract(encoders, batches, len(rows), fabric)
    for encoder in encoders.values():
        encoder.cpu()
    _refuse_nothing(manifest, found)
    columns = {name: (part.values, part.present) for name, part in model.vectors(found).items()}
    return EmbeddingTable.build(
        manifest,
        columns,
        model.sha256,
        # Weights from before the first step are no method's yet, and results must not say so.
        method=model.facts["method"] if model.trained else "initial",
        modalities=list(encoders),
    )


def _stored(
    manifest: Manifest, model: Model, folders: Mapping[str, Sequence[Path]] | None
) -> dict[str, StoredFeatures]:
    """The stored features of the manifest that the model takes, as those that it learned from."""
    forms = {
        name: encoder.input
        for name, encoder in model.encoders.items()
        if isinstance(encoder.input, FeatureInput)
    }
    given = model.facts.get("recipe", {}).get("features", {}) if folders is None else folders
    named = {name: list(map(Path, paths)) for name, paths in given.items() if paths}
    if missing := sorted(forms.keys() - named.keys()):
        raise UsageError(
            f"features: the model has learned from stored features of {', '.join(missing)}; name "
            f"those of these files as {missing[0]}=STORE,STORE"
        )
    if beyond := sorted(named.keys() - forms.keys()):
        raise UsageError(
            f"features: {beyond[0]} is no modality that the model has learned from stored features "
            "of; leave it out"
        )
    stored = open_stored(manifest, named)
    for name, found in stored.items():
        refuse_other_streams(forms[name], found.input, name)
    return stored


def _refuse_nothing(manifest: Manifest, features: Mapping[str, Features]) -> None:
    """A clip may fail; where all do, the files are not where the manifest says."""
    media = [name for name in features if name != "text" and manifest.has(name).any()]
    if media and not any(features[name].present.any() for name in media):
        raise UserError(
            f"{manifest.root}: not one clip can be decoded; say where the videos are with root"
        )
