"""What a recipe costs: operations and memory of one step, counted, and hours reckoned from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from triptych.encoders import build
from triptych.encoders.encoder import AudioInput, VideoInput
from triptych.methods.method import declare
from triptych.training.recipe import Recipe

# What one GPU is taken to do of such networks in bf16. No GPU was measured: put your own here.
OPERATIONS_A_SECOND = 1e14
BYTES = 2  # of a number that autograd keeps, in bf16
STATE = {"adamw": 16, "sgd": 12}  # bytes a parameter: weight, gradient, what the optimiser keeps
CLIPS = 2  # BatchNorm wants more than one
SKETCH = 2000  # numbers of a descriptor, as `describe idt` makes them
# Numbers of a store, of pictures (ResNet-152's, ResNeXt-101's) and of sound (DAVEnet's), of a
# word's vector, and of other encoders' features where they are not 512.
STORED, HEARD, VECTOR = 2048, 1024, 300
WORD_VECTORS = ("word_vectors", "word_vectors_released")
DIMS = {"davenet": 1024, "i3d": 1024, "roberta": 1024}
# Kinetics' videos: 10 seconds at 30 frames each; of 340x256 pixels docs/descriptors.md has 17 a
# second of one core.
FRAMES_A_VIDEO, FRAMES_A_CORE_SECOND = 300, 17


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


# RoBERTa-large reads 512 subwords: two operations for each of the 303 M weights of its layers
# (Kaplan et al., 2020, table 1) and its attention; of each of 24 layers autograd keeps, in numbers
# of two bytes, 512 * 1024 * (34 + 5 * 16 * 512 / 1024) / 2 (Korthikanti et al., 2022, equation 2).
ROBERTA = Cost(
    forward=512 * (2 * 303e6 + 2 * 2 * 24 * 512 * 1024),
    kept=24 * 512 * 1024 * (34 + 5 * 16 * 512 / 1024) / 2,
    parameters=355_000_000,
)

# What ``cost`` gives for the steps of the named recipes, whose docstrings are made of it.
COUNTED = {
    "r2plus1d_18_xdc 8x112, audio_resnet_18 2s": Cost(42198084816.0, 66141898.0, 44335881),
    "r2plus1d_18_xdc 32x112, audio_resnet_18 2s": Cost(166686396624.0, 253571602.0, 44335881),
    "i3d 16x112": Cost(13965101056.0, 18008807.0, 12287264),
    "i3d 64x112": Cost(55860404224.0, 71126711.0, 12287264),
    "i3d 64x112, bag_of_words": Cost(55860404224.0, 71126711.0, 12287264),
    "i3d_released 64x112, bag_of_words": Cost(55860404224.0, 71126711.0, 12287264),
    "bag_of_words": Cost(0.0, 0.0, 0),
    "roberta": ROBERTA,
    "word_vectors:GoogleNews-vectors-negative300.bin": Cost(0.0, 0.0, 0),
    "davenet 10s, word_vectors_released:GoogleNews-vectors-negative300.bin": Cost(
        8028324688.0, 2632488.0, 44670976
    ),
    "resnet3d_18_a 16x112": Cost(16592142336.0, 12613248.0, 33030080),
    "resnet3d_18_b 16x112": Cost(16615604224.0, 12748672.0, 33203904),
    "resnet3d_18_b 32x112": Cost(33231208448.0, 24713600.0, 33203904),
    "resnet3d_18_b 64x112": Cost(66462416896.0, 48975232.0, 33203904),
    "resnet3d_18_b 16x224": Cost(65715306496.0, 50327936.0, 33203904),
    "resnet3d_34_b 16x112": Cost(25392185344.0, 16372864.0, 63513536),
    "resnet3d_34_b 16x224": Cost(100396957696.0, 64021120.0, 63513536),
}


def step_of(recipe: Recipe) -> str:
    """What a step's cost depends on: the encoders and their clips."""
    clip, parts, encoded = recipe.clip, [], _encoded(recipe)
    if "video" in encoded:
        frames = clip.frames * clip.segments
        parts.append(f"{recipe.encoders.video} {frames}x{clip.size}")
    if "audio" in encoded:
        parts.append(f"{recipe.encoders.audio} {clip.audio_input().seconds:g}s")
    if "text" in encoded:
        parts.append(recipe.encoders.text)
    return ", ".join(parts)


def _encoded(recipe: Recipe) -> list[str]:
    """The modalities that a network encodes: features that are stored cost nothing."""
    return [name for name in recipe.modalities if name not in recipe.stored]


def cost(recipe: Recipe) -> Cost:
    """Of the recipe's encoders; a bag of words costs next to nothing beside the others.

    A forward pass is made for this, of pictures in shapes alone. Operations are counted by torch's
    counter, a multiplication with its addition as two.
    """
    clip = recipe.clip
    inputs: dict[str, VideoInput | AudioInput] = {
        "video": clip.video_input(),
        "audio": clip.audio_input(),
    }
    total = Cost(0.0, 0.0, 0)
    if "text" in recipe.modalities and recipe.encoders.text == "roberta":
        total += ROBERTA
    for name in _encoded(recipe):
        if name != "text":
            encoder = build.build(getattr(recipe.encoders, name), name, inputs[name], seed=0)
            clips = torch.zeros(CLIPS, *inputs[name].shape)
            if name == "video":  # shapes are enough, and 64 frames would take gigabytes
                encoder, clips = encoder.to("meta"), clips.to("meta", torch.uint8)
            total += of_encoder(encoder, clips)
    return total


