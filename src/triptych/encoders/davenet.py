"""The residual DAVEnet, as AVLnet and MCN have it as their audio network: 44.7 million parameters.

Harwath, Hsu and Glass, "Learning Hierarchical Discrete Linguistic Units from Visually-Grounded
Speech", ICLR 2020. The parameters carry the names of AVLnet's release. Levels are in dB below the
loudest of the clip; in the releases, of the whole file, so that a quiet clip is louder here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from triptych.encoders.audio_resnet import Block
from triptych.encoders.convolution import initialise
from triptych.encoders.encoder import AudioInput, Encoder
from triptych.encoders.relative_mel import RelativeMel, below_loudest
from triptych.errors import UserError

PUBLISHED = "DAVEnet weights of AVLnet"
CLIP = AudioInput(sample_rate=16_000, seconds=10.0)
BANDS = 40


class Davenet(Encoder):
    """A convolution over all bands, four stages of two residual blocks over time, the mean.

    The mean is over the frames that have sound. ``native`` is what published weights were trained
    on.
    """

    modality = "audio"
    input: AudioInput

    def __init__(
        self, clip: AudioInput, widths: Sequence[int], native: AudioInput | None = None
    ) -> None:
        super().__init__()
        self.input = clip
        self.native = native
        self.dim = widths[-1]
        self.log_mel = RelativeMel(clip.sample_rate, BANDS)
        if clip.samples < self.log_mel.least:
            raise UserError(
                f"audio encoder: {clip.seconds:g} s of sound at {clip.sample_rate} Hz is too "
                f"short, take at least {self.log_mel.least / clip.sample_rate:g} s "
                "(clip.audio_seconds)"
            )
        self.conv1 = nn.Conv2d(1, widths[0], (BANDS, 1), bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        width = widths[0]
        for stage, outputs in enumerate(widths, 1):
            blocks = [Block(width, outputs, 2, (1, 9)), Block(outputs, outputs, 1, (1, 9))]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            width = outputs
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Features (clips, dim) of waveforms (clips, samples)."""
        levels, frames = self.log_mel(x)
        return self.of_spectrograms(below_loudest(self.augment(levels)), frames)

    def of_spectrograms(self, x: Tensor, frames: Tensor | None = None) -> Tensor:
        """Features (clips, dim) of ready spectrograms (clips, 40, frames) or (clips, 1, ...).

        These are in dB below the loudest level, which is 0, as AVLnet's and MCN's files hold them.
        ``frames`` int (clips,) says how many of each have sound, the others are padding; as in the
        releases' evaluation, a step of the last stage counts where all its frames have. None: all
        steps count, as in MCN's training.
        """
        x = x.float()
        out: Tensor = self.relu(self.bn1(self.conv1(x if x.dim() == 4 else x.unsqueeze(1))))
        for stage in range(1, 5):
            out = self.get_submodule(f"layer{stage}")(out)
        out = out.squeeze(2)
        if frames is None:
            return out.mean(2)
        # 16 where a clip is long; a short one has more steps than sixteens of frames.
        stride = round(x.shape[-1] / out.shape[2])
        steps = (frames // stride).clamp(1, out.shape[2])
        counts = torch.arange(out.shape[2], device=out.device) < steps[:, None]
        return (out * counts[:, None]).sum(2) / steps[:, None]


def build(clip: AudioInput | None = None) -> Davenet:
    """Features of 1024 numbers; 10 s of sound at 16 kHz unless ``clip`` says else."""
    return Davenet(clip or CLIP, (128, 256, 512, 1024), CLIP)
