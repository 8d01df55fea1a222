import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.encoders.stop_words import STOP_WORDS
from triptych.encoders.text import WordInput, build_vocabulary, tokens


def encode(text: str, vocabulary: tuple[str, ...]) -> np.ndarray:
    form = WordInput(vocabulary)
    return form.batch([form.encode(text)])[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Cut 2 carrots, finely!", ["cut", "carrots", "finely"]),
        ("don't DON\N{RIGHT SINGLE QUOTATION MARK}T 'quoted'", ["don't", "don't", "quoted"]),
        ("snake_case 3D 12cups", ["snake", "case", "d", "cups"]),
        ("CAFÉ cafe\N{COMBINING ACUTE ACCENT}", ["café", "café"]),
        ("Öl über Straße", ["öl", "über", "straße"]),
        ("प्याज काटो", ["प्याज", "काटो"]),  # vowel signs are parts of a word
        ("режем лук", ["режем", "лук"]),
        ("\N{LATIN SMALL LIGATURE FI}sh", ["fish"]),
        ("", []),
        ("1 2 3 … -- ♪♪", []),
    ],
)
def test_text_is_cut_into_lowercased_words(text: str, words: list[str]) -> None:
    assert tokens(text) == words


@given(text=st.text())
def test_words_are_words_however_often_they_are_cut(text: str) -> None:
    for word in tokens(text):
        assert tokens(word) == [word]
        assert not any(letter.isspace() or letter.isdigit() for letter in word)


@given(text=st.text(st.characters(codec="utf-8")))
def test_composed_and_decomposed_text_are_the_same_words(text: str) -> None:
    assert tokens(unicodedata.normalize("NFD", text)) == tokens(unicodedata.normalize("NFC", text))


def test_looking_up_cuts_and_lowercases_as_building_does() -> None:
    """The released code of Rai et al. built from lowercased words and looked up raw ones.

    A vocabulary made of captions has to find every word of these captions again.
    """
    captions = ["Now CUT the Onions!", "Fry (the) onions;", "ONIONS, salt & Pepper..."]
    vocabulary = build_vocabulary(captions)
    assert set(vocabulary) == {"onions", "cut", "fry", "salt", "pepper"}
    found = np.stack([encode(caption, vocabulary) for caption in captions])
    assert dict(zip(vocabulary, found.sum(0).tolist(), strict=True)) == {
        "onions": 3,
        "cut": 1,
        "fry": 1,
        "salt": 1,
        "pepper": 1,
    }


@given(texts=st.lists(st.text(), max_size=6))
def test_every_word_of_the_vocabulary_is_found_as_often_as_it_was_counted(
    texts: list[str],
) -> None:
    vocabulary = build_vocabulary(texts, 1000)
    found = sum((encode(text, vocabulary) for text in texts), np.zeros(len(vocabulary)))
    counts = [sum(word in tokens(text) for text in texts) for word in vocabulary]
    np.testing.assert_array_equal(found, counts)
    assert all(counts)


def test_the_bag_is_binary() -> None:
    vocabulary = ("onion", "salt")
    bag = encode("onion onion ONION", vocabulary)
    assert bag.dtype == np.float32
    assert bag.tolist() == [1.0, 0.0]
    assert encode("", vocabulary).tolist() == [0.0, 0.0]


def test_words_rank_by_the_texts_they_are_in_and_ties_by_the_alphabet() -> None:
    texts = ["pan pan pan pan", "salt onion", "onion fry", "salt", "egg"]
    assert build_vocabulary(texts) == ("onion", "salt", "egg", "fry", "pan")
    assert build_vocabulary(texts, 2) == ("onion", "salt")
    assert build_vocabulary(reversed(texts)) == build_vocabulary(texts)


@given(words=st.lists(st.sampled_from("ab ba ca ac bb cc aa bc".split()), max_size=40))
def test_the_ranking_is_that_of_a_plain_count(words: list[str]) -> None:
    texts = [" ".join(words[i : i + 3]) for i in range(0, len(words), 3)]
    counts = Counter(word for text in texts for word in set(text.split()))
    expected = sorted(counts, key=lambda word: (-counts[word], word))
    assert list(build_vocabulary(texts, 100)) == expected


def test_function_words_are_left_out_of_the_vocabulary() -> None:
    assert build_vocabulary(["the and of it's Don\N{RIGHT SINGLE QUOTATION MARK}t knife"]) == (
        "knife",
    )
    assert all(tokens(word) == [word] for word in STOP_WORDS)
