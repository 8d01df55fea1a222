"""Small networks that detect objects, of the real classes, in folders as published ones lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

LABELS = {0: "N/A", 1: "person", 2: "dog"}
SIZE = (48, 64)


def save_yolos(folder: Path, labels: dict[int, str] = LABELS) -> Path:
    """A YOLOS with random weights, and a preprocessor as published ones have."""
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessorPil

    network = YolosForObjectDetection(
        YolosConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=list(SIZE),
            num_detection_tokens=5,
            id2label=labels,
            label2id={name: number for number, name in labels.items()},
        )
    )
    _drawn(network, 0.4).save_pretrained(folder)
    YolosImageProcessorPil(size={"shortest_edge": 48, "longest_edge": 64}).save_pretrained(folder)
    return folder


def save_detr(folder: Path) -> Path:
    """A DETR with random weights, its pictures made as YOLOS's are."""
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessorPil, ResNetConfig

    sides = ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage4"],
    )
    config = DetrConfig(
        use_timm_backbone=False,
        backbone=None,
        backbone_config=sides,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=5,
        id2label=LABELS,
        label2id={name: number for number, name in LABELS.items()},
    )
    _drawn(DetrForObjectDetection(config), 0.2, seed=3).save_pretrained(folder)
    DetrImageProcessorPil(size={"shortest_edge": 48, "longest_edge": 64}).save_pretrained(folder)
    return folder


def _drawn(network: nn.Module, spread: float, seed: int = 0) -> Any:
    """With weights that find something else in each place, which those of a new network do not."""
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=noise) * spread)
    return network
