"""Published weights into an encoder: all of it, or a line that says why not and what they fit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from triptych.encoders import build
from triptych.encoders.audio_resnet import AudioResNet
from triptych.encoders.checkpoint_file import read
from triptych.encoders.davenet import Davenet
from triptych.encoders.encoder import Encoder
from triptych.encoders.pixels import VideoEncoder
from triptych.encoders.r2plus1d_18_selavi import PIXELS as SELAVI_PIXELS
from triptych.errors import UserError

# First parts of the names of what follows the features, and of what else the files hold.
LEFT_OUT = dict.fromkeys(
    ("fc", "_fc", "classifier", "logits", "head", "projector", "predictor", "top_layer"),
    "what follows the features",
) | {
    "text_module": "the network of words",
    "batchnorm1": "a normalisation that the network has and never uses",
}
COUNTS, STEPS = "num_batches_tracked", "counts of training steps"
# Made from the form of the clips, not learned.
FRONT_END = "log_mel."
# SeLaVi's video network has torchvision's names and shapes, but saw other pixels; this tells.
SELAVI_PREFIX = "video_network.base"


@dataclass(frozen=True)
class Report:
    """Of a file: how many tensors were loaded, and how many not, by the reason.

    ``prefix`` is what the file writes before the encoder's own names; ``missing`` are tensors of
    the encoder that a file need not have. ``clip`` says how the recipe's clips differ from those
    that the weights were trained on; None where they do not, or where nobody knows.
    """

    file: str
    sha256: str
    prefix: str
    loaded: int
    parameters: int
    skipped: dict[str, int]
    missing: dict[str, int]
    clip: str | None

    def line(self) -> str:
        """For the reader of a terminal."""
        left = [f"{n} left out: {why}" for why, n in self.skipped.items() if why != STEPS]
        loaded = f"{self.file}: {self.parameters:,} parameters loaded, {self.loaded} tensors"
        return "; ".join([loaded, *left])


def load_published(encoder: Encoder, path: Path) -> Report:
    """Fill ``encoder`` with the weights of a file that ``checkpoint_file.read`` takes.

    Every parameter and every statistic must be there in its shape under its published name, behind
    any prefix, and nothing of the same network may be left over; else UserError, and the encoder
    stays as it was.
    """
    tensors = read(path)
    fit = Fit.of(encoder, tensors)
    if reason := fit.reason() or _other_pixels(fit, encoder):
        kind = f"not the weights of this {encoder.modality} encoder"
        raise UserError(f"{path}: {kind}: {reason}{_what_fits(tensors, encoder.modality)}")
    own = encoder.state_dict()
    for name, value in fit.found.items():
        if value.is_floating_point() != own[name].is_floating_point():
            kind, wanted = (str(one.dtype).removeprefix("torch.") for one in (value, own[name]))
            raise UserError(f"{path}: {name} is {kind}, not {wanted}; take another file")
        if not torch.isfinite(value).all():
            raise UserError(f"{path}: {name} is not finite everywhere; take another file")
    encoder.load_state_dict(fit.found, strict=False)
    parameters = dict(encoder.named_parameters())
    return Report(
        file=path.name,
        sha256=_sha256(path),
        prefix=fit.prefix,
        loaded=len(fit.found),
        parameters=sum(parameters[name].numel() for name in fit.found if name in parameters),
        skipped=dict(fit.skipped),
        missing=dict(fit.made),
        clip=difference(encoder),
    )


@dataclass
class Fit:
    """How the tensors of a file lie on the names and shapes of an encoder."""

    prefix: str
    rivals: list[str]  # prefixes under which the file holds as much of the encoder
    wanted: int
    found: dict[str, Tensor] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, encoder: Encoder, tensors: Mapping[str, Tensor]) -> Fit:
        """Under the prefix below which most of the encoder's names are."""
        own = encoder.state_dict()
        needed = [name for name in own if not name.endswith(COUNTS)]
        needed = [name for name in needed if not name.startswith(FRONT_END)]
        prefix, *rivals = _prefixes(tensors, set(needed))
        fit = cls(prefix, rivals, len(needed))
        start = f"{prefix}." if prefix else ""
        for name, value in tensors.items():
            fit._place(name, start, value, own)
        for name in own:
            if name.endswith(COUNTS):
                fit.made[STEPS] += 1
            elif name.startswith(FRONT_END) and name not in fit.found:
                fit.made["front end, made for the clips"] += 1
            elif start + name not in tensors:
                fit.lacking.append(name)
        return fit

    def _place(self, name: str, start: str, value: Tensor, own: Mapping[str, Tensor]) -> None:
        inner = name.removeprefix(start)
        first = inner.split(".")[0]
        if not name.startswith(start):
            part = name.removeprefix("module.").split(".")[0].rstrip("0123456789")
            self.skipped[f"{part}, beside this network"] += 1
        elif inner.endswith(COUNTS):
            self.skipped[STEPS] += 1
        elif inner in own and value.shape == own[inner].shape:
            self.found[inner] = value
        elif inner.startswith(FRONT_END):
            self.skipped["front end for clips of another form"] += 1
        elif inner in own:
            shapes = f"{tuple(value.shape)} for {tuple(own[inner].shape)}"
            self.reshaped.append(f"{inner} {shapes}")
        elif first in LEFT_OUT:
            self.skipped[f"{first}, {LEFT_OUT[first]}"] += 1
        else:
            self.extra.append(inner)

    def reason(self) -> str | None:
        """Why the file is not the encoder's, or None."""
        if self.rivals and not self.lacking:
            return f"the file holds several such networks, under {self.prefix} and {self.rivals[0]}"
        for what, names in (
            ("the file lacks", self.lacking),
            ("another shape in", self.reshaped),
        ):
            if names:
                return f"{what} {len(names)} of {self.wanted} tensors, first {names[0]}"
        if self.extra:
            return f"no place for {len(self.extra)} of the file's tensors, first {self.extra[0]}"
        return None


