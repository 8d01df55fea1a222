from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from triptych.embeddings.naming import class_tf_idf, clock, distinctive_words, names

KITCHEN = ["whisk the eggs in a bowl", "whisk the bowl of eggs", "now whisk the eggs"]
GARDEN = ["dig the soil", "dig a hole in the soil", "water the soil and dig"]


def test_weights_are_those_of_the_paper_on_a_hand_worked_case() -> None:
    # two clusters of 4 and 2 words: A = 3; "egg" is said 3 times in the first and nowhere else
    weights = class_tf_idf(np.array([3, 1]), np.array([3, 2]), mean_words=3.0)
    assert weights == pytest.approx([3 * log(1 + 3 / 3), 1 * log(1 + 3 / 2)])


def test_ranking_is_that_of_brute_force_over_sklearns_counts() -> None:
    draw = np.random.default_rng(0)
    vocabulary = [a + b for a in "bcdfglmprt" for b in ("olu", "eku", "ami", "iro")]
    labels = draw.integers(0, 5, 200)
    texts = [
        " ".join(draw.choice(vocabulary[8 * label : 8 * label + 14], 6).tolist())
        for label in labels
    ]
    counter = CountVectorizer(token_pattern=r"\w+")
    documents = [
        " ".join(t for t, at in zip(texts, labels, strict=True) if at == c) for c in range(5)
    ]
    counts = np.asarray(counter.fit_transform(documents).todense(), float)
    weights = counts * np.log(1 + counts.sum() / 5 / counts.sum(axis=0))
    share = counts / counts.sum(axis=1, keepdims=True)
    others = counts.sum(axis=0) - counts
    apart = share >= 1.5 * others / others.sum(axis=1, keepdims=True)
    for label, ranked in enumerate(distinctive_words(texts, labels, 5, top=40)):
        expected = {
            word: weights[label, i]
            for i, word in enumerate(counter.get_feature_names_out())
            if counts[label, i] and apart[label, i]
        }
        assert dict(ranked) == pytest.approx(expected)
        given_weights = [weight for _, weight in ranked]
        assert given_weights == sorted(given_weights, reverse=True)


def test_names_come_from_the_words_that_set_a_cluster_apart() -> None:
    words = distinctive_words(KITCHEN + GARDEN, np.array([0, 0, 0, 1, 1, 1]), 2)
    assert names(words, ["", ""]) == ["eggs · whisk · bowl", "dig · soil"]


def test_words_said_everywhere_name_nothing_whatever_the_language() -> None:
    texts = [
        "der topf kocht der herd",
        "der topf der herd",
        "der baum und der ast",
        "der ast am baum",
    ]
    words = distinctive_words(texts, np.array([0, 0, 1, 1]), 2)
    assert [{word for word, _ in ranked} for ranked in words] == [{"topf", "herd"}, {"baum", "ast"}]


def test_one_talkative_clip_does_not_name_its_cluster() -> None:
    texts = ["banana banana banana banana", "", "", "soil", "soil"]
    labels = np.array([0, 0, 0, 1, 1])
    assert distinctive_words(texts, labels, 2)[0] == []
    assert names(distinctive_words(texts, labels, 2), ["like a.mp4 at 0:14", "x"])[0].startswith(
        "like"
    )


def test_a_clip_outside_all_clusters_counts_nowhere() -> None:
    with_it = distinctive_words([*KITCHEN, *GARDEN, "eggs"], np.array([0, 0, 0, 1, 1, 1, -1]), 2)
    assert with_it == distinctive_words(KITCHEN + GARDEN, np.array([0, 0, 0, 1, 1, 1]), 2)


def test_clusters_that_would_share_a_name_take_further_words() -> None:
    first = [("whisk", 3.0), ("bowl", 2.9), ("milk", 0.1)]
    second = [("bowl", 3.0), ("whisk", 2.9), ("flour", 0.1)]
    assert names([first, second], ["", ""]) == ["whisk · bowl", "bowl · whisk · flour"]
    assert names([first[:2], second[:2]], ["", ""]) == ["whisk · bowl", "bowl · whisk (2)"]
    assert names([[], []], ["like a", "like a"]) == ["like a", "like a (2)"]


@given(st.lists(st.lists(st.sampled_from(["aa", "bb", "cc"]), unique=True), max_size=12))
def test_names_are_always_different(words: list[list[str]]) -> None:
    ranked = [[(word, 1.0) for word in row] for row in words]
    assert len(set(names(ranked, ["like it"] * len(ranked)))) == len(words)


def test_times_read_as_on_a_player() -> None:
    assert clock(14.2) == "0:14"
    assert clock(59.96, 1) == "1:00.0"
    assert clock(3723.04, 1) == "1:02:03.0"
    assert clock(-0.01, 1) == "0:00.0"
