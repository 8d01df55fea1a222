"""What is not plainly good about a file, and what Triptych does with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from triptych.atomic import write_table

KINDS = (
    "unreadable",  # FFmpeg cannot open it
    "not-media",  # it opens as no video and no sound
    "zero-length",  # no bytes, or not one frame or sample decodes
    "damaged",  # some frames or samples do not decode
    "cut-short",  # it ends before its own header says
    "crashed",  # it brought the decoder's process down
    "timeout",  # the decoder did not finish in the time allowed
    "no-audio",  # no sound stream
    "silent",  # a sound stream of digital silence
    "no-video",  # sound only
    "variable-rate",  # frames are not evenly spaced
    "size",  # its pictures are too small, or too large, for what should describe them
    "features",  # there are no features of it, or they are not finite
    "boxes",  # the boxes of people in it cannot be used
    "captions",  # something about its captions: encoding, reversed or overlapping times
)


@dataclass(frozen=True)
class Problem:
    """One row: the file, relative to the root; a kind of ``KINDS``; why; what is done about it."""

    path: str
    kind: str
    reason: str
    action: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; one of {', '.join(KINDS)}")


SCHEMA = pa.schema([(name, pa.string()) for name in ("path", "kind", "reason", "action")])


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """Write ``problems.parquet``, whole or not at all."""
    write_table(path, pa.Table.from_pylist([asdict(problem) for problem in problems], SCHEMA))


def read_problems(path: Path) -> list[Problem]:
    """Read what ``write_problems`` wrote."""
    return [Problem(**row) for row in pq.read_table(path).to_pylist()]
