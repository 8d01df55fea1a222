"""Max-margin ranking: a clip's own partner is nearer than any other clip, by a margin."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from triptych.methods.method import Joint, Method, Pair, Step, several

if TYPE_CHECKING:
    from torch import Tensor

WITHIN = 0.5  # the share of the negatives that are of the same video


def method(modalities: tuple[str, ...]) -> Method:
    """The baseline "Miech" of MCN's tables (Miech et al., HowTo100M, ICCV 2019, section 4).

    There of video and words, compared by the cosine. Half of the negatives are of the same file,
    where ``draws.per_file`` brings several of its clips into a batch.
    """
    several("max_margin", modalities)
    return Method(
        name="max_margin",
        modalities=modalities,
        clusters=(),
        teaches=(),
        pairs=tuple(Pair(one, other) for one, other in combinations(modalities, 2)),
        joint=Joint(("max-margin ranking",), margin=0.1, unit=True),
        loss=loss,
        heads="keep",
    )


def loss(step: Step) -> Mapping[str, Tensor]:
    """Their equation 1, of every pair of modalities."""
    from triptych.objectives.ranking import max_margin_ranking

    return {
        pair.term: max_margin_ranking(
            step.similarities(pair), step.meeting.margin, step.same_file(pair), within=WITHIN
        )
        for pair in step.method.pairs
    }
