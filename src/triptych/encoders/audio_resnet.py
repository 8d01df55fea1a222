"""ResNets on log-mel spectrograms (He et al., CVPR 2016), one input channel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from triptych.encoders.convolution import initialise
from triptych.encoders.encoder import AudioInput, Encoder
from triptych.encoders.log_filter_bank import LogFilterBank
from triptych.encoders.log_mel import LogMel
from triptych.errors import UserError


class Block(nn.Module):
    """Two convolutions over bands and time, and a shortcut; torchvision's parameter names."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, kernel: tuple[int, int] = (3, 3)
    ) -> None:
        super().__init__()
        margin = (kernel[0] // 2, kernel[1] // 2)
        self.conv1 = nn.Conv2d(inputs, outputs, kernel, stride, margin, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel, 1, margin, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
            if stride != 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, bands, frames) to (clips, outputs, bands/stride, frames/stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out)) + self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return]


class AudioResNet(Encoder):
    """Mean over frequency, then the mean and the maximum over time, side by side or averaged.

    ``both`` keeps mean and maximum as 2 x width features (a sound that is short within its clip
    leaves little trace in a mean); without it the features are the mean, as in XDC. ``front`` makes
    the spectrogram, ``norm`` normalises it; ``native`` is what published weights were trained on.
    """

    modality = "audio"
    input: AudioInput

    def __init__(
        self,
        clip: AudioInput,
        front: LogMel | LogFilterBank,
        widths: Sequence[int],
        blocks: Sequence[int],
        both: bool,
        norm: bool = True,
        native: AudioInput | None = None,
    ) -> None:
        super().__init__()
        if clip.samples < front.least:
            raise UserError(
                f"audio encoder: {clip.seconds:g} s of sound at {clip.sample_rate} Hz is too "
                f"short, take at least {front.least / clip.sample_rate:g} s (clip.audio_seconds)"
            )
        self.input = clip
        self.native = native
        self.both = both
        self.dim = widths[-1] * (2 if both else 1)
        self.log_mel = front
        # Loudness, and with it the mean of the logarithm, differs between collections.
        self.norm = nn.BatchNorm2d(1) if norm else nn.Identity()
        self.conv1 = nn.Conv2d(1, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        width = widths[0]
        for stage, (outputs, count) in enumerate(zip(widths, blocks, strict=True), 1):
            layers = [Block(width, outputs, 1 if stage == 1 else 2)]
            layers += [Block(outputs, outputs, 1) for _ in range(count - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
            width = outputs
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Features (clips, dim) of waveforms (clips, samples)."""
        out: Tensor = self.norm(self.augment(self.log_mel(x)))
        out = self.maxpool(self.relu(self.bn1(self.conv1(out))))
        for stage in range(1, 5):
            out = self.get_submodule(f"layer{stage}")(out)
        out = out.mean(2)
        if self.both:
            return torch.cat([out.mean(2), out.amax(2)], 1)
        return out.mean(2)
