"""Names for clusters: from the words that set each apart, else from its most typical clip.

Words are ranked by class-based TF-IDF (Grootendorst 2022, "BERTopic", equation 2): all captions of
a cluster count as one document, and word t in cluster c weighs ``tf(t, c) * log(1 + A / f(t))``
with f(t) the word's count in all clusters and A the mean number of words per cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from triptych.encoders.stop_words import STOP_WORDS
from triptych.encoders.text import tokens

SHORTEST, LONGEST = 2, 4  # words in a name
WEAKEST = 1 / 3  # a further word must weigh this much of the first one
APART = 1.5  # a word's share of the cluster's words over its share elsewhere
CLIPS = 2  # a word must occur in so many clips of the cluster, lest one caption names it
DOT = " · "


def clock(seconds: float, decimals: int = 0) -> str:
    """Seconds as a player shows them: 0:14, 1:02:03, or with a decimal 0:14.5."""
    ticks = round(max(seconds, 0.0) * 10**decimals)
    whole, rest = divmod(ticks, 10**decimals)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    ahead = f"{hours}:{minute:02d}" if hours else f"{minute}"
    return f"{ahead}:{second:02d}" + (f".{rest:0{decimals}d}" if decimals else "")


def class_tf_idf(
    in_class: npt.NDArray[np.int64], in_all: npt.NDArray[np.int64], mean_words: float
) -> npt.NDArray[np.float64]:
    """Weights of words, shape (words,), from their counts in one cluster and in all of them.

    ``mean_words`` is the number of words of all captions over the number of clusters.
    """
    return np.asarray(in_class * np.log1p(mean_words / in_all), np.float64)


def distinctive_words(
    texts: Sequence[str], labels: npt.NDArray[np.int64], clusters: int, top: int = 10
) -> list[list[tuple[str, float]]]:
    """For each cluster up to ``top`` (word, weight), heaviest first, ties by the alphabet.

    ``labels``, shape (clips,), says each caption's cluster; below 0 it has none. Words that are no
    more frequent here than elsewhere are left out, which in other languages than English takes the
    place of a list of stop words.
    """
    said, heard = _count(texts, labels, clusters)
    everywhere: Counter[str] = sum(said, Counter())
    sizes = np.bincount(labels[labels >= 0], minlength=clusters)
    ranked = []
    for label, counter in enumerate(said):
        enough = min(CLIPS, int(sizes[label]))
        words = sorted(word for word in counter if heard[label][word] >= enough)
        inside = np.array([counter[word] for word in words], np.int64)
        in_all = np.array([everywhere[word] for word in words], np.int64)
        weights = class_tf_idf(inside, in_all, everywhere.total() / clusters)
        rest = max(everywhere.total() - counter.total(), 1)
        apart = inside / max(counter.total(), 1) >= APART * (in_all - inside) / rest
        order = [i for i in np.argsort(-weights, kind="stable") if apart[i]]
        ranked.append([(words[i], float(weights[i])) for i in order[:top]])
    return ranked


def names(words: Sequence[Sequence[tuple[str, float]]], otherwise: Sequence[str]) -> list[str]:
    """A different name for each cluster, from its ``distinctive_words``, else ``otherwise``.

    Where two would be called by the same words, the later one takes further words of its own, and
    a number where it has none.
    """
    taken: Counter[frozenset[str] | str] = Counter()
    given: list[str] = []
    for ranked, plain in zip(words, otherwise, strict=True):
        length = _length(ranked)
        while length < len(ranked) and frozenset(_first(ranked, length)) in taken:
            length += 1
        chosen = _first(ranked, length)
        key = frozenset(chosen) or plain
        taken[key] += 1
        number = f" ({taken[key]})" if taken[key] > 1 else ""
        given.append((DOT.join(chosen) or plain) + number)
    return given


def _first(ranked: Sequence[tuple[str, float]], count: int) -> list[str]:
    return [word for word, _ in ranked[:count]]


def _length(ranked: Sequence[tuple[str, float]]) -> int:
    strong = sum(weight >= WEAKEST * ranked[0][1] for _, weight in ranked)
    return min(max(strong, SHORTEST), LONGEST, len(ranked))


def _count(
    texts: Sequence[str], labels: npt.NDArray[np.int64], clusters: int
) -> tuple[list[Counter[str]], list[Counter[str]]]:
    """For each cluster how often its clips say each word, and how many of them say it."""
    said: list[Counter[str]] = [Counter() for _ in range(clusters)]
    heard: list[Counter[str]] = [Counter() for _ in range(clusters)]
    for text, label in zip(texts, labels, strict=True):
        if label >= 0:
            found = [word for word in tokens(text) if word not in STOP_WORDS and len(word) > 1]
            said[label].update(found)
            heard[label].update(set(found))
    return said, heard
