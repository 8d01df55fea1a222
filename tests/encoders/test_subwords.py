from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests.encoders.tiny import CAPTIONS
from triptych.encoders.language_model import read_input
from triptych.encoders.subwords import SubwordInput


@pytest.fixture(scope="module")
def subwords(roberta: Path) -> SubwordInput:
    return read_input(roberta)


@pytest.fixture(scope="module")
def theirs(roberta: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(roberta)


def test_subwords_are_those_of_the_model_s_own_tokenizer(
    subwords: SubwordInput, theirs: PreTrainedTokenizerFast
) -> None:
    for text in (*CAPTIONS, "Öl, naïve", "x"):
        assert subwords.encode(text).tolist() == theirs(text)["input_ids"]


def test_the_first_ones_of_a_long_text_are_kept(
    subwords: SubwordInput, theirs: PreTrainedTokenizerFast
) -> None:
    short = replace(subwords, longest=9)
    whole = theirs(" ".join(CAPTIONS))["input_ids"]
    assert len(whole) > 9
    assert short.encode(" ".join(CAPTIONS)).tolist() == [*whole[:8], 2]


def test_a_batch_is_padded_to_its_longest_text(
    subwords: SubwordInput, theirs: PreTrainedTokenizerFast
) -> None:
    batch = subwords.batch([subwords.encode(text) for text in CAPTIONS])
    expected = theirs(list(CAPTIONS), padding=True, return_tensors="np")["input_ids"]
    assert batch.dtype == np.int64
    np.testing.assert_array_equal(batch, expected)
    assert subwords.batch([subwords.encode("")]).tolist() == [[1]]
    assert len(subwords.batch([])) == 0


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_an_empty_text_says_nothing_and_any_other_something(
    subwords: SubwordInput, text: str
) -> None:
    assert len(subwords.encode(text)) == 0
    assert repr(text) in subwords.refusal(text)
    assert len(subwords.encode(f"{text}…")) > 0
    assert subwords.unknown("zebra") == []


def test_a_text_of_letters_never_seen_says_nothing() -> None:
    """All such texts are one and the same to the model, and would be one cluster."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1, "pot": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    form = SubwordInput(tokenizer.to_str(), "{}", padding=1, unknown_id=0)
    assert form.encode("ヨ 漢").tolist() == []
    assert form.encode("ヨ pot").tolist() == [0, 2]


@given(text=st.text(st.sampled_from("<>/pads um")) | st.sampled_from(["<pad>", "a<pad>b", "</s>"]))
def test_no_text_holds_padding(subwords: SubwordInput, text: str) -> None:
    ids = subwords.encode(text)
    assert subwords.padding not in ids
    assert 2 not in ids[1:-1]
