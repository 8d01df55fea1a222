"""Frozen networks that describe files: by a word of the command line, and again by what was kept.

What a store or a checkpoint keeps of one, ``facts``: ``encoder`` (its name and input), ``sha256``
of its weights, ``weights`` (where these lie), ``fit`` (whether frames keep their shape),
``windows`` (the version of how rows are placed in a file).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from triptych.encoders import build
from triptych.encoders.encoder import AudioInput, Encoder, Input, VideoInput
from triptych.encoders.weights import load_published
from triptych.errors import UsageError, UserError
from triptych.progress import say
from triptych.state import checkpoint

WINDOWS = 1
RATE = 1.0  # rows a second where nothing is said
MOST_RATE = 1000.0
MOST = float(np.finfo(np.float16).max)
MEDIA = ("video", "audio")
WORD = re.compile(r"(?P<network>.+?)(?:@(?P<rate>[^@:]*))?(?::(?P<weights>.+))?")


@dataclass(frozen=True)
class Word:
    """``NETWORK@RATE:WEIGHTS`` taken apart."""

    network: str
    rate: float
    weights: str | None

    @classmethod
    def parse(cls, text: str) -> Word:
        """Raises UsageError where ``text`` is none."""
        found = WORD.fullmatch(text)
        if not found:
            raise UsageError(f"streams={text!r}: write NETWORK@RATE or NETWORK@RATE:WEIGHTS")
        try:
            rate = RATE if found["rate"] is None else float(found["rate"])
        except ValueError:
            rate = 0.0
        if not 0 < rate <= MOST_RATE:
            raise UsageError(
                f"streams={text!r}: @{found['rate']} is no rate; write rows per second of file "
                f"behind the @, above 0 to {MOST_RATE:g}"
            )
        return cls(found["network"], rate, found["weights"])


@dataclass(frozen=True)
class Backbone:
    """A network that learns no more, on the CPU, in evaluation mode, and what rebuilds it."""

    encoder: Encoder
    facts: dict[str, Any]

    @property
    def modality(self) -> str:
        """What of a file it takes: "video" or "audio"."""
        return self.encoder.modality

    @property
    def form(self) -> VideoInput | AudioInput:
        """The windows that it takes."""
        return cast(VideoInput | AudioInput, self.encoder.input)

    @property
    def keeps(self) -> bool:
        """Whether frames keep their shape."""
        return bool(self.facts["fit"] == "keep")

    @classmethod
    def of(cls, word: Word) -> Backbone:
        """The network of a word: an encoder's name, or a run's folder or checkpoint.

        An encoder has the weights of a file, or those that its name stands for; with "random"
        those that seed 0 draws. A run with pictures and sound is followed by /video or /audio.
        Raises UsageError where there is none such, UserError where weights do not fit or are not
        there.
        """
        if word.network in build.names():
            return _made(*_of_name(word.network, word.weights), fit="keep")
        if word.weights:
            raise UsageError(
                f"streams={word.network}: a run has weights; leave :{word.weights} out"
            )
        # Frames as in the clips that it learned from.
        return _made(*_of_run(word.network), fit="squash")

    @classmethod
    def again(cls, facts: Mapping[str, Any]) -> Backbone:
        """The network that ``facts`` are of. Raises UserError where its weights are not there."""
        try:
            description, kept = facts["encoder"], facts["weights"]
            origin, name, wanted = kept["from"], description["name"], facts["sha256"]
        except (KeyError, TypeError):
            raise UserError(
                "these features were stored by another program, so nothing here can make such of "
                "a file; query with words, or with a clip of the collection"
            ) from None
        path = Path(kept.get("path", ""))
        if "path" in kept and not path.is_file():
            raise UserError(
                f"{path}: the weights of {name} were here, sha256 {wanted[:16]}; put them back"
            )
        if origin == "run":
            encoder = _weighed(path, kept["part"])[0]
        elif origin == "file":
            encoder = build.rebuild(description)
            load_published(encoder, path)
        else:
            encoder = _built(name, build.rebuild(description).input, random=origin == "random")
        found = digest(encoder)
        if found != wanted:
            where = path if "path" in kept else "its package"
            raise UserError(
                f"{where}: the weights of {name} are others now, sha256 {found[:16]} and not "
                f"{wanted[:16]}; put back those that the features were made with"
            )
        return cls(_frozen(encoder), dict(facts))


@torch.inference_mode()
def rows_of(
    encoder: Encoder, windows: npt.NDArray[Any], device: torch.device | None = None
) -> tuple[npt.NDArray[np.float16], int]:
    """The rows (n, dim) that ``encoder`` makes of ``windows``, in half precision.

    Numbers beyond it are cut to its largest; how many is the second value. What is not finite stays
    so.
    """
    values = encoder(torch.from_numpy(windows).to(device)).float()
    beyond = torch.isfinite(values) & (values.abs() > MOST)
    values = torch.where(beyond, values.clamp(-MOST, MOST), values)
    return values.half().cpu().numpy(), int(beyond.sum())


def digest(encoder: Encoder) -> str:
    """SHA-256 of an encoder's weights, whatever file they come from."""
    return checkpoint.weights_hash(checkpoint.prefixed("encoders", encoder.state_dict()))


