"""The narrated demo collection, made from a seed."""

from triptych.demo.collection import (
    Collection,
    clip_labels,
    make_collection,
    open_collection,
    write_clip_labels,
)
from triptych.demo.knobs import Knobs

__all__ = [
    "Collection",
    "Knobs",
    "clip_labels",
    "make_collection",
    "open_collection",
    "write_clip_labels",
]
