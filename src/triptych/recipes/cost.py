"""What a recipe costs: operations and memory of one step, counted, and hours reckoned from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from triptych.encoders import build
from triptych.encoders.encoder import AudioInput, VideoInput
from triptych.recipes.named import Named
from triptych.training.recipe import Recipe

# What one GPU is taken to do of such networks in bf16. No GPU was measured: put your own here.
OPERATIONS_A_SECOND = 1e14
BYTES = 2  # of a number that autograd keeps, in bf16
STATE = {"adamw": 16, "sgd": 12}  # bytes a parameter: weight, gradient, what the optimiser keeps
CLIPS = 2  # BatchNorm wants more than one


@dataclass(frozen=True)
class Cost:
    """``forward``: operations of a clip; ``kept``: numbers that autograd keeps of it."""

    forward: float
    kept: float
    parameters: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.forward + other.forward,
            self.kept + other.kept,
            self.parameters + other.parameters,
        )


def cost(recipe: Recipe) -> Cost:
    """Of the recipe's encoders of pictures and sound; a bag of words costs next to nothing.

    A step is run for this, on the CPU. Operations are counted by torch's counter, a multiplication
    with its addition as two.
    """
    clip = recipe.clip
    inputs: dict[str, VideoInput | AudioInput] = {
        "video": clip.video_input(),
        "audio": clip.audio_input(),
    }
    total = Cost(0.0, 0.0, 0)
    for name in recipe.modalities:
        if name != "text":
            encoder = build.build(getattr(recipe.encoders, name), name, inputs[name], seed=0)
            kind = torch.uint8 if name == "video" else torch.float32
            total += of_encoder(encoder, torch.zeros(CLIPS, *inputs[name].shape, dtype=kind))
    return total


def of_encoder(encoder: nn.Module, clips: Tensor) -> Cost:
    """Counted in one forward pass of ``clips`` in training mode."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in encoder.parameters()}
    kept: dict[int, Tensor] = {}  # held, so that no storage comes twice at one place

    def keep(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    encoder.train()
    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda t: t):
        encoder(clips)
    numbers = sum(
        tensor.untyped_storage().nbytes() / tensor.element_size()
        for place, tensor in kept.items()
        if place not in weights
    )
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    return Cost(counter.get_total_flops() / len(clips), numbers / len(clips), parameters)


def reckon(named: Named) -> dict[str, float]:
    """Hours and memory on one GPU, and what they follow from.

    A clip of training costs three forward passes, and one more at each clustering, of which the
    last only judges the weights; where labels stay until a plateau, every second epoch is taken to
    end in one. Empty for a language model, which would have to be fetched to be counted.
    """
    recipe = named.make()
    if "text" in recipe.modalities and recipe.encoders.text != "bag_of_words":
        return {}
    found = cost(recipe)
    every = 2 if recipe.refresh_on == "plateau" else recipe.refresh_every
    passes = 3 * recipe.epochs + -(-recipe.epochs // every) + 1
    operations = named.clips * passes * found.forward
    memory = recipe.batch * found.kept * BYTES
    memory += found.parameters * STATE[recipe.optimisation.optimizer]
    return {
        "gigaflops_a_clip": found.forward / 1e9,
        "parameters": found.parameters,
        "hours_on_one_gpu": operations / OPERATIONS_A_SECOND / 3600,
        "gibibytes": memory / 2**30,
    }
