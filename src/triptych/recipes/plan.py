"""What `fit` picks, and why: from what the collection holds and what the machine can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from triptych import config
from triptych.encoders.encoder import AudioInput, Encoder, VideoInput
from triptych.manifest.schema import MODALITIES, Manifest
from triptych.training.pretrain import make_encoders, make_fabric
from triptych.training.recipe import Clip, Clustering, Encoders, Modality, Recipe

# A modality is used when it can teach: enough clips for clusters, and not a rare exception.
LEAST_CLIPS = 32
LEAST_SHARE = 0.2
CLIPS_PER_CLUSTER = 16
MOST_CLUSTERS = 256  # the best k for Kinetics in XDC's table 3
# Without --minutes: clip visits after which small collections here stopped gaining.
VISITS = 40_000
MOST_EPOCHS = 200
PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class Plan:
    """The recipe, and one line for each choice."""

    recipe: Recipe
    reasons: tuple[str, ...]
    seconds: float  # expected time of training


def choose(manifest: Manifest, overrides: Sequence[str]) -> tuple[Recipe, list[str]]:
    """A recipe for the collection and the machine; ``overrides`` win. Epochs are still to set."""
    clips = len(manifest)
    counts = {name: int(manifest.has(name).sum()) for name in MODALITIES}
    modalities = _modalities(counts, clips)
    k = max(2, min(MOST_CLUSTERS, min(counts[name] for name in modalities) // CLIPS_PER_CLUSTER))
    large = torch.cuda.is_available()
    recipe = Recipe(
        method="xdc" if len(modalities) > 1 else "sdc",
        modalities=modalities,
        encoders=Encoders(video="r2plus1d_18", audio="audio_resnet_18") if large else Encoders(),
        clip=Clip(frames=16, frame_rate=15.0, size=112) if large else Clip(),
        clustering=Clustering(k=k),
    )
    chosen = config.override(recipe, overrides)
    reasons = [
        f"modalities {', '.join(chosen.modalities)}: of {clips} clips, "
        + ", ".join(f"{count} have {name}" for name, count in counts.items()),
        f"method {chosen.method}",
        f"{chosen.clustering.k} clusters: one for every {CLIPS_PER_CLUSTER} clips",
        "encoders "
        + ", ".join(getattr(chosen.encoders, name) for name in chosen.modalities)
        + (" on a GPU" if large else f" on {torch.get_num_threads()} CPU cores"),
    ]
    return chosen, reasons


def schedule(
    manifest: Manifest, recipe: Recipe, seconds: float | None, fixed: bool
) -> tuple[Recipe, float]:
    """The recipe with its epochs, and how many seconds training will take.

    ``seconds`` is the time there is; without it the number of visits decides. ``fixed`` keeps the
    recipe's own epochs.
    """
    train, extract = pace(manifest, recipe)
    clips = len(manifest)
    cost = clips / train + clips / extract / recipe.refresh_every
    if fixed:
        return recipe, recipe.epochs * cost
    epochs = -(-VISITS // clips) if seconds is None else int((seconds - clips / extract) / cost)
    epochs = max(1, min(MOST_EPOCHS, epochs))
    return recipe.model_copy(update={"epochs": epochs}), epochs * cost


def pace(manifest: Manifest, recipe: Recipe) -> tuple[float, float]:
    """Clips per second of training and of extracting features, measured on noise."""
    fabric = make_fabric(recipe)
    encoders = make_encoders(recipe, manifest)
    batch = {}
    for name, encoder in encoders.items():
        encoder.to(fabric.device)
        batch[name] = _noise(encoder, recipe.batch)
    parameters = [value for encoder in encoders.values() for value in encoder.parameters()]

    def forward() -> torch.Tensor:
        with fabric.autocast():
            return torch.stack(
                [
                    encoder(batch[name].to(fabric.device)).float().square().mean()
                    for name, encoder in encoders.items()
                ]
            ).sum()

    def step() -> None:
        torch.autograd.grad(forward(), parameters)
        _wait(fabric.device)

    def look() -> None:
        with torch.no_grad():
            forward()
        _wait(fabric.device)

    return recipe.batch / _seconds(step), recipe.batch / _seconds(look)


def _noise(encoder: Encoder, count: int) -> torch.Tensor:
    clip = encoder.input
    if isinstance(clip, VideoInput):
        shape = (count, clip.frames, clip.size, clip.size, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8)
    if isinstance(clip, AudioInput):
        return torch.rand(count, clip.samples) - 0.5
    return torch.ones(count, len(clip.vocabulary))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(call: Callable[[], None]) -> float:
    """The least time of a call, over a few; the first one is for warming up."""
    call()
    least, began = float("inf"), time.monotonic()
    while time.monotonic() - began < PROBE_SECONDS:
        start = time.monotonic()
        call()
        least = min(least, time.monotonic() - start)
    return least


def _modalities(counts: dict[str, int], clips: int) -> tuple[Modality, ...]:
    rich = [
        name
        for name in MODALITIES
        if counts[name] >= min(LEAST_CLIPS, clips) and counts[name] >= LEAST_SHARE * clips
    ]
    chosen = rich or [max(counts, key=lambda name: counts[name])]
    return tuple(chosen)  # type: ignore[arg-type]
