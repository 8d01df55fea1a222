"""The space where modalities meet, as evaluators of it need it: sums of a clip's vectors, words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable, Vectors
from triptych.errors import UserError
from triptych.manifest.schema import MODALITIES

Floats = NDArray[np.float32]
Name = Literal["video", "audio", "text"]
PREFIX = "shared_"


class NoSpace(UserError):
    """The embeddings have no space in which what is asked meets: a fact of the run, no mistake."""


@dataclass(frozen=True)
class Joint:
    """Sums of some modalities' vectors: ``values`` (N, D), zeros where not ``present`` (N,)."""

    values: Floats
    present: NDArray[np.bool_]
    partial: NDArray[np.bool_]  # (N,) present, and of some of the modalities only


def modalities_of(table: EmbeddingTable) -> list[str]:
    """Those that have vectors in the common space. Raises NoSpace where there is none."""
    found = [name for name in MODALITIES if PREFIX + name in table.names()]
    if not found:
        method = table.info.get("method") or "what made them"
        raise NoSpace(
            f"the embeddings have no shared_* vectors: under {method} modalities share no space, "
            "so nothing can be compared across them; train with mcn, xdc or xcc"
        )
    return found


def summed(table: EmbeddingTable, modalities: Sequence[str], *, complete: bool) -> Joint:
    """Of every clip the sum of its vectors, as MCN adds video and sound.

    A clip that lacks some has the sum of the others, or with ``complete`` none. Raises NoSpace
    where there is no such column, UserError where a number is not finite.
    """
    known = modalities_of(table)
    unknown = [name for name in modalities if name not in known]
    if unknown or not modalities:
        raise NoSpace(
            f"the embeddings have no {PREFIX}{unknown[0] if unknown else '*'}; the common space "
            f"holds {', '.join(known)}"
        )
    return added([table.vectors(PREFIX + name) for name in modalities], complete=complete)


def added(parts: Sequence[Vectors], *, complete: bool) -> Joint:
    """The sum of several modalities' vectors, (N, D) each, zeros where they are not there, (N,).

    See `summed`. Raises UserError where a number is not finite.
    """
    with np.errstate(over="ignore"):  # it is refused below
        total = np.add.reduce([values for values, _ in parts])
    have = np.stack([present for _, present in parts])
    present = np.asarray(have.all(axis=0) if complete else have.any(axis=0))
    if not np.isfinite(total[present]).all():
        raise UserError(
            "the embeddings hold NaN or infinity; the checkpoint has diverged: embed with an "
            "earlier one"
        )
    total[~present] = 0
    partial = np.asarray(present & ~have.all(axis=0))
    return Joint(np.asarray(total, np.float32), present, partial)


def refuse_apart(model: Model, *, words: bool) -> None:
    """Raise NoSpace where the model has no space where modalities meet, and ``words`` with them."""
    if not model.meets or (words and "text" not in model.encoders):
        raise NoSpace(
            f"{'words' if words else 'modalities'} have no place in what "
            f"{', '.join(model.encoders)} share under {model.facts.get('method')}; train with mcn, "
            f"xdc or xcc{' on text too' if words else ''}"
        )


def worded(model: Model, words: Iterable[str]) -> dict[str, Floats]:
    """Vectors (D,) of those ``words`` that say something to the model, by the words.

    Raises NoSpace where the model knows no words, or has no space in which they meet the rest.
    """
    refuse_apart(model, words=True)
    found = {}
    for one in dict.fromkeys(words):
        try:
            found[one] = model.embed_text(one)[f"{PREFIX}text"]
        except UserError:
            continue  # words it has never met; the evaluator counts them
    return found


def same_weights(table: EmbeddingTable, model: Model) -> None:
    """Raise UserError where table and model are of different weights."""
    if table.info.get("checkpoint") != model.sha256:
        raise UserError(
            "the embeddings were made with other weights than the run has now, so its words mean "
            "nothing in them; embed the clips again with `triptych embed`"
        )
