"""A recipe: everything that decides what a run learns. It is saved beside the run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from triptych.config import Config
from triptych.encoders.encoder import (
    AudioInput,
    Background,
    Crop,
    Segments,
    TextOptions,
    VideoInput,
)
from triptych.training.joint_recipe import Drawing, JointSpace, Queueing

Modality = Literal["video", "audio", "text"]


class Encoders(Config):
    """The encoder of each modality: a module of ``triptych.encoders``, or ``transformer:MODEL``."""

    video: str = Field("r2plus1d_small", description="encoder of pictures, see docs/encoders.md")
    audio: str = Field("audio_resnet_small", description="encoder of sound")
    text: str = Field(
        "bag_of_words", description="encoder of words, or transformer:MODEL, or word_vectors:FILE"
    )


class Weights(Config):
    """Published weights that the encoder of a modality begins with; None: random ones."""

    video: Path | None = Field(None, description="published weights that it begins with")
    audio: Path | None = Field(None, description="published weights that it begins with")
    text: Path | None = Field(None, description="published weights that it begins with")


class Features(Config):
    """Folders of stored features, side by side, in the place of a modality's encoder."""

    video: tuple[Path, ...] = Field(
        (), description="folders of `triptych describe`, side by side; no encoder runs then"
    )
    audio: tuple[Path, ...] = Field(
        (), description="folders of `triptych describe`, side by side; no encoder runs then"
    )


class Clip(Config):
    """What an encoder sees of a clip: one window of time or several, frames, sound, words.

    Rai et al. look at 8 segments of 8 frames with a skip rate of 2 (section 4.2): ``segments=8
    frames=8 frame_rate=15`` of video at 30 frames a second, joined as 64 frames.
    """

    frames: int = Field(8, ge=1, le=1024, description="of each segment")
    frame_rate: float = Field(
        8.0,
        ge=0.01,
        le=1000,
        description="frames of a segment per second of video: "
        "a skip rate of 2 at 30 frames per second is 15",
    )
    segments: int = Field(
        1, ge=1, le=256, description="windows of time, spread evenly over the whole clip"
    )
    segments_as: Segments = Field(
        "joined",
        description="joined: the encoder sees the frames of all segments as one run; "
        "pooled: each segment by itself, features averaged; sound is always pooled",
    )
    size: int = Field(
        64,
        ge=32,  # at 16 the last block has one value a clip, and BatchNorm needs two
        le=1024,
        description="height and width in pixels",
    )
    resize: tuple[int, int] | None = Field(
        None,
        description="height and width to which frames are squashed before the crop of size; "
        "null: a square an eighth larger than size",
    )
    crop: Crop = Field(
        "exact",
        description="exact: a square of size pixels is cut out of a frame; scaled: the largest "
        "square, or in training one of augmentation.crops of it, is scaled to size",
    )
    background: Background = Field(
        "keep", description="subtract: pictures less the clip's mean frame, only what moves is left"
    )
    audio_seconds: float | None = Field(
        None,
        gt=0,
        le=600,
        description="length of the sound of a segment; null: as long as its frames",
    )
    sample_rate: int = Field(16_000, ge=8_000, le=192_000, description="hertz")
    vocabulary: int = Field(
        300, ge=1, le=1_000_000, description="most frequent words (Rai et al., 3.1.2)"
    )
    words: int = Field(
        20, ge=1, le=512, description="of a text that have a vector, with encoders of word vectors"
    )
    word_width: int = Field(
        1024,
        ge=1,
        le=65_536,
        description="features that a layer makes of word vectors, 6144 in MCN's release",
    )

    @field_validator("resize")
    @classmethod
    def _holds_the_crop(
        cls, value: tuple[int, int] | None, info: ValidationInfo
    ) -> tuple[int, int] | None:
        size = info.data.get("size")
        if value and size and not size <= min(value) <= max(value) <= 4096:
            raise ValueError(f"height and width must be from {size} (clip.size) to 4096")
        return value

    def video_input(self) -> VideoInput:
        """The frames, as an encoder takes them."""
        return VideoInput(
            self.frames,
            self.frame_rate,
            self.size,
            self.background,
            self.segments,
            self.segments_as,
            self.resize,
            self.crop,
        )

    def audio_input(self) -> AudioInput:
        """The sound, as an encoder takes it."""
        seconds = self.audio_seconds or self.video_input().seconds
        return AudioInput(self.sample_rate, seconds, self.segments)

    def text(self) -> TextOptions:
        """What it says of words."""
        return TextOptions(self.vocabulary, self.words, self.word_width)


