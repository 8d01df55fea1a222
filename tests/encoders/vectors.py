"""Files of word vectors in every form that is read, written by the forms' own rules."""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Words = Mapping[str, Sequence[float]]

# In halves and quarters, which 16 bits hold exactly.
WORDS: Words = {
    "the": (0.5, 0.25, -1.0),
    "Onion": (1.0, -0.5, 0.75),
    "onion": (2.0, 0.0, -0.25),
    "Salt": (-1.5, 0.5, 0.0),
    "new_york": (4.0, 4.0, 4.0),
    "fry": (0.0, 3.0, -2.0),
    "öl": (-0.5, -0.5, 1.5),
    "2": (8.0, 8.0, 8.0),
    "whisk": (0.25, -4.0, 1.0),
}


def line(word: str, vector: Sequence[float]) -> str:
    return " ".join([word, *map(str, vector)])


def write_glove(path: Path, words: Words = WORDS) -> Path:
    path.write_text("".join(f"{line(*item)}\n" for item in words.items()), encoding="utf-8")
    return path


def write_text(path: Path, words: Words = WORDS) -> Path:
    """word2vec's text: a line of counts before, and a space after each vector."""
    head = f"{len(words)} {len(next(iter(words.values())))}\n"
    rest = "".join(f"{line(*item)} \n" for item in words.items())
    path.write_text(head + rest, encoding="utf-8")
    return path


def write_binary(path: Path, words: Words = WORDS, end: bytes = b"\n") -> Path:
    """word2vec's binary form: the program ends every vector with a new line, gensim does not."""
    head = f"{len(words)} {len(next(iter(words.values())))}\n".encode()
    rest = b"".join(
        word.encode() + b" " + np.array(vector, "<f4").tobytes() + end
        for word, vector in words.items()
    )
    path.write_bytes(head + rest)
    return path


def write_folder(path: Path, words: Words = WORDS) -> Path:
    path.mkdir()
    np.save(path / "vectors.npy", np.array(list(words.values()), np.float32))
    pq.write_table(pa.table({"index": list(words)}), path / "index.parquet")
    return path


def pack(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed
