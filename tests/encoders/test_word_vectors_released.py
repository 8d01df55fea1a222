from pathlib import Path

import numpy as np
import pytest
import torch

from tests.encoders.vectors import WORDS, write_glove
from triptych.encoders.build import build, describe, rebuild, text_input
from triptych.encoders.encoder import TextOptions
from triptych.encoders.word_vectors_released import ReleasedInput, ReleasedWordVectors

WIDTH, LONGEST = 6, 4


@pytest.fixture
def encoder(tmp_path: Path) -> ReleasedWordVectors:
    name = f"word_vectors_released:{write_glove(tmp_path / 'v.txt')}"
    form = text_input(name, ["Onion"], TextOptions(words=LONGEST, word_width=WIDTH))
    made = build(name, "text", form, seed=3).eval()
    assert isinstance(made, ReleasedWordVectors)
    return made


def features(encoder: ReleasedWordVectors, texts: list[str]) -> np.ndarray:
    form = encoder.input
    batch = form.batch([form.encode(text) for text in texts])
    assert batch.shape == (len(texts), LONGEST)
    found: np.ndarray = encoder(torch.from_numpy(batch)).detach().numpy()
    return found


def test_zero_padding_joins_the_maximum(encoder: ReleasedWordVectors) -> None:
    """By hand: rows of zeros up to the longest text, through the layer, as any word."""
    weight = encoder.linear.weight.detach().double().numpy()
    bias = encoder.linear.bias.detach().double().numpy()
    texts = ["the Onion", "fry fry whisk onion Salt"]
    rows = [
        [WORDS["the"], WORDS["Onion"], (0, 0, 0), (0, 0, 0)],
        [WORDS["fry"], WORDS["fry"], WORDS["whisk"], WORDS["onion"]],
    ]
    expected = [np.maximum(np.array(row) @ weight.T + bias, 0).max(0) for row in rows]
    found = features(encoder, texts)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    floor = np.maximum(bias, 0)
    assert (floor > 0).any()
    assert (found[0] >= floor - 1e-6).all()
    masked = np.maximum(np.array(rows[0][:2]) @ weight.T + bias, 0).max(0)
    assert not np.allclose(found[0], masked), "the padding was seen in the maximum"


def test_words_keep_their_case_and_their_function(encoder: ReleasedWordVectors) -> None:
    form = encoder.input
    assert form.words == tuple(WORDS)
    spoken = "The the Onion's, Onion: new_york 2"
    assert [form.words[row] for row in form.encode(spoken)] == ["the", "Onion", "new_york", "2"]
    # A word that is said again takes a place again: the fifth is beyond the longest text.
    again = form.encode("fry fry whisk onion the")
    assert [form.words[row] for row in again] == ["fry", "fry", "whisk", "onion"]
    assert form.encode("ONION The").size == 0
    assert form.unknown("ONION of the") == ["ONION"]


def test_it_is_rebuilt_as_itself(encoder: ReleasedWordVectors) -> None:
    again = rebuild(describe("word_vectors_released:gone", encoder))
    assert isinstance(again, ReleasedWordVectors)
    assert isinstance(again.input, ReleasedInput)
    again.load_state_dict(encoder.state_dict())
    np.testing.assert_array_equal(features(again, ["fry"]), features(encoder, ["fry"]))
