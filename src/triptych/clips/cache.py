"""The clip cache: every clip decoded once, at training size, in two flat files that are mapped.

``frames.bin`` holds uint8 RGB frames, ``audio.bin`` int16 samples, ``index.parquet`` a row for
each clip of the manifest, ``spec.json`` what it was made from. A whole frame is squashed to a
little more than the crop, and all frames of a clip are kept, so that crops still vary in space and
in time. Of a clip longer than ``MAX_SECONDS`` only its centre is kept, unless several segments are
spread over it: these begin anywhere in their part of the clip, so that any of its frames may be
asked for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.clips.decode import DecodeError
from triptych.clips.sample import ClipSpec, count_frames
from triptych.errors import UserError
from triptych.manifest.problems import Problem
from triptych.manifest.schema import Manifest

FORMAT = 2
KEYS = (
    "manifest",
    "clips",
    "frame_rate",
    "height",
    "width",
    "sample_rate",
    "max_seconds",
    "modalities",
)
MAX_SECONDS = 10.0

INDEX = pa.schema(
    [
        ("clip_id", pa.string()),
        ("start", pa.float64()),  # of what is kept of the clip, seconds in its file
        ("end", pa.float64()),
        ("frame", pa.int64()),  # number of its first frame in frames.bin
        ("frames", pa.int64()),
        ("sample", pa.int64()),  # number of its first sample in audio.bin
        ("samples", pa.int64()),
        ("has_video", pa.bool_()),  # false also where decoding failed
        ("has_audio", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Layout:
    """Where each clip lies in the two files; known before anything is decoded."""

    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    frame: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int64]
    sample: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]
    height: int
    width: int

    @property
    def frame_bytes(self) -> int:
        """Size of ``frames.bin``."""
        return int(self.frames.sum()) * self.height * self.width * 3

    @property
    def sample_bytes(self) -> int:
        """Size of ``audio.bin``."""
        return int(self.samples.sum()) * 2


def kept_seconds(spec: ClipSpec) -> float:
    """How much of a long clip is kept: its centre, or all of it where segments are spread."""
    return MAX_SECONDS if spec.segments == 1 else math.inf


def layout(
    manifest: Manifest,
    spec: ClipSpec,
    max_seconds: float | None = None,
    modalities: tuple[str, ...] = ("video", "audio"),
) -> Layout:
    """Lay the clips out one after another; of a span over ``max_seconds`` its centre is kept.

    None: `kept_seconds` of ``spec``.
    """
    max_seconds = kept_seconds(spec) if max_seconds is None else max_seconds
    start = manifest.column("start").astype(np.float64)
    end = manifest.column("end").astype(np.float64)
    surplus = np.maximum(0.0, end - start - max_seconds) / 2
    start, end = start + surplus, end - surplus
    lengths = (end - start).tolist()
    frames = np.array([count_frames(x, spec.frame_rate) for x in lengths], np.int64)
    samples = np.array([round(x * spec.sample_rate) for x in lengths], np.int64)
    frames *= manifest.has("video") if "video" in modalities else 0
    samples *= manifest.has("audio") if "audio" in modalities else 0
    return Layout(
        start=start,
        end=end,
        frame=np.cumsum(frames) - frames,
        frames=frames,
        sample=np.cumsum(samples) - samples,
        samples=samples,
        height=spec.stored[0],
        width=spec.stored[1],
    )


def description(
    manifest: Manifest,
    spec: ClipSpec,
    max_seconds: float | None = None,
    modalities: tuple[str, ...] = ("video", "audio"),
) -> dict[str, Any]:
    """What ``spec.json`` says: two caches with the same description hold the same bytes.

    ``max_seconds`` in it is null where clips are whole.
    """
    kept = kept_seconds(spec) if max_seconds is None else max_seconds
    return {
        "format": FORMAT,
        "manifest": manifest.digest,
        "clips": len(manifest),
        **_form(spec),
        "max_seconds": kept if math.isfinite(kept) else None,
        "modalities": list(modalities),
    }


def _form(spec: ClipSpec) -> dict[str, Any]:
    """The part of a spec that decides what a frame and a sample are."""
    return {
        "frame_rate": spec.frame_rate,
        "size": spec.size,
        "height": spec.stored[0],
        "width": spec.stored[1],
        "sample_rate": spec.sample_rate,
    }


class ClipCache:
    """An open cache. Pickles as its folder, so that a worker maps the files anew."""

    def __init__(self, folder: Path, info: dict[str, Any], index: dict[str, Any]) -> None:
        self.folder = folder
        self.info = info
        self.index = index
        picture = (int(info["height"]), int(info["width"]), 3)
        self.frames = _map(folder / "frames.bin", np.uint8, (-1, *picture))
        self.samples = _map(folder / "audio.bin", np.int16, (-1,))

    def __reduce__(self) -> tuple[Any, ...]:
        return ClipCache, (self.folder, self.info, self.index)

    @staticmethod
    def size_of(
        manifest: Manifest,
        spec: ClipSpec,
        max_seconds: float | None = None,
        modalities: tuple[str, ...] = ("video", "audio"),
    ) -> int:
        """Bytes on the disk of the cache that `build` would make."""
        plan = layout(manifest, spec, max_seconds, modalities)
        return plan.frame_bytes + plan.sample_bytes

    @staticmethod
    def build(
        manifest: Manifest,
        spec: ClipSpec,
        folder: Path,
        *,
        workers: int = 0,
        max_seconds: float | None = None,
        modalities: tuple[str, ...] = ("video", "audio"),
    ) -> list[Problem]:
        """Make a cache, see `triptych.clips.build.build`."""
        from triptych.clips.build import build

        return build(
            manifest,
            spec,
            folder,
            workers=workers,
            max_seconds=max_seconds,
            modalities=modalities,
        )

    @classmethod
    def open(cls, folder: Path, manifest: Manifest, spec: ClipSpec | None = None) -> ClipCache:
        """Map a finished cache; refuses one made for another manifest, or another ``spec``."""
        info = read_info(folder)
        if info["manifest"] != manifest.digest:
            raise UserError(
                f"{folder}: this cache was made for another manifest ({info['manifest']}, not "
                f"{manifest.digest}); remove the folder and make it again"
            )
        for name, wanted in _form(spec).items() if spec else ():
            if info[name] != wanted:
                raise UserError(
                    f"{folder}: this cache was made with {name}={info[name]}, not {wanted}; "
                    "remove the folder and make it again"
                )
        index = _read_index(folder, len(manifest))
        frame_bytes = int(index["frames"].sum()) * int(info["height"]) * int(info["width"]) * 3
        for name, wanted in (
            ("frames.bin", frame_bytes),
            ("audio.bin", int(index["samples"].sum()) * 2),
        ):
            file = folder / name
            found = f"{file.stat().st_size} bytes" if file.is_file() else "missing"
            if found != f"{wanted} bytes":
                raise UserError(
                    f"{file}: {found}, not {wanted} bytes: the cache is damaged; "
                    "remove the folder and make it again"
                )
        return cls(folder, info, index)


def _read_index(folder: Path, clips: int) -> dict[str, npt.NDArray[Any]]:
    try:
        table = pq.read_table(folder / "index.parquet")
        if table.num_rows != clips:
            raise ValueError(f"{table.num_rows} rows for {clips} clips")
        return {name: table[name].to_numpy() for name in INDEX.names if name != "clip_id"}
    except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
        raise UserError(
            f"{folder / 'index.parquet'}: not the index of a cache ({error}); "
            "remove the folder and make it again"
        ) from None


def read_info(folder: Path) -> dict[str, Any]:
    """What ``spec.json`` of a cache says; raises UserError where there is no whole cache."""
    try:
        info = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder}: no clip cache here; make it first") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: not a clip cache ({error}); make it again") from None
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise UserError(f"{folder}: a clip cache of another version; remove it and make it again")
    missing = [name for name in KEYS if name not in info]
    if missing:
        raise UserError(f"{folder}: its spec.json lacks {', '.join(missing)}; make it again")
    return dict(info)


def _map(path: Path, dtype: type[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    size = path.stat().st_size
    if not size:  # nothing can be mapped from an empty file
        return np.empty((0, *shape[1:]), dtype)
    # A plain view: slicing a np.memmap costs ten times as much as slicing an array.
    return np.asarray(np.memmap(path, dtype, mode="r")).reshape(shape)


class CachedClips:
    """The clips of a cache. Its moments are the stored frames; sound begins at the same one."""

    def __init__(self, cache: ClipCache) -> None:
        self.cache = cache
        self.rate = float(cache.info["frame_rate"])
        index = cache.index
        self._has = {name: index[f"has_{name}"] for name in ("video", "audio")}
        self._start, self._end = index["start"].tolist(), index["end"].tolist()
        self._frame, self._frames = index["frame"].tolist(), index["frames"].tolist()
        self._sample, self._samples = index["sample"].tolist(), index["samples"].tolist()

    def has(self, modality: str) -> npt.NDArray[np.bool_]:
        """Which clips hold the modality, shape (clips,)."""
        return np.asarray(self._has[modality], np.bool_)

    def span(self, row: int) -> tuple[float, float]:
        """Start and end of what is kept of a clip, seconds in its file."""
        return self._start[row], self._end[row]

    def check(self, spec: ClipSpec, modalities: tuple[str, ...]) -> None:
        """Refuse a spec that the stored frames and samples cannot serve."""
        info = self.cache.info
        for name in modalities:
            if name not in info["modalities"]:
                raise UserError(f"{self.cache.folder}: this cache holds no {name}; make it again")
        height, width = info["height"], info["width"]
        if "video" in modalities and (
            spec.size > min(height, width)
            or (spec.resize or (height, width)) != (height, width)
            or self.rate % spec.frame_rate > 1e-9
        ):
            squashed = f" of {spec.resize[0]}x{spec.resize[1]}" if spec.resize else ""
            raise UserError(
                f"{self.cache.folder}: this cache holds {height}x{width} pixels at {self.rate} "
                f"frames per second, the model wants {spec.size}{squashed} at {spec.frame_rate}; "
                "make the cache again for this model"
            )
        if modalities and spec.segments > 1 and info["max_seconds"] is not None:
            raise UserError(
                f"{self.cache.folder}: this cache holds the middle {info['max_seconds']:g} s of "
                f"long clips, the model looks at {spec.segments} segments of the whole; "
                "make the cache again for this model"
            )
        if "audio" in modalities and spec.sample_rate != info["sample_rate"]:
            raise UserError(
                f"{self.cache.folder}: this cache holds sound at {info['sample_rate']} Hz, the "
                f"model wants {spec.sample_rate}; make the cache again for this model"
            )

    def video(
        self, row: int, begins: Sequence[float], spec: ClipSpec
    ) -> list[npt.NDArray[np.uint8]]:
        """Runs of whole frames, uint8 (frames, height, width, 3); views where they can be."""
        if not self._has["video"][row]:
            raise DecodeError(f"{self.cache.folder}: clip {row} has no video")
        return [self._run(row, begin, spec) for begin in begins]

    def _run(self, row: int, begin: float, spec: ClipSpec) -> npt.NDArray[np.uint8]:
        count, base = self._frames[row], self._frame[row]
        stride = round(self.rate / spec.frame_rate)
        first = self._moment(row, begin)
        if first + (spec.frames - 1) * stride < count:
            low = base + first
            return self.cache.frames[low : low + (spec.frames - 1) * stride + 1 : stride]
        steps = np.minimum(first + np.arange(spec.frames) * stride, count - 1)
        return np.asarray(self.cache.frames[base + steps], np.uint8)

    def audio(
        self, row: int, begins: Sequence[float], seconds: float, rate: int
    ) -> npt.NDArray[np.float32]:
        """Sound, float32 (begins, round(seconds * rate)), zeros after the end of the clip."""
        if not self._has["audio"][row]:
            raise DecodeError(f"{self.cache.folder}: clip {row} has no sound")
        out = np.zeros((len(begins), round(seconds * rate)), np.float32)
        base = self._sample[row]
        for run, begin in zip(out, begins, strict=True):
            first = round(self._moment(row, begin) / self.rate * rate)
            stop = min(first + len(run), self._samples[row])
            sound = self.cache.samples[base + first : base + stop]
            np.multiply(sound, np.float32(1 / 32767), out=run[: len(sound)])
        return out

    def _moment(self, row: int, begin: float) -> int:
        return max(0, round((begin - float(self._start[row])) * self.rate))