class Clustering(Config):
    """k-means on features of a deterministic view."""

    k: int = Field(64, ge=2, description="clusters of each clustering")
    iterations: int = Field(20, ge=1, description="of k-means")
    starts: int = Field(3, ge=1, description="the start with the least inertia is kept")
    whiten: bool = Field(True, description="by PCA, so that every direction weighs the same")
    components: int | None = Field(
        64, ge=1, description="that PCA keeps, at most one for every 8 clips"
    )
    l2: bool = Field(True, description="features to unit length, after whitening")
    features: Literal["fresh", "trained"] = Field(
        "fresh",
        description="fresh: all extracted from one fixed view; trained: those of the training "
        "steps since the last clustering, where a clip was visited (DeepCluster-v2)",
    )


class Contrastive(Config):
    """The triplet term of XCC (Rai et al., 2020, equations 3 and 4)."""

    alpha: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.5,),
        min_length=1,
        description="weight of the cross-entropy in each epoch, the last one from there on; the "
        "triplet term has the rest",
    )
    margin: float = Field(0.5, gt=0, description="of the triplet term, in squared distances")
    negatives: Literal["random", "semi-hard"] = Field(
        "random", description="semi-hard: the nearest one that is farther than the positive"
    )
    unit: bool = Field(True, description="compare at unit length, where no distance exceeds 4")


class Bank(Config):
    """The memory bank of IR and LA: a unit vector for every clip, and how clips are told apart."""

    width: int = Field(
        128, ge=2, le=4096, description="numbers of a vector; a linear layer makes them"
    )
    momentum: float = Field(
        0.5, ge=0, lt=1, description="share of the old vector in the new one, after every step"
    )
    temperature: float = Field(0.07, ge=1e-3, le=1e3, description="what cosines are divided by")
    noise: int | None = Field(
        4096,
        ge=1,
        description="of IR: clips drawn against each one; null, or where the bank holds no more: "
        "all of the bank, and the sum over it exactly",
    )
    normaliser: Literal["estimated", "scaled"] | Annotated[float, Field(gt=0)] = Field(
        "estimated",
        description="of IR with noise, the sum Z over the bank: estimated once, at the first step; "
        "scaled: ImageNet's per clip, as LocalAggregation's; or a number, such as the 2876934.2 "
        "that Tokmakov et al. left as it was",
    )


class Aggregation(Config):
    """Local aggregation: who is a neighbour of a clip. K is ``clustering.k``."""

    neighbours: int = Field(
        4096, ge=2, description="B_i, the clips that are nearest in the bank; at most all"
    )
    clusterings: int = Field(3, ge=1, le=64, description="m, runs of k-means that are united")


class Prior(Config):
    """Descriptors from outside that say who is a close neighbour in LA, such as IDT's."""

    file: Path | None = Field(
        None, description="Parquet with a vector for each path; see docs/descriptors.md"
    )
    column: str = Field("vector", description="the column of the vectors")
    space: Literal["prior", "joint"] = Field(
        "prior",
        description="prior: clusters of the descriptors alone, made once; joint: of bank and "
        "descriptors side by side, made anew as the recipe says",
    )
    weight: float = Field(
        1.0,
        gt=0,
        le=1e6,
        description="of the descriptors in the joint space, where the bank's is 1",
    )


class Augmentation(Config):
    """What training changes at random, beside window, crop and mirror image; 0: nothing."""

    gain: float = Field(6.0, ge=0, le=60, description="loudness of sound, dB either way")
    mask_bands: float = Field(0.25, ge=0, le=1, description="widest mask, share of the mel bands")
    mask_frames: float = Field(0.2, ge=0, le=1, description="widest mask, share of the time")
    brightness: float = Field(0.2, ge=0, lt=1, description="of pictures, share either way")
    contrast: float = Field(0.2, ge=0, lt=1, description="of pictures, share either way")
    saturation: float = Field(0.0, ge=0, lt=1, description="of pictures, share either way")
    hue: float = Field(0.0, ge=0, le=0.5, description="of pictures, share of a turn either way")
    grey: float = Field(0.0, ge=0, le=1, description="share of clips that lose their colours")
    crops: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (1.0,),
        min_length=1,
        description="with clip.crop=scaled, one at random: side of the crop as a share of the "
        "frame's shorter side; 1,.84,.71,.59,.5 in Hara et al. (2018)",
    )


NO_AUGMENTATION = Augmentation(gain=0, mask_bands=0, mask_frames=0, brightness=0, contrast=0)


