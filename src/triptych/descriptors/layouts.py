"""Features that other programs have stored, found in their folders and read where they lie.

HowTo100M's (Miech et al., 2019): a folder for each network, a ``.npy`` (time, dim) for each video.
MCN's and AVLnet's: ``ID_2d.npz`` and ``ID_3d.npz`` beside each other, key ``features``. Both have
2D features once a second and 3D ones three times in two.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from triptych.clips.feature_store import SUFFIX, Spec, shape_of, write_index
from triptych.errors import UserError
from triptych.manifest.problems import Problem, write_problems
from triptych.manifest.schema import Manifest
from triptych.progress import say, track

# A video's id on YouTube, as downloaders put it at the end of a name: alone, after a hyphen or a
# space, or in brackets.
YOUTUBE = re.compile(r"(?:^|.*[-_ \[(])([\w-]{11})[\])]?")


@dataclass(frozen=True)
class Tree:
    """Files of one network below ``root``: a video's id, ``ending``, and nothing else."""

    name: str
    root: Path
    ending: str
    rate: float


def find_features(
    manifest: Manifest, out: Path, trees: Sequence[Tree], layout: str
) -> dict[str, Any]:
    """Write a store for each tree that names its files; returns what is in them.

    A file of the manifest is found by its path, else by its name without the ending, else by the
    YouTube id at the end of its name. Raises UserError where none is found, or two are.
    """
    paths = sorted(set(manifest.column("path")[manifest.has("video")]))
    lacking: list[Problem] = []
    streams = []
    for tree in trees:
        known = _Files(tree)
        found = {path: file for path in paths if (file := known.of(path))}
        missing = [path for path in paths if path not in found]
        if not found:
            raise UserError(
                f"{tree.root}: features of none of the {len(paths)} videos; those of "
                f"{paths[0] if paths else 'a.mp4'} would be in a file that is called "
                f"{PurePosixPath(paths[0] if paths else 'a.mp4').stem}{tree.ending}"
            )
        streams.append(_write(manifest, out, tree, found, layout))
        if missing:
            count = f"{len(missing)} of {len(paths)}"
            say(f"{tree.root}: no features of {count} videos, as {missing[0]}")
        problems = [
            Problem(
                path, "features", f"no file of it in {tree.root}", f"has no rows of {tree.name}"
            )
            for path in missing
        ]
        write_problems(out / f"{tree.name}_problems.parquet", problems)
        lacking += problems
    return {
        "files": [asdict(problem) for problem in lacking],
        "streams": streams,
    }


class _Files:
    """The files of a tree, by what they are of."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._places: dict[str, Path] = {}
        self._names: dict[str, list[Path]] = defaultdict(list)
        if not tree.root.is_dir():
            raise UserError(f"{tree.root}: no such folder of features")
        for file in sorted(tree.root.rglob(f"*{tree.ending}")):
            place = file.relative_to(tree.root).as_posix().removesuffix(tree.ending)
            self._places[place] = file
            self._names[place.rpartition("/")[2]].append(file)

    def of(self, path: str) -> Path | None:
        """The file of a video, None where there is none."""
        place = str(PurePosixPath(path).with_suffix(""))
        if place in self._places:
            return self._places[place]
        name = place.rpartition("/")[2]
        tagged = YOUTUBE.fullmatch(name)
        for key in (name, tagged[1] if tagged else name):
            files = self._names.get(key, [])
            if len(files) > 1:
                raise UserError(
                    f"{path}: two files may hold its features, {files[0]} and {files[1]}"
                )
            if files:
                return files[0]
        return None


def _write(
    manifest: Manifest, out: Path, tree: Tree, found: dict[str, Path], layout: str
) -> dict[str, Any]:
    rows: list[tuple[str, Path, int]] = []
    dim = 0
    for path, file in _tracked(found.items(), len(found), tree):
        count, width = shape_of(file)
        if dim not in (0, width):
            raise UserError(f"{file}: rows of {width} numbers, those of {rows[0][1]} have {dim}")
        dim = width
        rows.append((path, file.resolve(), count))
    backbone = {"layout": layout, "ending": tree.ending}
    spec = Spec(tree.name, "video", tree.rate, dim, backbone, manifest.digest)
    folder = out / f"{tree.name}{SUFFIX}"
    write_index(folder, spec, rows)
    return {
        "name": tree.name,
        "modality": "video",
        "rate": tree.rate,
        "dim": dim,
        "files": len(rows),
        "rows": sum(count for *_, count in rows),
        "store": str(folder),
    }


def _tracked(
    items: Iterable[tuple[str, Path]], total: int, tree: Tree
) -> Iterable[tuple[str, Path]]:
    return track(items, total, f"files of {tree.name}")
