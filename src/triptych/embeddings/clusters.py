"""Clusters of clips: k-means over the joint vectors, then names, sizes, cohesion and exemplars."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.atomic import write_table
from triptych.clustering.kmeans import kmeans
from triptych.clustering.whiten import unit
from triptych.embeddings.naming import clock, distinctive_words, names
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError

EXEMPLARS = 6
WORDS = 10
STARTS = 4
CHEAP = 2_000_000  # clips times clusters; beyond, one start must do
MOST_BY_DEFAULT = 256
LABELS = b"triptych.labels"


def schema(dim: int) -> pa.Schema:
    """The columns of clusters.parquet; row i is cluster i, the largest first."""
    return pa.schema(
        [
            ("cluster", pa.int32()),
            ("name", pa.string()),
            ("words", pa.list_(pa.string())),  # heaviest first; empty without captions
            ("size", pa.int64()),  # clips
            ("videos", pa.int64()),  # files that they come from
            ("cohesion", pa.float64()),  # mean cosine of the clips to the centroid
            ("exemplars", pa.list_(pa.string())),  # clip_id, most typical first, other videos first
            ("centroid", pa.list_(pa.float32(), dim)),  # unit length, to place new clips by
        ]
    )


@dataclass(frozen=True)
class Clusters:
    """The clusters of one embedding table; ``labels`` is the digest of its column ``cluster``."""

    table: pa.Table
    labels: str

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per cluster, without its centroid."""
        rows: list[dict[str, Any]] = self.table.drop_columns(["centroid"]).to_pylist()
        return rows

    def describe(self, embeddings: EmbeddingTable) -> bool:
        """Whether these are the clusters that ``embeddings`` is labelled with."""
        return self.labels == _digest(embeddings.column("cluster"))

    def write(self, path: Path) -> None:
        """Write clusters.parquet, whole or not at all."""
        write_table(path, self.table.replace_schema_metadata({LABELS: self.labels}))

    @classmethod
    def read(cls, path: Path) -> Clusters:
        """Read what ``write`` wrote; UserError where it is missing or something else."""
        if not path.is_file():
            raise UserError(f"{path}: no clusters here; make them with `triptych cluster`")
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: not a Parquet file ({reason}); cluster again") from None
        metadata = table.schema.metadata or {}
        if table.column_names != schema(1).names or LABELS not in metadata:
            raise UserError(f"{path}: not a table of clusters; make one with `triptych cluster`")
        return cls(table, metadata[LABELS].decode())


def cluster(
    embeddings: Path, out: Path, *, k: int | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Cluster the table at ``embeddings``: write ``out``, and its labels into the table.

    Returns for each cluster its number, name, size, videos and cohesion. See ``find_clusters``.
    """
    labelled, found = find_clusters(EmbeddingTable.read(embeddings), k, seed=seed)
    labelled.write(embeddings)
    found.write(out)
    shown = ("cluster", "name", "size", "videos", "cohesion")
    return [{column: row[column] for column in shown} for row in found.rows()]


def find_clusters(
    embeddings: EmbeddingTable, clusters: int | None = None, *, seed: int = 0
) -> tuple[EmbeddingTable, Clusters]:
    """The table with its column ``cluster`` filled, and its clusters, the largest first.

    K-means with Euclidean distance on joint vectors scaled to unit length. Without ``clusters``
    there are sqrt(clips / 2), at most 256 and no more than there are different vectors. A clip
    without a joint vector keeps cluster -1. Raises UserError as ``kmeans`` does.
    """
    vectors, present = embeddings.vectors("vector_joint")
    rows = np.flatnonzero(present)
    if not len(rows):
        raise UserError("none of the clips has a vector; there is nothing to cluster")
    if not np.isfinite(vectors[rows]).all():
        raise UserError("vector_joint holds NaN or infinity; embed again with another checkpoint")
    if clusters is not None and clusters < 1:
        raise UsageError(f"k={clusters}: ask for at least one cluster")
    units = unit(vectors[rows])
    if clusters is None:
        different = len(np.unique(units, axis=0))
        clusters = min(max(2, round(sqrt(len(rows) / 2))), MOST_BY_DEFAULT, different)
    starts = STARTS if len(rows) * clusters <= CHEAP else 1
    found = kmeans(units, clusters, seed=seed, starts=starts)
    within = _largest_first(np.asarray(found.labels), clusters)
    labels = np.full(len(embeddings), -1, np.int64)
    labels[rows] = within
    centroids = unit(np.stack([units[within == label].mean(axis=0) for label in range(clusters)]))
    labelled = embeddings.with_clusters(labels)
    info = {**embeddings.info, "clusters": clusters, "cluster_seed": seed}
    labelled = replace(labelled, info=info)
    cosines = np.zeros(len(embeddings))
    cosines[rows] = (units * centroids[within]).sum(axis=1)
    return labelled, _described(labelled, labels, centroids, cosines)


def exemplars(
    members: npt.NDArray[np.int64],
    cosines: npt.NDArray[np.float64],
    paths: npt.NDArray[Any],
    count: int = EXEMPLARS,
) -> list[int]:
    """The ``count`` members nearest the centroid: each video's nearest clip, then the others.

    ``members`` are rows of the table; ``cosines`` to the centroid and ``paths`` are by row.
    """
    nearest = members[np.argsort(-cosines[members], kind="stable")]
    seen: set[str] = set()
    first: list[int] = []
    later: list[int] = []
    for row in nearest.tolist():
        (later if paths[row] in seen else first).append(row)
        seen.add(paths[row])
    return (first + later)[:count]


def _largest_first(labels: npt.NDArray[np.int64], clusters: int) -> npt.NDArray[np.int64]:
    sizes = np.bincount(labels, minlength=clusters)
    renumbered = np.empty(clusters, np.int64)
    renumbered[np.argsort(-sizes, kind="stable")] = np.arange(clusters)
    return renumbered[labels]


def _described(
    embeddings: EmbeddingTable,
    labels: npt.NDArray[np.int64],
    centroids: npt.NDArray[np.float32],
    cosines: npt.NDArray[np.float64],
) -> Clusters:
    paths, starts = embeddings.column("path"), embeddings.column("start")
    ids = embeddings.column("clip_id")
    words = distinctive_words(embeddings.column("text").tolist(), labels, len(centroids), WORDS)
    members = [np.flatnonzero(labels == label) for label in range(len(centroids))]
    typical = [exemplars(rows, cosines, paths) for rows in members]
    plain = [f"like {PurePosixPath(paths[t[0]]).name} at {clock(starts[t[0]])}" for t in typical]
    columns = {
        "cluster": range(len(centroids)),
        "name": names(words, plain),
        "words": [[word for word, _ in ranked] for ranked in words],
        "size": [len(rows) for rows in members],
        "videos": [len(set(paths[rows])) for rows in members],
        "cohesion": [float(cosines[rows].mean()) for rows in members],
        "exemplars": [[ids[row] for row in rows] for rows in typical],
        "centroid": list(centroids),
    }
    table = pa.Table.from_pydict(columns, schema(centroids.shape[1]))
    return Clusters(table, _digest(labels))


def _digest(labels: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.asarray(labels, "<i4").tobytes()).hexdigest()[:16]