Found = tuple[Encoder, dict[str, Any], dict[str, Any]]  # an encoder, its description, its weights


def _made(
    encoder: Encoder, description: dict[str, Any], kept: dict[str, Any], fit: str
) -> Backbone:
    form = encoder.input
    if isinstance(form, VideoInput | AudioInput) and form.segments > 1:
        raise UsageError(
            f"streams={description['name']}: looks at {form.segments} segments of a clip, and a "
            "row is of one moment; take a network of one segment"
        )
    facts = {
        "encoder": description,
        "sha256": digest(encoder),
        "weights": kept,
        "fit": fit,
        "windows": WINDOWS,
    }
    return Backbone(_frozen(encoder), facts)


def _frozen(encoder: Encoder) -> Encoder:
    return encoder.eval().requires_grad_(False)


def _of_name(name: str, weights: str | None) -> Found:
    modality = build.modality_of(name)
    if modality not in MEDIA or name.startswith("stored_"):
        raise UsageError(f"streams={name}: describes no pictures and no sound; {_networks()}")
    kept: dict[str, Any] = {"from": "package"}
    if weights == "random":
        kept = {"from": "random"}
    elif weights is None and not build.published(name):
        raise UsageError(
            f"streams={name}: has no weights of its own; name a file of them as "
            f"{name}@{RATE:g}:FILE, or a run's folder in its place"
        )
    clip = build.native(name).input
    encoder = _built(name, clip, random=kept["from"] == "random" or weights is not None)
    if weights not in (None, "random"):
        path = Path(str(weights))
        if not path.is_file():
            raise UserError(f"streams={name}: {path}: no such file of weights")
        say(f"{name}: {load_published(encoder, path).line()}")
        kept = {"from": "file", "path": str(path.resolve())}
    return encoder, build.describe(name, encoder), kept


def _built(name: str, clip: Input, *, random: bool) -> Encoder:
    """With the weights that the name stands for, or else with those that seed 0 draws."""
    modality = build.modality_of(name)
    if random:
        return build.rebuild({"name": name, "modality": modality, "input": asdict(clip)})
    return build.build(name, modality, clip, seed=0)


def _of_run(text: str) -> Found:
    path = Path(text)
    part = path.name if path.name in MEDIA and not path.exists() else None
    path = path.parent if part else path
    if not path.exists():
        raise UsageError(f"streams={text}: neither a network nor a run's folder; {_networks()}")
    file = checkpoint.of_run(path) if path.is_dir() else path
    encoder, description, part = _weighed(file, part)
    return encoder, description, {"from": "run", "path": str(file.resolve()), "part": part}


def _weighed(file: Path, part: str | None) -> tuple[Encoder, dict[str, Any], str]:
    """The encoder of one modality of a checkpoint, its only one where none is named."""
    tensors, facts = checkpoint.load(file)
    known = {
        name: described
        for name, described in facts.get("encoders", {}).items()
        if name in MEDIA and not described["name"].startswith("stored_")
    }
    if len(known) == 1 and part is None:
        part = next(iter(known))
    if part is None or part not in known:
        listed = " or ".join(f"/{name}" for name in known) or "none of pictures or sound"
        raise UsageError(f"streams={file}: say which of its networks, {listed}, behind the run")
    encoder = build.rebuild(known[part])
    try:
        encoder.load_state_dict(checkpoint.part(tensors, f"encoders.{part}"))
    except RuntimeError:
        raise UserError(
            f"{file}: its {part} weights are not those of {known[part]['name']} as this version "
            "has it; use the version that trained them"
        ) from None
    return encoder, known[part], part


def _networks() -> str:
    known = [
        name
        for name in build.names()
        if build.modality_of(name) in MEDIA and not name.startswith("stored_")
    ]
    return f"networks are {', '.join(known)}"