def of_encoder(encoder: nn.Module, clips: Tensor) -> Cost:
    """Counted in one forward pass of ``clips`` in training mode."""
    weights = {parameter.untyped_storage()._cdata for parameter in encoder.parameters()}
    kept: dict[int, Tensor] = {}  # held, so that no storage comes twice at one place

    def keep(tensor: Tensor) -> Tensor:
        kept.setdefault(tensor.untyped_storage()._cdata, tensor)
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


def reckon(recipe: Recipe, clips: int) -> dict[str, float]:
    """Hours and memory on one GPU, and what they follow from.

    A clip of training costs three forward passes, and one more at each clustering, of which the
    last only judges the weights; where labels stay until a plateau, every second epoch is taken to
    end in one. A memory bank and a queue are clustered as they are, without a pass. The bank's
    memory and its products with a batch are left out: with 240,000 clips they are less than a
    gibibyte and less than a hundredth of a 3D ResNet-18's.
    """
    found = (COUNTED.get(step_of(recipe)) or cost(recipe)) + of_joint(recipe)
    method, passes = declare(recipe.method, recipe.modalities), 3 * recipe.epochs
    if not method.bank and not method.joint:
        passes += clusterings(recipe)
    operations = clips * passes * found.forward + of_banks(recipe, clips)
    operations += clips * recipe.epochs * of_queue(recipe)
    memory = recipe.batch * found.kept * BYTES
    if method.joint and method.clusters:
        memory += recipe.queue.size * recipe.joint.width * 4
    memory += found.parameters * STATE[recipe.optimisation.optimizer]
    return {
        "gigaflops_a_clip": found.forward / 1e9,
        "parameters": found.parameters,
        "hours_on_one_gpu": operations / OPERATIONS_A_SECOND / 3600,
        "gibibytes": memory / 2**30,
    }


def clusterings(recipe: Recipe) -> int:
    """How often a run makes clusters, the last time to judge its weights."""
    every = 2 if recipe.refresh_on == "plateau" else recipe.refresh_every
    return -(-recipe.epochs // every) + 1


def of_banks(recipe: Recipe, clips: int) -> float:
    """Operations of k-means over memory banks and a prior's descriptors: distances to all centres.

    Of other methods there are none here: their few clusters cost next to nothing beside a pass.
    """
    method = declare(recipe.method, recipe.modalities)
    banks = sum(cluster.over == "bank" for cluster in method.clusters)
    settings, prior = recipe.clustering, recipe.prior
    width, times = recipe.bank.width, clusterings(recipe)
    if prior.file is not None:
        width, times = (SKETCH, 1) if prior.space == "prior" else (width + SKETCH, times)
    runs = banks * recipe.aggregation.clusterings * settings.starts * times
    return 2.0 * clips * settings.k * width * settings.iterations * runs


def features_of(recipe: Recipe) -> dict[str, int]:
    """How many numbers each modality has before the heads to a joint space."""
    found: dict[str, int] = {}
    for name in recipe.modalities:
        stores = getattr(recipe.features, name, ())
        encoder = getattr(recipe.encoders, name).partition(":")[0]
        if stores:
            found[name] = (STORED if name == "video" else HEARD) * len(stores)
        elif encoder in WORD_VECTORS:
            found[name] = recipe.clip.word_width
        else:
            found[name] = DIMS.get(encoder, 512)
    return found


def of_joint(recipe: Recipe) -> Cost:
    """Of the heads to a joint space, of decoders, and of the products that the loss compares.

    With word vectors, of the layer that learns beneath their maximum too. Biases are left out.
    """
    method, settings = declare(recipe.method, recipe.modalities), recipe.joint
    if method.joint is None:
        return Cost(0.0, 0.0, 0)
    width, weights, kept, beside = settings.width, 0, 0, 0
    for name, dim in features_of(recipe).items():
        narrow = name in method.joint.narrow
        weights += 2 * dim * dim + dim * width if narrow else (dim + width) * width
        kept += dim + 4 * width
        if method.joint.rebuilds and settings.reconstruct:
            weights += (dim + width) * settings.hidden
        if recipe.encoders.text.partition(":")[0] in WORD_VECTORS and name == "text":
            weights += VECTOR * dim
            beside += (recipe.clip.words - 1) * VECTOR * dim  # of every word but one
    pairs = len(method.pairs) * recipe.batch
    compared = pairs * width + (recipe.clustering.k * width if method.clusters else 0)
    return Cost(2.0 * (weights + beside + compared), float(kept + 2 * pairs), weights)


def of_queue(recipe: Recipe) -> float:
    """Operations of clustering a queue, for each clip that is drawn; as many as it may take."""
    method, queue = declare(recipe.method, recipe.modalities), recipe.queue
    if not method.joint or not method.clusters or not recipe.joint.cluster:
        return 0.0
    rows = (queue.size + recipe.batch) / recipe.batch
    times = 1 + recipe.clustering.iterations * rows / queue.every
    return 2.0 * recipe.clustering.k * recipe.joint.width * times


def core_hours(videos: int) -> float:
    """Of one core of a CPU, to describe so many of Kinetics' videos by `describe idt`."""
    return videos * FRAMES_A_VIDEO / FRAMES_A_CORE_SECOND / 3600
