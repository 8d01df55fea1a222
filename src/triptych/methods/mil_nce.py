"""MIL-NCE: of the narrations near in time, one or another is of the clip."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from triptych.methods.method import Joint, Method, Pair, Step, several

if TYPE_CHECKING:
    from torch import Tensor


def method(modalities: tuple[str, ...]) -> Method:
    """The baseline "MIL-NCE" of MCN's tables (Miech et al., CVPR 2020, equation 1).

    There of video and words, by products of vectors of any length. A clip's positives are the
    narrations of its file nearest in time, its own among them, ``joint.candidates`` in number. Of
    pictures and sound a clip has one candidate, itself.
    """
    several("mil_nce", modalities)
    return Method(
        name="mil_nce",
        modalities=modalities,
        clusters=(),
        teaches=(),
        pairs=tuple(Pair(one, other) for one, other in combinations(modalities, 2)),
        joint=Joint(("MIL-NCE",), near=True),
        loss=loss,
        heads="keep",
    )


def loss(step: Step) -> Mapping[str, Tensor]:
    """Their equation 1, of every pair of modalities."""
    from triptych.objectives.mil_nce import mil_nce

    return {pair.term: mil_nce(*step.candidates(pair)) for pair in step.method.pairs}
