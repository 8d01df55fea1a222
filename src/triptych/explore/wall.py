"""The cluster wall: cards, the clips behind each, and the pictures, within a bounded size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triptych.clustering.whiten import unit
from triptych.embeddings.clusters import Clusters
from triptych.embeddings.naming import clock
from triptych.embeddings.table import EmbeddingTable
from triptych.explore.map import Map
from triptych.explore.thumbnails import Wish, picture
from triptych.seeds import derive

MOST_LISTED = 20_000  # clips in the lists of all clusters together
MOST_IN_LIST, FEWEST_IN_LIST = 300, 20
MOST_TEXT = 240  # letters of a clip's words
MOST_OTHERS = 400  # clips with a picture beside the exemplars
STRIP, COVER, SMALL = 3, 168, 72  # frames of a cover; heights of covers and others in pixels


@dataclass(frozen=True)
class Wall:
    """``cards`` for the page, ``data`` for its script, and what the page says of both."""

    cards: list[dict[str, Any]]
    data: dict[str, Any]
    listed: int  # the most clips that a cluster's list holds
    pictured: int  # clips with a picture
    unpictured: dict[str, str]  # reasons by path
    gone: int  # files that are not where the table says


class _Clips:
    """The clips on the page, by their place in its lists rather than their row in the table."""

    def __init__(self, embeddings: EmbeddingTable, rows: Sequence[int]) -> None:
        self.rows = list(rows)
        self.place = {row: i for i, row in enumerate(self.rows)}
        taken = embeddings.table.drop_columns(embeddings.names()).take(self.rows)
        self.about: list[dict[str, Any]] = taken.to_pylist()
        self.files = {path: embeddings.root / path for path in dict.fromkeys(self.paths())}
        self.links = {path: _link(file) for path, file in self.files.items()}

    def paths(self) -> list[str]:
        return [clip["path"] for clip in self.about]

    def data(self) -> dict[str, Any]:
        number = {path: i for i, path in enumerate(self.files)}
        return {
            "files": [[path, self.links[path]] for path in self.files],
            "clips": {
                "file": [number[path] for path in self.paths()],
                "start": [round(clip["start"], 2) for clip in self.about],
                "end": [round(clip["end"], 2) for clip in self.about],
                "text": [_cut(clip["text"]) for clip in self.about],
                "cluster": [clip["cluster"] for clip in self.about],
                "seen": [int(clip["has_video"]) for clip in self.about],
            },
        }


def build(
    embeddings: EmbeddingTable, clusters: Clusters | None, chart: Map, *, workers: int
) -> Wall:
    """Everything the page shows of single clips. Decodes the pictures in ``workers`` processes."""
    lists, listed = _lists(embeddings, clusters)
    best = _exemplars(embeddings, clusters)
    rows = {row for some in (*lists, *best) for row in some} | set(chart.rows.tolist())
    clips = _Clips(embeddings, sorted(rows))
    pictures, reasons = picture(_wishes(clips, best), workers=workers)
    data = clips.data()
    data["map"] = {
        "clip": [clips.place[row] for row in chart.rows.tolist()],
        "x": np.round(chart.places[:, 0], 4).tolist(),
        "y": np.round(chart.places[:, 1], 4).tolist(),
    }
    about = clusters.rows() if clusters else []
    data["clusters"] = [
        {"name": row["name"], "size": row["size"], "clips": [clips.place[r] for r in some]}
        for row, some in zip(about, lists, strict=True)
    ]
    data["pictures"] = {k: uri for k, uri in pictures.items() if not k.endswith("cover")}
    cards = [
        {**row, "exemplars": [_shown(clips, r, pictures) for r in some]}
        for row, some in zip(about, best, strict=True)
    ]
    unpictured = {
        clips.about[int(key.split()[0])]["path"]: reason for key, reason in reasons.items()
    }
    gone = sum(link is None for link in clips.links.values())
    return Wall(cards, data, listed, len(data["pictures"]), unpictured, gone)


def _lists(embeddings: EmbeddingTable, clusters: Clusters | None) -> tuple[list[list[int]], int]:
    """The rows of each cluster's list, most typical first, and how long a list may be."""
    if clusters is None:
        return [], 0
    most = min(MOST_IN_LIST, max(FEWEST_IN_LIST, MOST_LISTED // max(len(clusters), 1)))
    vectors, _ = embeddings.vectors("vector_joint")
    labels = embeddings.column("cluster")
    lists = []
    for label, centroid in enumerate(clusters.table["centroid"].to_pylist()):
        members = np.flatnonzero(labels == label)
        cosines = unit(vectors[members]) @ np.asarray(centroid, np.float32)
        lists.append(members[np.argsort(-cosines, kind="stable")[:most]].tolist())
    return lists, most


def _exemplars(embeddings: EmbeddingTable, clusters: Clusters | None) -> list[list[int]]:
    row_of = {name: row for row, name in enumerate(embeddings.column("clip_id"))}
    return [
        [row_of[name] for name in row["exemplars"]] for row in (clusters.rows() if clusters else [])
    ]


def _wishes(clips: _Clips, best: Sequence[Sequence[int]]) -> dict[Path, list[Wish]]:
    """Which pictures to make of which file: covers, exemplars, and some of the others."""
    covers = [clips.place[some[0]] for some in best if some]
    typical = sorted({clips.place[row] for some in best for row in some})
    others = np.setdiff1d(np.arange(len(clips.rows)), typical)
    if len(others) > MOST_OTHERS:
        draw = np.random.default_rng(derive(0, "thumbnails"))
        others = draw.choice(others, MOST_OTHERS, replace=False)
    wishes: dict[Path, list[Wish]] = {}
    for place in sorted({*typical, *others.tolist()}):
        clip = clips.about[place]
        if clips.links[clip["path"]] is None:
            continue
        span = (clip["start"], clip["end"], clip["has_video"])
        some = wishes.setdefault(clips.files[clip["path"]], [])
        some.append(Wish(f"{place}", *span, height=SMALL))
    for place in covers:
        clip = clips.about[place]
        if clips.links[clip["path"]] is not None and clip["has_video"]:
            span = (clip["start"], clip["end"], clip["has_video"])
            some = wishes[clips.files[clip["path"]]]
            some.append(Wish(f"{place} cover", *span, frames=STRIP, height=COVER))
    return wishes


def _shown(clips: _Clips, row: int, pictures: dict[str, str]) -> dict[str, Any]:
    place = clips.place[row]
    clip = clips.about[place]
    return {
        "place": place,
        "cover": pictures.get(f"{place} cover"),
        "picture": pictures.get(f"{place}"),
        "sound": not clip["has_video"],
        "alt": f"{clip['path']} from {clock(clip['start'])} to {clock(clip['end'])}",
    }


def _link(file: Path) -> str | None:
    return file.absolute().as_uri() if file.is_file() else None


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1].rstrip() + "…"
