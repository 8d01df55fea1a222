"""What an encoder is: raw clips in, features out, and the form in which it wants its clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

# "subtract": every clip less its mean frame, so that what stands still is gone.
Background = Literal["keep", "subtract"]
# How an encoder sees the segments of a clip: one after another as a single run of frames, or each
# by itself, the features averaged.
Segments = Literal["joined", "pooled"]
# "exact": a square of ``size`` pixels is cut out of a frame; "scaled": the largest square, or in
# training a share of it, is scaled to ``size``.
Crop = Literal["exact", "scaled"]


@dataclass(frozen=True)
class VideoInput:
    """Frames as the encoder wants them: uint8 RGB of shape (clips, *shape).

    The encoder scales and normalises by itself, so that frames stay bytes until they are used.
    ``forward`` gets (clips, frames, size, size, 3): of joined segments, the frames of all of them.
    """

    frames: int = 8  # of one segment
    frame_rate: float = 8.0  # per second of video; frames are picked by time, not by number
    size: int = 64  # height and width in pixels
    background: Background = "keep"
    segments: int = 1
    segments_as: Segments = "joined"
    resize: tuple[int, int] | None = None  # height and width before the crop; see ClipSpec
    crop: Crop = "exact"

    @property
    def seconds(self) -> float:
        """The length of time that one segment covers."""
        return self.frames / self.frame_rate

    @property
    def parts(self) -> int:
        """How many inputs of the network one clip is."""
        return self.segments if self.segments_as == "pooled" else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one clip in a batch: (all frames, size, size, 3), with ``parts`` > 1 before it."""
        frames = self.frames * self.segments // self.parts
        parts = (self.parts,) if self.parts > 1 else ()
        return (*parts, frames, self.size, self.size, 3)


@dataclass(frozen=True)
class AudioInput:
    """Sound as the encoder wants it: float32 in [-1, 1], mono, of shape (clips, *shape).

    The sound of each segment begins with its pictures. Sounds set end to end would click where
    they meet, so an encoder hears each by itself, whatever pictures do: ``forward`` gets
    (clips, samples).
    """

    sample_rate: int = 16_000
    seconds: float = 1.0  # of one segment
    segments: int = 1

    @property
    def samples(self) -> int:
        """The number of samples in one segment."""
        return round(self.seconds * self.sample_rate)

    @property
    def parts(self) -> int:
        """How many inputs of the network one clip is."""
        return self.segments

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one clip in a batch: (samples,), with ``parts`` > 1 before it."""
        return (self.parts, self.samples) if self.parts > 1 else (self.samples,)


@dataclass(frozen=True)
class Stream:
    """Rows of features that a frozen network made of files: ``dim`` numbers, ``rate`` a second.

    ``backbone`` is what rebuilds the network, as JSON; see ``triptych.state.backbone``.
    """

    name: str
    rate: float
    dim: int
    backbone: dict[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class FeatureInput:
    """Stored features of a clip, float32 (clips, dim): those of all streams side by side.

    Of each stream the maximum over the rows that the clip overlaps, to unit length.
    """

    streams: tuple[Stream, ...] = ()

    @property
    def dim(self) -> int:
        """Numbers of all streams together."""
        return sum(stream.dim for stream in self.streams)

    @property
    def parts(self) -> int:
        """One: the rows of a clip are those of all its segments."""
        return 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one clip in a batch."""
        return (self.dim,)


Encoded = npt.NDArray[np.int32]  # one text, shape (numbers,)


@dataclass(frozen=True)
class TextInput(ABC):
    """Text as the encoder wants it: words of a vocabulary, or the subwords of a language model.

    A text is encoded once, by itself, and kept so; a batch is made of encoded texts. Subclasses are
    frozen dataclasses of what JSON can hold: a checkpoint keeps them.
    """

    @abstractmethod
    def encode(self, text: str) -> Encoded:
        """The numbers of what the encoder knows in ``text``; none where it says nothing to it."""

    @abstractmethod
    def batch(self, texts: Sequence[Encoded]) -> npt.NDArray[Any]:
        """Encoded texts as ``Encoder.forward`` takes them, (texts, ...)."""

    @abstractmethod
    def unknown(self, text: str) -> list[str]:
        """The words of ``text`` that the encoder does not know, function words aside."""

    @abstractmethod
    def refusal(self, text: str) -> str:
        """Why ``text`` says nothing to the encoder, and what would."""

    @property
    def parts(self) -> int:
        """One: the words of a clip are those of all its segments."""
        return 1


@dataclass(frozen=True)
class TextOptions:
    """What a recipe says of words; an encoder of text heeds what concerns it."""

    vocabulary: int = 300  # of a bag of words: its most frequent words
    words: int = 20  # of word vectors: the first words of a text that have one
    word_width: int = 1024  # of word vectors: numbers that a layer makes of one


Input = VideoInput | AudioInput | TextInput | FeatureInput


class Encoder(nn.Module):
    """A network from one modality to features of shape (clips, ``dim``).

    Subclasses set ``modality`` ("video", "audio", "text"), ``dim`` and ``input``; ``forward`` takes
    what ``input`` describes, one segment where they are pooled; those of text annotate ``input``
    with its class. They hold no labels, no heads and no loss.
    """

    modality: str
    dim: int
    input: Input
    augment: nn.Module
    # How the weights of its convolutions lie in memory.
    layout: torch.memory_format = torch.contiguous_format

    def __init__(self) -> None:
        super().__init__()
        # Where training may change at random what the fixed front end (scaling, log-mel) made.
        self.augment = nn.Identity()

    def __call__(self, x: Tensor) -> Tensor:
        """Features (clips, dim) of a batch (clips, *input.shape).

        Pooled segments go through ``forward`` as clips of their own, so that BatchNorm and the
        random changes of training see each of them, and their features are averaged.
        """
        parts = self.input.parts
        if parts == 1:
            return super().__call__(x)  # type: ignore[no-any-return]
        features: Tensor = super().__call__(x.flatten(0, 1))
        return features.reshape(len(x), parts, -1).mean(1)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Features (clips, dim) of raw clips ``x`` as ``input`` describes them."""
