"""The parts of a recipe that are of methods with one space for all modalities."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from triptych.config import Config


class JointSpace(Config):
    """The space where all modalities meet (MCN, and the baselines of its tables)."""

    width: int = Field(256, ge=2, le=65_536, description="numbers of a clip in the joint space")
    unit: bool | None = Field(
        None, description="vectors of the joint space at unit length; null: the method's"
    )
    temperature: float | None = Field(
        None, ge=1e-3, le=1e3, description="what similarities are divided by; null: the method's"
    )
    margin: float | None = Field(
        None, ge=0, le=1e3, description="of own above other similarities; null: the method's"
    )
    cluster: float = Field(
        1.0, ge=0, le=1e6, description="weight of the centroids; 0: none are made"
    )
    warmup: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of all steps before there are centroids; null: the method's",
    )
    reconstruct: float = Field(
        1.0, ge=0, le=1e6, description="weight of the reconstruction; 0: none"
    )
    hidden: int = Field(128, ge=1, le=65_536, description="numbers between its two layers")
    candidates: int = Field(
        5, ge=1, le=64, description="of mil_nce: narrations nearest in time that may be a clip's"
    )


class Queueing(Config):
    """The last clips of training, fused, which are clustered together with the batch."""

    size: int = Field(4096, ge=1, description="clips, at most as many as the collection has")
    every: int = Field(
        20, ge=1, description="steps between two clusterings; between them clips are only assigned"
    )
    by: Literal["kmeans", "sinkhorn"] = Field(
        "kmeans", description="sinkhorn: clusters of equal size, as SeLaVi means them"
    )


class Drawing(Config):
    """How a batch is put together."""

    per_file: int = Field(
        1,
        ge=1,
        description="clips of one file in a batch, files drawn alike, of methods with a joint "
        "space; 1: clips drawn alike",
    )