class Optimisation(Config):
    """AdamW with a warm-up and a cosine; the papers' SGD as the other choice."""

    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="of encoders and heads")
    rate: float = Field(2e-3, gt=0, description="learning rate of encoders at its highest")
    head_rate: float = Field(
        1e-2, ge=0, description="new heads must learn within one round; 0: they stay random"
    )
    weight_decay: float = Field(0.05, ge=0, description="of weights, not of biases and norms")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    schedule: Literal["cosine", "constant", "drops"] = Field(
        "cosine", description="of the encoders' rate after the warm-up"
    )
    drops: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.8, 0.95),
        description="of schedule=drops: shares of all steps after which the rate is a tenth of "
        "what it was; epochs 160 and 190 of 200 in Tokmakov et al.",
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="of pseudo-labels")


class Recipe(Config):
    """One run. ``triptych recipes`` lists the named ones; ``key=value`` overrides any field."""

    method: str = Field("xdc", description="see `triptych methods`")
    modalities: tuple[Modality, ...] = Field(
        ("video", "audio"), description="what of the clips takes part"
    )
    encoders: Encoders = Encoders()
    weights: Weights = Weights()
    features: Features = Features()
    clip: Clip = Clip()
    clustering: Clustering = Clustering()
    augmentation: Augmentation = Augmentation()
    optimisation: Optimisation = Optimisation()
    contrast: Contrastive = Contrastive()
    bank: Bank = Bank()
    aggregation: Aggregation = Aggregation()
    prior: Prior = Prior()
    joint: JointSpace = JointSpace()
    queue: Queueing = Queueing()
    draws: Drawing = Drawing()
    frozen: tuple[Modality, ...] = Field(
        (), description="encoders that stay as they are; their features are extracted once"
    )
    balance: Literal["teacher", "own", "none"] = Field(
        "teacher",
        description="draws are uniform over the clusters that teach, over the student's own, or "
        "over clips, as in DeepCluster's release; over clips where no clusters teach by heads",
    )
    epochs: int = Field(20, ge=1, description="of as many draws as there are clips")
    refresh_every: int = Field(2, ge=1, description="epochs between two clusterings")
    refresh_on: Literal["epochs", "plateau"] = Field(
        "epochs", description="plateau: when the loss on held-back clips stops falling"
    )
    held_back: float = Field(
        0.1, gt=0, le=0.5, description="share of the files that only tell a plateau"
    )
    patience: int = Field(1, ge=1, description="epochs without a fall of 1 % that are a plateau")
    batch: int = Field(32, ge=2, le=65_536, description="clips of a step")
    seed: int = Field(0, ge=0, description="of weights, draws, windows and clusterings")
    threads: int | None = Field(
        None, ge=1, description="of the CPU; part of the recipe because sums depend on it in bits"
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        "auto", description="auto: bf16 where the hardware computes in it"
    )

    @field_validator("modalities")
    @classmethod
    def _distinct(cls, value: tuple[Modality, ...]) -> tuple[Modality, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name one, two or three different modalities")
        return value

    @model_validator(mode="after")
    def _frozen_ones_take_part(self) -> Recipe:
        beyond = set(self.frozen) - set(self.modalities)
        if beyond:
            raise ValueError(f"frozen names {', '.join(sorted(beyond))}, which is no modality here")
        return self

    @model_validator(mode="after")
    def _crops_are_scaled(self) -> Recipe:
        if self.augmentation.crops != (1.0,) and self.clip.crop != "scaled":
            raise ValueError(
                "augmentation.crops are shares of a frame that are scaled to clip.size; set "
                "clip.crop=scaled, or leave them out"
            )
        return self

    @model_validator(mode="after")
    def _every_clip_is_visited(self) -> Recipe:
        # Clips that no step has visited are extracted in evaluation mode, and k-means would tell
        # them from the others by that.
        visits_all = self.balance == "none" and self.refresh_on == "epochs"
        if self.clustering.features == "trained" and not visits_all:
            raise ValueError(
                "clustering.features=trained needs steps that visit every clip: set balance=none "
                "and refresh_on=epochs"
            )
        return self

    @property
    def stored(self) -> tuple[str, ...]:
        """The modalities whose features are stored, so that no encoder runs."""
        return tuple(name for name, folders in self.features if folders)

    def encoder(self, modality: str) -> str:
        """The encoder of a modality; where its features are stored, the one that takes them."""
        if modality in self.stored:
            return f"stored_{modality}"
        return str(getattr(self.encoders, modality))

    def alpha(self, epoch: int) -> float:
        """The weight of XCC's cross-entropy in ``epoch``, counted from 0."""
        return self.contrast.alpha[min(epoch, len(self.contrast.alpha) - 1)]
