"""RoBERTa-large, the text encoder of Rai et al. (2020), section 3.1.2: 355 million parameters.

Features of 1024 numbers: the mean over the first 512 subwords, which are byte pairs.
"""

from __future__ import annotations

from triptych.encoders.transformer import build, find, read

__all__ = ["MODEL", "build", "find", "read"]

MODEL = "FacebookAI/roberta-large"
