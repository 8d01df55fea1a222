"""IR: every clip is a class of its own, and a memory bank holds one example of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from triptych.methods.method import Method, Step

if TYPE_CHECKING:
    from torch import Tensor


def method(modalities: tuple[str, ...]) -> Method:
    """Instance recognition (Wu et al., 2018; Video IR of Tokmakov et al., 2020, section 3.1).

    Each modality by itself. Nothing is clustered and no head is ever reset: the linear layer behind
    the encoder, whose outputs the bank remembers, learns with it from the first step to the last.
    """
    return Method(
        name="ir",
        modalities=modalities,
        clusters=(),
        teaches=(),
        bank=True,
        loss=loss,
        heads="keep",
    )


def loss(step: Step) -> Mapping[str, Tensor]:
    """Equation 2 over all of a bank no larger than the noise, else told from noise of the bank."""
    import torch

    from triptych.objectives.instance import noise_contrast, recognised, recognition
    from triptych.objectives.similarity import cosines

    terms = {}
    temperature, noise = step.recall.temperature, step.recall.noise
    for name in step.method.modalities:
        bank, (queries, rows) = step.memory(name), step.queries(name)
        if noise is None or noise >= len(bank):
            others = cosines(queries, bank.values)
            own = others.gather(1, rows[:, None])[:, 0]
            terms[f"{name}_instance"] = recognition(others, rows, bank.members, temperature)
            others = others.masked_fill(~bank.members, -1)
        else:
            looked_at = torch.cat([rows[:, None], bank.draw(len(rows), noise)], 1)
            found = cosines(queries, bank.values, looked_at)
            own, others = found[:, 0], found[:, 1:]
            terms[f"{name}_instance"] = noise_contrast(
                own,
                others,
                clips=len(bank),
                temperature=temperature,
                normaliser=step.normaliser(name),
            )
        step.note(f"{name}_recognised", recognised(own, others))
    return terms
