"""Whether what stands still is taken off the pictures that an encoder sees."""

from __future__ import annotations

import numpy as np
import torch

from triptych.clips.dataset import ClipLoader, ClipSource, View
from triptych.manifest.schema import Manifest
from triptych.training.recipe import Recipe

LOOKED_AT = 64  # clips
# How much has to stand still. Of the surveillance clips .95 does: random features, SDC's and XDC's
# gain .14 to .16 there, 3 seeds. Of the demo .75 does: SDC on pictures gains .24 and .18, 2 seeds,
# XDC on pictures and sound gains .20 and loses .04.
MOSTLY_STILL = 0.9
LEAST_MOTION = 1.0  # grey levels, squared: below, with nothing but stills, nothing would be left
STILL_ENOUGH_ALONE = 0.7  # where pictures have no teacher but themselves


def choose_background(
    manifest: Manifest, source: ClipSource, recipe: Recipe, workers: int = 0
) -> tuple[Recipe, str | None]:
    """The recipe with ``clip.background``, and a line that says why where it is "subtract".

    Where the cameras stand and no words say what matters, the clusters of pictures become cameras:
    on the surveillance clips, 3 seeds, SDC's agree with the source (AMI .55 to .61) and not with
    what happens (.02 to .03). A network that sees a clip less its mean frame sees what moves.
    """
    if "video" not in recipe.modalities or "text" in recipe.modalities:
        return recipe, None
    share = still_share(manifest, source, recipe, workers)
    if not share >= (STILL_ENOUGH_ALONE if recipe.method == "sdc" else MOSTLY_STILL):
        return recipe, None
    clip = recipe.clip.model_copy(update={"background": "subtract"})
    line = (
        f"clips less their mean frame: {share:.0%} of what is seen stands still, and no words say "
        "what matters (clip.background=keep leaves it)"
    )
    return recipe.model_copy(update={"clip": clip}), line


def still_share(manifest: Manifest, source: ClipSource, recipe: Recipe, workers: int = 0) -> float:
    """The share of a clip's variance that its mean frame holds, median over a sample of clips.

    NaN where no clip of the sample has pictures that can be read, or hardly any of them moves.
    """
    loader = ClipLoader(manifest, source, {"video": recipe.clip.video_input()}, workers)
    seen = np.random.default_rng(0).permutation(np.flatnonzero(manifest.has("video")))[:LOOKED_AT]
    shares: list[float] = []
    motion: list[float] = []
    for batch in loader.batches(np.split(seen, range(16, len(seen), 16)), View(random=False)):
        frames = batch.inputs["video"][batch.present["video"]].float()
        frames = frames.flatten(0, -5)  # pooled segments, as an encoder sees them
        if not len(frames):
            continue
        every = frames.var((1, 2, 3, 4), correction=0) + torch.finfo(frames.dtype).eps
        moving = frames.var(1, correction=0).mean((1, 2, 3))
        shares += (1 - moving / every).tolist()
        motion += moving.tolist()
    moves = motion and np.median(motion) >= LEAST_MOTION
    return float(np.median(shares)) if moves else float("nan")
