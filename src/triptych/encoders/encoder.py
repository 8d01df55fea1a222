"""What an encoder is: raw clips in, features out, and the form in which it wants its clips."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

# "subtract": every clip less its mean frame, so that what stands still is gone.
Background = Literal["keep", "subtract"]


@dataclass(frozen=True)
class VideoInput:
    """Frames as the encoder wants them: uint8 RGB of shape (clips, frames, size, size, 3).

    The encoder scales and normalises by itself, so that frames stay bytes until they are used.
    """

    frames: int = 8
    frame_rate: float = 8.0  # per second of video; frames are picked by time, not by number
    size: int = 64  # height and width in pixels
    background: Background = "keep"

    @property
    def seconds(self) -> float:
        """The length of time that one clip covers."""
        return self.frames / self.frame_rate


@dataclass(frozen=True)
class AudioInput:
    """Sound as the encoder wants it: float32 in [-1, 1], mono, of shape (clips, samples)."""

    sample_rate: int = 16_000
    seconds: float = 1.0

    @property
    def samples(self) -> int:
        """The number of samples in one clip."""
        return round(self.seconds * self.sample_rate)


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


Input = VideoInput | AudioInput | TextInput


class Encoder(nn.Module):
    """A network from one modality to features of shape (clips, ``dim``).

    Subclasses set ``modality`` ("video", "audio", "text"), ``dim`` and ``input``; ``forward`` takes
    what ``input`` describes; those of text annotate ``input`` with its class. They hold no labels,
    no heads and no loss.
    """

    modality: str
    dim: int
    input: Input
    augment: nn.Module

    def __init__(self) -> None:
        super().__init__()
        # Where training may change at random what the fixed front end (scaling, log-mel) made.
        self.augment = nn.Identity()

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Features (clips, dim) of raw clips ``x`` as ``input`` describes them."""
