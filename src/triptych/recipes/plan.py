"""What `fit` picks, and why: from what the collection holds and what the machine can do."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from triptych import config
from triptych.encoders.build import check_name, published, text_input
from triptych.encoders.encoder import AudioInput, Encoder, TextInput, VideoInput
from triptych.errors import UsageError
from triptych.manifest.schema import MODALITIES, Manifest
from triptych.methods.method import declare
from triptych.training.pretrain import make_encoders, make_fabric
from triptych.training.recipe import NO_AUGMENTATION, Clip, Encoders, Modality, Recipe

# A modality is used when it can teach: enough clips for clusters, and not a rare exception.
LEAST_CLIPS = 32
LEAST_SHARE = 0.2
# In XDC a clip without a second modality has no teacher. Of the 300 surveillance clips 155 have
# sound; 3 seeds: linear accuracy .682 with XDC, .707 with SDC, .659 before training.
LEAST_TAUGHT = 2 / 3
# On ESC-10's 400 clips, one seed: a linear accuracy of .83 with 25 clusters and .88 with 50.
CLIPS_PER_CLUSTER = 8
# XDC on Kinetics was best with 256 for UCF101, with 128 for HMDB51 and with 64 for ESC-50.
MOST_CLUSTERS = 256
# Without --minutes: clip visits after which small collections here stopped gaining.
VISITS = 40_000
MOST_EPOCHS = 200
PROBE_SECONDS = 1.0
SOUND_SECONDS = 4.0  # the window into which a scan cuts what has no captions
# Measured on the demo's 575 clips, one seed: with about as many epochs, rounds of 36, 54 and 72
# steps gave XDC a linear accuracy of .54, .74 and .67.
STEPS_A_ROUND = 50
LEAST_ROUNDS, MOST_ROUNDS = 3, 8
# Of each cluster in a round, at least: .68 with 49 of 35 clusters, .36 with 25 of 70.
DRAWS_A_CLUSTER = 64
# Changing clips at random pays when each is seen often. Linear accuracy with and without: ESC-10
# in 40 epochs .82 and .80, one seed; the demo in 9 epochs .70 and .74, a second seed .38 and .57.
EPOCHS_TO_AUGMENT = 20


def choose(manifest: Manifest, overrides: Sequence[str]) -> tuple[Recipe, list[str]]:
    """A recipe for the collection and the machine; ``overrides`` win. Epochs are still to set."""
    clips = len(manifest)
    counts = _counts(manifest)
    said = different_texts(manifest, config.override(Recipe(modalities=MODALITIES), overrides))
    modalities = _modalities(counts if said > 1 else {**counts, "text": 0}, clips)
    large = torch.cuda.is_available()
    recipe = Recipe(
        modalities=modalities,
        encoders=Encoders(video="r2plus1d_18", audio="audio_resnet_18") if large else Encoders(),
        clip=_clip(modalities, large),
    )
    chosen = config.override(recipe, overrides)
    if not names(overrides, "method"):  # for the modalities that the user has named
        method = _method(manifest, chosen.modalities)
        chosen = chosen.model_copy(update={"method": method})
    if not names(overrides, "frozen"):
        chosen = chosen.model_copy(update={"frozen": _frozen(chosen)})
    if not names(overrides, "clustering.k"):
        least = _clustered(manifest, chosen) // CLIPS_PER_CLUSTER
        if "text" in chosen.modalities:
            least = min(least, said)
        chosen = _with_clusters(chosen, max(2, min(MOST_CLUSTERS, least)))
    return chosen, explain(manifest, chosen)


def _method(manifest: Manifest, modalities: tuple[Modality, ...]) -> str:
    """XDC where most clips can be taught, or where words are: only so can words find pictures."""
    if "text" in modalities and len(modalities) > 1:
        return "xdc"
    taught = _taught(manifest, modalities)
    return "xdc" if taught and taught >= LEAST_TAUGHT * len(manifest) else "sdc"


def _frozen(recipe: Recipe) -> tuple[Modality, ...]:
    """Encoders that come with weights, as long as another one learns.

    At the rate that new encoders need, one that is trained already forgets all it knew.
    """
    if declare(recipe.method, recipe.modalities).bank:  # each modality by itself
        return ()
    trained = [name for name in recipe.modalities if published(getattr(recipe.encoders, name))]
    # Where all are trained, words teach: what they mean needs no collection to be learned.
    if len(trained) == len(recipe.modalities):
        trained = [name for name in trained if name == "text" and len(trained) > 1]
    return tuple(trained)


def _clustered(manifest: Manifest, recipe: Recipe) -> int:
    """How many clips the smallest clustering of the method has: those with all that it is of."""
    clusters = declare(recipe.method, recipe.modalities).clusters
    has = {str(name): manifest.has(name) for name in recipe.modalities}
    counts = [int(item.holds(has).sum()) for item in clusters]
    return min(counts, default=len(manifest))


def _taught(manifest: Manifest, modalities: tuple[Modality, ...]) -> int:
    """How many clips have two modalities or more."""
    return int((np.sum([manifest.has(name) for name in modalities], axis=0) > 1).sum())


def check_overrides(overrides: Sequence[str]) -> None:
    """Raise UsageError for what would be refused later, before anything is read.

    What depends on the collection is left to ``choose``: all modalities stand for those it has.
    """
    given = config.override(Recipe(modalities=MODALITIES), overrides)
    if given.stored:
        raise UsageError(
            f"features.{given.stored[0]}: fit decodes clips by itself; train on stored features "
            "with `triptych pretrain`"
        )
    if names(overrides, "method"):
        declare(given.method, given.modalities)
    for name in given.modalities:
        check_name(getattr(given.encoders, name), name)


def explain(manifest: Manifest, recipe: Recipe) -> list[str]:
    """What was picked, and what in the collection spoke for it."""
    parts = [f"{count} have {name}" for name, count in _counts(manifest).items()]
    if "text" not in recipe.modalities and manifest.has("text").any():
        parts.append(f"{different_texts(manifest, recipe)} different texts")
    method = f"method {recipe.method}"
    if recipe.method == "sdc" and len(recipe.modalities) > 1:
        taught = _taught(manifest, recipe.modalities)
        method += f", each modality by itself: {taught} clips have what could teach another"
    return [
        f"modalities {', '.join(recipe.modalities)}: of {len(manifest)} clips, {', '.join(parts)}",
        method,
        "encoders "
        + ", ".join(getattr(recipe.encoders, name) for name in recipe.modalities)
        + (" on a GPU" if torch.cuda.is_available() else " on the CPU"),
    ]


def _counts(manifest: Manifest) -> dict[str, int]:
    return {name: int(manifest.has(name).sum()) for name in MODALITIES}


def different_texts(manifest: Manifest, recipe: Recipe) -> int:
    """How many captions the recipe's text encoder tells apart.

    Where every caption says [music], words can teach nothing.
    """
    texts = _texts(manifest)
    form = text_input(recipe.encoders.text, texts, recipe.clip.text())
    return len({form.encode(text).tobytes() for text in texts})


def _texts(manifest: Manifest) -> list[str]:
    return [str(text) for text in manifest.column("text") if text]


@dataclass(frozen=True)
class Pace:
    """Clips per second of training and of extracting features."""

    train: float
    extract: float
    threads: int = 1

    def seconds_an_epoch(self, clips: int, recipe: Recipe) -> float:
        """One epoch and its share of a refresh."""
        return clips / self.train + clips / self.extract / recipe.refresh_every


def _clip(modalities: tuple[Modality, ...], large: bool) -> Clip:
    """The papers' frames on a GPU; sound by itself may be longer than a few frames are."""
    clip = Clip(frames=16, frame_rate=15.0, size=112) if large else Clip()
    if "video" in modalities:
        return clip
    return clip.model_copy(update={"audio_seconds": SOUND_SECONDS})


