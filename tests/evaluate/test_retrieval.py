"""Retrieval on tables of few clips, against sorting every query's scores by itself."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych import config
from triptych.embeddings.table import EmbeddingTable, Vectors
from triptych.errors import UsageError, UserError
from triptych.evaluate.joint import NoSpace
from triptych.evaluate.labels import Joined
from triptych.evaluate.retrieval import Retrieval, retrieve
from triptych.evaluate.tally import Found
from triptych.manifest.schema import SCHEMA, Manifest


def table_of(vectors: dict[str, Vectors], paths: list[str]) -> EmbeddingTable:
    count = len(paths)
    columns = {
        "clip_id": [f"c{n:02}" for n in range(count)],
        "path": paths,
        "start": [float(n) for n in range(count)],
        "end": [n + 1.0 for n in range(count)],
        "text": [""] * count,
        **{f"has_{name}": [True] * count for name in ("video", "audio", "text")},
        "width": [64] * count, "height": [64] * count, "fps": [8.0] * count,
        "fingerprint": ["0"] * count,
    }  # fmt: skip
    manifest = Manifest(Path("."), pa.table(columns, schema=SCHEMA))
    return EmbeddingTable.build(manifest, vectors, "abc", method="xcc")


def joined(labels: list[str], groups: list[str], split: list[str] | None = None) -> Joined:
    parts = None if split is None else np.array(split)
    rows = np.arange(len(labels))
    return Joined(rows, np.array(labels), np.array(groups), None, parts, 0, [])


def random_table(seed: int, count: int = 12) -> EmbeddingTable:
    """Vectors of small whole numbers, so that sums are exact and ties many; a third lacks sound."""
    random = np.random.default_rng(seed)
    paths = [f"v{n // 3}.mp4" for n in range(count)]
    vectors = {}
    for name, share in (("video", 0.9), ("audio", 0.6), ("text", 0.9)):
        values = random.integers(-1, 2, (count, 4)).astype(np.float32)
        present = random.random(count) < share
        present[:2] = True
        vectors[f"shared_{name}"] = values, present
    return table_of(vectors, paths)


def figures(found: Found) -> dict[str, float]:
    return {tally.metric: tally.value for tally in found.tallies}


def place(scores: np.ndarray, right: np.ndarray, there: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean rank of the first right one over many random orders of the tied, and its hits."""
    random = np.random.default_rng(0)
    ranks = []
    for _ in range(400):
        order = np.lexsort((random.random(len(scores)), -scores))
        ranks.append(np.flatnonzero((right & there)[order[there[order]]])[0] + 1)
    return float(np.mean(ranks)), np.array([np.mean(np.array(ranks) <= k) for k in (1, 5, 10)])


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("missing", ["missed", "out"])
@pytest.mark.parametrize("seed", range(3))
def test_text_finds_the_sum_of_video_and_sound(seed: int, missing: str, complete: bool) -> None:
    table = random_table(seed)
    (v, has_v), (a, has_a), (t, has_t) = (
        table.vectors(f"shared_{name}") for name in ("video", "audio", "text")
    )
    found = retrieve(table, Retrieval(missing=missing, complete=complete))
    there = has_v & has_a if complete else has_v | has_a
    scores = t @ (v * has_v[:, None] + a * has_a[:, None]).T
    asked = np.flatnonzero(has_t)
    answered = [q for q in asked if there[q]]
    each = [place(scores[q], np.arange(12) == q, there) for q in answered]
    count = len(asked) if missing == "missed" else len(answered)
    expected = np.sum([hit for _, hit in each], axis=0) / count
    known = figures(found)
    assert [known["R@1"], known["R@5"], known["R@10"]] == pytest.approx(expected, abs=0.06)
    assert known["mean rank"] == pytest.approx(np.mean([rank for rank, _ in each]), abs=0.3)
    protocol = found.protocol
    assert protocol["n_items"] == there.sum()
    assert protocol["n_queries"] == count
    assert protocol["n_queries_missed"] == (len(asked) - len(answered)) * (missing == "missed")
    assert protocol["n_clips_that_ask_nothing"] == 12 - has_t.sum()
    assert (protocol["ties"], protocol["through"]) == ("average", ["video", "audio"])
    assert found.chance["R@5"] == pytest.approx(min(5 / there.sum(), 1) * len(answered) / count)


def test_the_denominator_of_msr_vtt() -> None:
    """10 clips, 8 with sound: the gallery is those that have all, the denominator is 10."""
    eye = np.eye(10, dtype=np.float32)
    every = np.ones(10, bool)
    table = table_of(
        {"shared_video": (eye, every), "shared_audio": (eye, np.arange(10) < 8),
         "shared_text": (eye, every)},
        [f"{n}.mp4" for n in range(10)],
    )  # fmt: skip
    strict = retrieve(table, Retrieval(complete=True))
    assert (figures(strict)["R@1"], strict.protocol["n_items"]) == (0.8, 8)
    assert figures(strict)["median rank"] == 1.0
    assert figures(retrieve(table, Retrieval(complete=True, missing="out")))["R@1"] == 1.0
    # With what they have, the two are found by their pictures alone.
    found = retrieve(table)
    assert (figures(found)["R@1"], found.protocol["n_items_of_some_modalities_only"]) == (1.0, 2)
    assert found.chance["R@1"] == pytest.approx(0.1)
    assert found.chance["median rank"] == 5.5