def _prefixes(tensors: Mapping[str, Tensor], names: set[str]) -> list[str]:
    """What stands before most of ``names``; more than one where several stand before as many."""
    counts: Counter[str] = Counter()
    for name in tensors:
        parts = name.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in names:
                counts[".".join(parts[:cut])] += 1
    most = max(counts.values(), default=0)
    return sorted(prefix for prefix, count in counts.items() if count == most) or [""]


def _other_pixels(fit: Fit, encoder: Encoder) -> str | None:
    if fit.prefix.endswith(SELAVI_PREFIX) and not _saw_selavi(encoder):
        return "the names and shapes are, but it was trained on other pixels"
    return None


def _saw_selavi(encoder: Encoder) -> bool:
    return isinstance(encoder, VideoEncoder) and encoder.preprocessing == SELAVI_PIXELS


def _what_fits(tensors: Mapping[str, Tensor], modality: str) -> str:
    """What the tensors are and who takes them, of ``modality`` if possible; empty: nobody."""
    fitting: dict[tuple[str, str], list[str]] = {}
    for name in build.names():
        what = build.whose_weights(name)
        if what is None:
            continue
        with torch.device("meta"):
            encoder = build.native(name)
        fit = Fit.of(encoder, tensors)
        if fit.reason() is None and _saw_selavi(encoder) == fit.prefix.endswith(SELAVI_PREFIX):
            place = f"encoders.{encoder.modality}={name}"
            fitting.setdefault((encoder.modality, what), []).append(place)
    if not fitting:
        return ""
    # Of a file with several networks, the one that was asked for.
    what_, takers = min(fitting.items(), key=lambda item: item[0][0] != modality)
    return f"; these are {what_[1]}, take {' or '.join(takers)}"


def difference(encoder: Encoder) -> str | None:
    """How the encoder's clips differ from those that its published weights were trained on."""
    if isinstance(encoder, VideoEncoder) and encoder.native:
        clip, native = encoder.input, encoder.native
        if native.frames == 1:  # frames are seen one by one, so that only their size matters
            same = clip.size == native.size
            return None if same else f"frames of {clip.size} pixels; trained on {native.size}"
        frames = clip.shape[-4]  # that the network sees at a time: of joined segments all
        rate = clip.frame_rate if native.frame_rate else None
        if (frames, rate, clip.size) == (native.frames, native.frame_rate, native.size):
            return None
        speed = f"{native.frame_rate:g} per second" if native.frame_rate else "their video's rate"
        return (
            f"clips of {frames} frames of {clip.size} pixels at {clip.frame_rate:g} per "
            f"second; trained on {native.frames} of {native.size} at {speed}"
        )
    if isinstance(encoder, AudioResNet | Davenet) and encoder.native:
        heard, known = encoder.input, encoder.native
        if (heard.seconds, heard.sample_rate) != (known.seconds, known.sample_rate):
            return (
                f"clips of {heard.seconds:g} s of sound at {heard.sample_rate} Hz; trained on "
                f"{known.seconds:g} s at {known.sample_rate} Hz"
            )
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