def names(overrides: Sequence[str], key: str) -> bool:
    """Whether the user has set ``key``."""
    return any(pair.startswith(f"{key}=") for pair in overrides)


def _with_clusters(recipe: Recipe, k: int) -> Recipe:
    return recipe.model_copy(update={"clustering": recipe.clustering.model_copy(update={"k": k})})


def complete(
    clips: int, recipe: Recipe, pace: Pace, seconds: float | None, overrides: Sequence[str]
) -> Recipe:
    """The recipe with a schedule, and no more clusters than it teaches; ``overrides`` stay."""
    if names(overrides, "epochs"):
        return recipe
    found = schedule(clips, recipe, pace, seconds)
    taught = found.refresh_every * clips // DRAWS_A_CLUSTER
    found = _with_clusters(found, max(2, min(found.clustering.k, taught)))
    if found.epochs < EPOCHS_TO_AUGMENT:
        found = found.model_copy(update={"augmentation": NO_AUGMENTATION})
    return config.override(found, overrides)


def schedule(clips: int, recipe: Recipe, pace: Pace, seconds: float | None) -> Recipe:
    """The recipe with as many epochs as ``seconds`` allow; None: as many as are worth it.

    A refresh comes after ``STEPS_A_ROUND`` steps at the earliest, or new heads would learn
    nothing before they are reset; a run has several rounds, or nothing would build on them, and
    not many, so that a longer run learns more from each.
    """
    steps_an_epoch = -(-clips // recipe.batch)
    every = max(recipe.refresh_every, -(-STEPS_A_ROUND // steps_an_epoch))
    recipe = recipe.model_copy(update={"refresh_every": every, "threads": pace.threads})
    epochs = -(-VISITS // clips)
    if seconds is not None:
        spare = seconds - clips / pace.extract
        epochs = int(spare / pace.seconds_an_epoch(clips, recipe))
    epochs = max(1, min(MOST_EPOCHS, epochs))
    every = max(1, min(every, -(-epochs // LEAST_ROUNDS)), -(-epochs // MOST_ROUNDS))
    epochs, every = _even(epochs, every)
    return recipe.model_copy(update={"epochs": epochs, "refresh_every": every})


def _even(epochs: int, every: int) -> tuple[int, int]:
    """Epochs and the length of a round, changed a little, so that the last round is no stump.

    An epoch or two left over would reset the heads and hardly train them: rounds become one epoch
    longer where that makes the last two thirds as long as the others, or the stump is left out.
    """
    for length in (every, every + 1):
        last = epochs % length or length
        if 3 * last >= 2 * length:
            return epochs, length
    return epochs - epochs % every, every


def measure_pace(manifest: Manifest, recipe: Recipe) -> Pace:
    """Measured on noise and captions, in seconds, with the number of threads that is fastest now.

    On a machine that others use too, threads that wait for each other are slower than one: with
    two other processes on two cores, 6 clips a second with two threads and 73 with one.
    """
    counts = {recipe.threads} if recipe.threads else {1, torch.get_num_threads()}
    paces = [
        _pace(manifest, recipe.model_copy(update={"threads": count})) for count in sorted(counts)
    ]
    return max(paces, key=lambda pace: pace.train)


def _pace(manifest: Manifest, recipe: Recipe) -> Pace:
    fabric = make_fabric(recipe)
    made = make_encoders(recipe, manifest)
    # Frozen ones see every clip once in a run.
    encoders = {name: made[name] for name in made if name not in recipe.frozen}
    batch = {}
    for name, encoder in encoders.items():
        encoder.to(fabric.device)
        batch[name] = _noise(encoder, recipe.batch, manifest)
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

    threads = torch.get_num_threads()
    return Pace(recipe.batch / _seconds(step), recipe.batch / _seconds(look), threads)


def _noise(encoder: Encoder, count: int, manifest: Manifest) -> torch.Tensor:
    """Clips for ``encoder`` to chew on: random ones, but captions as long as the collection's."""
    clip = encoder.input
    if isinstance(clip, VideoInput):
        return torch.randint(0, 256, (count, *clip.shape), dtype=torch.uint8)
    if isinstance(clip, AudioInput):
        return torch.rand(count, *clip.shape) - 0.5
    assert isinstance(clip, TextInput)  # of stored features there is no pace to measure
    texts = _texts(manifest) or [""]
    spread = np.linspace(0, len(texts) - 1, count).round().astype(int)
    return torch.from_numpy(clip.batch([clip.encode(texts[place]) for place in spread]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(call: Callable[[], None]) -> float:
    """The median time of a call, over a few; the first one is for warming up."""
    call()
    times: list[float] = []
    began = time.monotonic()
    while time.monotonic() - began < PROBE_SECONDS:
        start = time.monotonic()
        call()
        times.append(time.monotonic() - start)
    return statistics.median(times)


def _modalities(counts: dict[str, int], clips: int) -> tuple[Modality, ...]:
    rich = [
        name
        for name in MODALITIES
        if counts[name] >= min(LEAST_CLIPS, clips) and counts[name] >= LEAST_SHARE * clips
    ]
    chosen = rich or [max(counts, key=lambda name: counts[name])]
    return tuple(chosen)  # type: ignore[arg-type]