def test_a_clip_of_the_same_label_is_right_but_not_of_its_own_group() -> None:
    # By hand: texts and videos lie on a line of directions; own film's clips are not looked at.
    values = np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1], [0.1, 1]], np.float32)
    every = np.ones(5, bool)
    table = table_of(
        {"shared_video": (values, every), "shared_text": (values, every)}, list("aabbc")
    )
    found = retrieve(
        table,
        Retrieval(right="label", through=("video",)),
        joined=joined(list("xxxyz"), list("aabbc")),
    )
    # x of a: only clip 2 is right; of 2, 3, 4 it is the first for both. x of b (2): clips 0 and 1
    # are right, before 4. y and z have nobody else: they ask nothing.
    assert figures(found)["R@1"] == 1.0
    assert figures(found)["mAP"] == 1.0
    assert found.protocol["n_queries"] == 3
    assert found.protocol["n_clips_that_ask_nothing"] == 2
    assert found.chance["R@1"] == pytest.approx((1 / 3 + 1 / 3 + 2 / 3) / 3)
    # Average precision of equal scores: (1 + 1/2 + 1/3) / 3 for one of three, and for two of three
    # the orders RRW, RWR, WRR: (1 + 5/6 + 7/12) / 3.
    two_of_three = (1 + 5 / 6 + 7 / 12) / 3
    assert found.chance["mAP"] == pytest.approx((11 / 18 + 11 / 18 + two_of_three) / 3)


@pytest.mark.parametrize("length", [1e-6, 1e5])
def test_how_long_vectors_are_changes_no_figure(length: float) -> None:
    """Under mcn_released they have any length; what is tied may not hang on it."""
    labels = joined(list("abcd") * 3, [f"g{n % 5}" for n in range(12)])
    asked = Retrieval(right="label", query=("text",), through=("video",))
    table = random_table(3)
    scaled = {}
    for name in ("shared_video", "shared_text"):
        values, present = table.vectors(name)
        values = values + 0.3  # sums that single precision does not hold
        scaled[name] = [(values * np.float32(factor), present) for factor in (1, length)]
    one, other = (
        retrieve(
            table_of({name: pair[i] for name, pair in scaled.items()}, list("abcdefghijkl")),
            asked,
            joined=labels,
        )
        for i in (0, 1)
    )
    assert figures(other) == pytest.approx(figures(one))


def test_the_words_of_a_label_look_for_its_clips_in_the_test_part() -> None:
    values = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.2, 1], [1, 0]], np.float32)
    table = table_of({"shared_video": (values, np.ones(5, bool))}, list("abcde"))
    labels = joined(list("xxyyy"), list("abcde"), ["train", "test", "test", "test", "test"])
    words = {"x": np.array([1, 0], "f4"), "y": np.array([0, 1], "f4")}
    found = retrieve(table, Retrieval(right="words"), joined=labels, words=words)
    # x: clip 4 (y) is before clip 1; y: clips 2, 3, then x, then 4 (y).
    assert {tally.metric: tally.each for tally in found.tallies}["R@1"] == [0.5]
    assert found.tallies[0].names.tolist() == ["x", "y"]
    assert figures(found)["mean rank"] == 1.5
    assert figures(found)["mAP"] == pytest.approx((1 / 2 + (1 + 1 + 3 / 4) / 3) / 2)
    assert found.protocol["n_clips"] == 4
    # Words that mean nothing ask as well, and find what guessing finds.
    half = retrieve(table, Retrieval(right="words"), joined=labels, words={"y": words["y"]})
    assert half.protocol["n_words_unknown_to_the_model"] == 1
    assert half.tallies[0].values[:, 0].tolist() == pytest.approx([0.25, 1.0])
    with pytest.raises(UserError, match="knows no word of the 2 labels"):
        retrieve(table, Retrieval(right="words"), joined=labels)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["optimistic", "pessimistic"]))
def test_average_ties_lie_between_the_two_others(seed: int, ties: str) -> None:
    table = random_table(seed)
    between, other = (figures(retrieve(table, Retrieval(ties=one))) for one in ("average", ties))
    sign = 1 if ties == "optimistic" else -1
    for metric in ("R@1", "R@5", "R@10"):
        assert sign * (other[metric] - between[metric]) >= -1e-9
    assert sign * (other["mean rank"] - between["mean rank"]) <= 1e-9


def test_what_cannot_be_asked_is_refused_in_one_line() -> None:
    one = np.ones((2, 2), np.float32), np.ones(2, bool)
    table = table_of({"shared_video": one, "shared_text": one}, ["a", "b"])
    apart = table_of({"vector_video": one}, ["a", "b"])
    with pytest.raises(NoSpace, match=r"no shared_. vectors: under xcc modalities share no space"):
        retrieve(apart)
    with pytest.raises(UserError, match="no shared_audio; the common space holds video, text"):
        retrieve(table, Retrieval(through=("audio",)))
    with pytest.raises(UserError, match="right=label: needs labels"):
        retrieve(table, Retrieval(right="label"))
    with pytest.raises(UserError, match="leaves nothing to test on"):
        retrieve(table, joined=joined(["x", "x"], ["a", "b"], ["train", "train"]))
    with pytest.raises(UserError, match="another group's clip of its label"):
        retrieve(table, Retrieval(right="label"), joined=joined(["x", "y"], ["a", "b"]))
    none = np.ones((2, 2), np.float32), np.zeros(2, bool)
    silent = table_of({"shared_video": none, "shared_text": one}, ["a", "b"])
    with pytest.raises(UserError, match="none of the 2 clips has video"):
        retrieve(silent)
    with pytest.raises(UsageError, match="query and through both have text"):
        config.override(Retrieval(), ["through=text"])
    with pytest.raises(UsageError, match=r"query.*sound"):
        config.override(Retrieval(), ["query=sound"])
