"""Any published network that detects objects as the detector of people, through `transformers`.

A folder holds what such networks are published with: ``config.json``, ``preprocessor_config.json``
and safetensors. DETR (without parts of timm), Conditional and Deformable DETR, RT-DETR, D-FINE and
YOLOS are such, among others. No code that comes with a model is run, and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch

from triptych.descriptors.frames import Picture
from triptych.descriptors.people import Box
from triptych.encoders.language_model import need_transformers, reading
from triptych.errors import UserError

PEOPLE = {"person", "people", "human", "pedestrian"}
FILES = ("config.json", "preprocessor_config.json", "*.safetensors")
WHAT = "people by"
ADVICE = (
    "give the folder of a network that detects objects, with config.json, "
    "preprocessor_config.json and safetensors"
)


def digest(folder: Path) -> str:
    """16 hex digits that change with the network or with how pictures are put to it.

    Raises UserError where a file is missing.
    """
    whole = hashlib.sha256()
    for pattern in FILES:
        files = sorted(folder.glob(pattern))
        if not files:
            raise UserError(f"{WHAT} {folder}: no {pattern} in it; {ADVICE}")
        for file in files:
            with file.open("rb") as opened:
                whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()[:16]


class Network:
    """Finds what its network calls a person, with a probability of at least ``confidence``."""

    def __init__(self, folder: Path, confidence: float) -> None:
        need_transformers(WHAT)
        from transformers import AutoImageProcessor, AutoModelForObjectDetection

        with reading(folder, WHAT, ADVICE):
            # One way to shrink pictures everywhere, whether torchvision is installed or not.
            self._prepare = AutoImageProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, backend="pil"
            )
            network, found = AutoModelForObjectDetection.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
            if not hasattr(self._prepare, "post_process_object_detection"):
                raise ValueError("its preprocessor is not one of detection")
        if lacking := sorted(found["missing_keys"]):
            raise UserError(
                f"{WHAT} {folder}: its weights lack {len(lacking)} tensors of its config.json, "
                f"first {lacking[0]}; take weights and config of one model"
            )
        self._network = network.eval()
        self._people = _labels(folder, network.config.id2label)
        self._confidence = confidence

    @torch.no_grad()
    def find(self, picture: Picture) -> list[Box]:
        """Boxes of people in ``picture``, uint8 RGB (h, w, 3): left, top, right, bottom."""
        ready = self._prepare(
            images=picture, input_data_format="channels_last", return_tensors="pt"
        )
        found = self._prepare.post_process_object_detection(
            self._network(**ready),
            threshold=self._confidence,
            target_sizes=[picture.shape[:2]],
        )[0]
        people = torch.isin(found["labels"], self._people)
        return [_rounded(edges) for edges in found["boxes"][people].tolist()]


def _labels(folder: Path, names: dict[int, Any]) -> torch.Tensor:
    people = [number for number, name in names.items() if str(name).lower() in PEOPLE]
    if not people:
        first = ", ".join(str(name) for name in list(names.values())[:3])
        raise UserError(
            f"{WHAT} {folder}: none of its {len(names)} labels is person (they begin {first}); "
            "take a network that knows people, or name its labels in config.json"
        )
    return torch.tensor(people)


def _rounded(edges: list[float]) -> Box:
    left, top, right, bottom = (float(round(edge)) for edge in edges)
    return left, top, right, bottom
