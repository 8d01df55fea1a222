"""Stored features of the clips of a manifest: of each stream what is strongest in the clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from triptych.clips.feature_store import FeatureStore
from triptych.clustering.whiten import unit
from triptych.encoders.encoder import FeatureInput
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import Manifest
from triptych.progress import say

KEPT = 2 << 30  # bytes of features that stay in memory once they have been pooled
HAIR = 1e-6  # rows; times come from sums of floats and may miss a row's edge by a hair

Spans = npt.NDArray[np.int64]


def overlapping(
    starts: npt.NDArray[np.float64], ends: npt.NDArray[np.float64], rate: float
) -> tuple[Spans, Spans]:
    """The first row, and the one after the last, of those that overlap each span, at least one.

    Row i is of the seconds from i / rate to (i + 1) / rate.
    """
    first = np.floor(starts * rate + HAIR).astype(np.int64)
    last = np.ceil(ends * rate - HAIR).astype(np.int64)
    return first, np.maximum(last, first + 1)


class StoredFeatures:
    """The features of the clips of ``manifest`` in one modality, from ``stores`` side by side.

    Of each store the maximum over the rows that a clip overlaps, to unit length (Miech et al.,
    2019, and MCN pool so). A clip is ``known`` where the manifest has the modality for it and every
    store rows. What is lacking is said, once. Raises UserError where a store holds none of the
    files, or was made of other bytes than they have now; UsageError for stores of two modalities.
    """

    def __init__(self, manifest: Manifest, stores: Sequence[FeatureStore]) -> None:
        if not stores or len({store.modality for store in stores}) > 1:
            listed = ", ".join(f"{store.folder} of {store.modality}" for store in stores) or "none"
            raise UsageError(f"stored features: name stores of one modality; these are {listed}")
        self.stores = tuple(stores)
        self.modality = stores[0].modality
        self.input = FeatureInput(tuple(store.spec.stream for store in stores))
        self.dim = self.input.dim
        self._paths = manifest.column("path").tolist()
        starts, ends = (manifest.column(name).astype(np.float64) for name in ("start", "end"))
        self.known: npt.NDArray[np.bool_] = manifest.has(self.modality)
        self._spans: list[tuple[Spans, Spans]] = []
        for store in stores:
            places = _places(manifest, store)
            first, last = overlapping(starts, ends, store.rate)
            last = np.minimum(last, np.where(places < 0, 0, store.counts[places]))
            self._spans.append((first, last))
            self.known = self.known & (first < last)
        shape = (len(manifest), self.dim)
        fits = 4 * shape[0] * shape[1] <= KEPT
        self._kept = np.zeros(shape, np.float32) if fits else None
        self._made = np.zeros(len(manifest), np.bool_)

    @property
    def digests(self) -> list[str]:
        """What tells the values of each store from others."""
        return [store.digest for store in self.stores]

    def batch(self, rows: npt.NDArray[np.integer[Any]] | Sequence[int]) -> npt.NDArray[np.float32]:
        """The features (clips, dim) of some clips; zeros where they are not known.

        Of a collection that fits they are pooled once. Raises UserError where a row that is read is
        not finite.
        """
        wanted = np.asarray(rows)
        if self._kept is None:
            return self._pooled(wanted)
        new = np.unique(wanted[~self._made[wanted]])
        if len(new):
            self._kept[new] = self._pooled(new)
            self._made[new] = True
        return np.asarray(self._kept[wanted], np.float32)

    def _pooled(self, rows: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
        out = np.zeros((len(rows), self.dim), np.float32)
        wanted = [(place, row) for place, row in enumerate(map(int, rows)) if self.known[row]]
        left = 0
        for store, (first, last) in zip(self.stores, self._spans, strict=True):
            part = out[:, left : left + store.dim]
            for place, row in wanted:
                some = store.rows(self._paths[row])[first[row] : last[row]]
                # Torch's maximum of halves is ten times as fast as NumPy's.
                part[place] = torch.amax(torch.from_numpy(some), 0).numpy()
            finite = np.isfinite(part).all(axis=1)
            if not finite.all():
                path = self._paths[int(rows[int(finite.argmin())])]
                raise UserError(
                    f"{store.folder}: the features of {path} are not finite; describe it again"
                )
            part[...] = unit(part)
            left += store.dim
        return out


def open_stored(
    manifest: Manifest, folders: Mapping[str, Sequence[Path]]
) -> dict[str, StoredFeatures]:
    """The stored features of each modality that ``folders`` names stores for.

    Raises what `FeatureStore.open` and `StoredFeatures` raise, and UsageError where a store is of
    another modality than it is named for.
    """
    found = {}
    for modality, names in folders.items():
        if not names:
            continue
        stores = [FeatureStore.open(Path(name)) for name in names]
        for store in stores:
            if store.modality != modality:
                raise UsageError(
                    f"features.{modality}={store.folder}: features of {store.modality}; name it as "
                    f"features.{store.modality}"
                )
        found[modality] = StoredFeatures(manifest, stores)
    return found


def refuse_other_streams(wanted: FeatureInput, found: FeatureInput, modality: str) -> None:
    """Raise UserError where ``found`` are not the features that a model learned from.

    Their names may differ, and where the weights of their networks lie.
    """
    one, other = (
        [replace(stream, name="", backbone=_identity(stream.backbone)) for stream in some.streams]
        for some in (wanted, found)
    )
    if one != other:
        raise UserError(
            f"features.{modality}: the model learned from {_said(wanted)}, these are "
            f"{_said(found)}; describe the files with the same networks"
        )


def _identity(backbone: Mapping[str, Any]) -> dict[str, Any]:
    return {key: backbone.get(key) for key in ("encoder", "sha256", "fit")}


def _said(form: FeatureInput) -> str:
    return " + ".join(
        f"{stream.name} ({stream.dim} numbers, {stream.rate:g} a second, "
        f"sha256 {str(stream.backbone.get('sha256'))[:8]})"
        for stream in form.streams
    )


def _places(manifest: Manifest, store: FeatureStore) -> Spans:
    """The place of each clip's file in ``store``, (clips,), -1 where it has none."""
    paths = manifest.column("path").tolist()
    wanted = {path for path, has in zip(paths, manifest.has(store.modality), strict=True) if has}
    places = {path: store.place(path) for path in dict.fromkeys(paths)}
    lacking = sorted(path for path in wanted if places[path] < 0)
    if lacking and len(lacking) == len(wanted):
        raise UserError(
            f"{store.folder}: holds none of the {len(wanted)} files with {store.modality}, as "
            f"{lacking[0]}; its paths must be those of the manifest, below its root"
        )
    prints = dict(zip(paths, manifest.column("fingerprint").tolist(), strict=True))
    changed = sorted(
        path for path in wanted - set(lacking) if store.fingerprint(path) not in ("", prints[path])
    )
    if changed:
        raise UserError(
            f"{store.folder}: {len(changed)} of {len(wanted)} files have other bytes than when "
            f"they were described, as {changed[0]}; describe them again"
        )
    if lacking:
        say(
            f"{store.folder}: has no rows of {len(lacking)} of {len(wanted)} files, as "
            f"{lacking[0]}; their clips take no part in {store.modality}"
        )
    return np.array([places[path] for path in paths], np.int64)
