"""LA: a clip is drawn to those of its clusters that are near, and away from the others near it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from triptych.methods.method import Cluster, Method, Step

if TYPE_CHECKING:
    from torch import Tensor


def method(modalities: tuple[str, ...]) -> Method:
    """Local aggregation (Zhuang et al., 2019; Video LA of Tokmakov et al., 2020, equation 3).

    Each modality by itself. Several k-means of the bank say who is a close neighbour; with a prior
    in the recipe they are of its descriptors (LA with the IDT prior), or of both side by side.
    """
    return Method(
        name="la",
        modalities=modalities,
        clusters=tuple(Cluster(name, of=(name,), over="bank") for name in modalities),
        teaches=(),
        bank=True,
        loss=loss,
        heads="keep",
    )


def loss(step: Step) -> Mapping[str, Tensor]:
    """Equation 3: B_i are the clips nearest in the bank, C_i those of i's clusters among them."""
    from triptych.objectives.local_aggregation import close_neighbours, local_aggregation
    from triptych.objectives.similarity import cosines

    terms = {}
    for name in step.method.modalities:
        bank, (queries, rows) = step.memory(name), step.queries(name)
        nearest = bank.nearest(queries, rows, step.recall.neighbours)
        close = close_neighbours(step.runs(name), rows, nearest)
        similarities = cosines(queries, bank.values, nearest)
        terms[f"{name}_neighbours"] = local_aggregation(
            similarities, close, step.recall.temperature
        )
        step.note(f"{name}_close", close.float().mean(1))
        step.note(f"{name}_alone", close.sum(1) == 1)
    return terms
