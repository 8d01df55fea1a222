from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.embeddings.catalogue import Catalogue
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.explore.steps import place, read_steps
from triptych.manifest.schema import SCHEMA, Manifest, clip_id

DIM = 5


def catalogue(draw: np.random.Generator, files: list[int], mixed: bool = False) -> Catalogue:
    """Files of so many clips, of two seconds each; their rows in any order where ``mixed``."""
    spans = [(f"{n}.mp4", 2.0 * i) for n, count in enumerate(files) for i in range(count)]
    order = draw.permutation(len(spans)) if mixed else range(len(spans))
    rows = [
        {
            "clip_id": clip_id(spans[i][0], spans[i][1], spans[i][1] + 2),
            "path": spans[i][0],
            "start": spans[i][1],
            "end": spans[i][1] + 2,
            "text": f"said {spans[i][0]} {spans[i][1]:g}",
            **{f"has_{name}": True for name in ("video", "audio", "text")},
            "width": 0,
            "height": 0,
            "fps": 0.0,
            "fingerprint": "",
        }
        for i in order
    ]

    made = Manifest(Path("/videos"), pa.Table.from_pylist(rows, SCHEMA))
    vectors = 1 + draw.normal(size=(len(rows), DIM)).astype(np.float32)
    present = np.ones(len(rows), bool)
    return Catalogue.of(EmbeddingTable.build(made, {"vector_text": (vectors, present)}, "c"))


def kappa(clips: Catalogue, query: np.ndarray) -> np.ndarray:
    column = clips.column("vector_text")
    x = column.raw / np.linalg.norm(column.raw, axis=1, keepdims=True)
    cosines = x @ (query / np.linalg.norm(query))
    return (cosines - cosines.mean()) / (1 - cosines.mean())


def brute(clips: Catalogue, queries: list[np.ndarray]) -> dict[str, float]:
    """The best mean score of each file over all ways to put the steps on its clips in order."""
    scores = np.stack([kappa(clips, query) for query in queries])
    found = {}
    for number, name in enumerate(clips.files):
        line, count = clips.rows_of(number), len(queries)
        clips_of, steps_of = len(line), min(count, len(line))
        found[name] = max(
            sum(scores[s, line[c]] for s, c in zip(steps, chosen, strict=True)) / count
            for chosen in combinations(range(clips_of), steps_of)
            for steps in combinations(range(count), steps_of)
        )
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    files=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    steps=st.integers(2, 4),
    top=st.integers(1, 5),
    mixed=st.booleans(),
)
def test_files_are_ranked_as_brute_force_ranks_them(
    seed: int, files: list[int], steps: int, top: int, mixed: bool
) -> None:
    draw = np.random.default_rng(seed)
    clips = catalogue(draw, files, mixed)
    queries = [1 + draw.normal(size=DIM).astype(np.float32) for _ in range(steps)]
    words = [f"step {i}" for i in range(steps)]
    if clips.column("vector_text").raw.shape[0] < 2:
        return  # one clip is its own average
    found = place(clips, words, [{"vector_text": query} for query in queries], top)
    expected = brute(clips, queries)
    best = sorted(expected.values(), reverse=True)[:top]
    np.testing.assert_allclose([one.score for one in found], best, atol=1e-6)
    for one in found:
        assert one.score == pytest.approx(expected[one.path], abs=1e-6)
        spans = [(part.start, part.end) for part in one.steps if part.start is not None]
        assert len(spans) == min(steps, len(clips.rows_of(clips.files.index(one.path))))
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
        inside = [part.score for part in one.steps if part.score is not None]
        assert sum(inside) / steps == pytest.approx(one.score)


def films(*clips: list[np.ndarray]) -> Catalogue:
    """Files of clips with these vectors."""
    made = catalogue(np.random.default_rng(0), [len(file) for file in clips])
    raw = np.array([vector for file in clips for vector in file], np.float32)
    rows = made.clips.append_column(
        "vector_text", pa.FixedSizeListArray.from_arrays(pa.array(raw.ravel()), DIM)
    )
    return Catalogue.of(EmbeddingTable(made.root, rows.cast(plain(rows)), {}))


def test_a_step_lasts_as_long_as_its_neighbours_answer_it() -> None:
    whisk, pour, rest = np.eye(DIM)[0], np.eye(DIM)[1], np.eye(DIM)[2]
    made = films(
        [rest, whisk, whisk, rest, pour, pour],
        [pour, pour, rest, rest, whisk, rest],
    )
    queries = [{"vector_text": part.astype(np.float32)} for part in (whisk, pour)]
    first, second = place(made, ["whisk", "pour"], queries)
    assert (first.path, second.path) == ("0.mp4", "1.mp4")
    assert [(one.start, one.end) for one in first.steps] == [(2.0, 6.0), (8.0, 12.0)]
    assert first.steps[0].text == "said 0.mp4 2 said 0.mp4 4"
    assert first.row() == {
        "path": "0.mp4", "start": 2.0, "end": 12.0, "score": pytest.approx(1.0), "text": "",
    }  # fmt: skip
    assert list(first.rows()[0]) == ["path", "step", "words", "start", "end", "score", "text"]
    alone = place(made, ["whisk", "pour"], queries, within="1.mp4")
    assert [one.path for one in alone] == ["1.mp4"]


def test_a_clip_that_answers_two_steps_is_of_the_first() -> None:
    turn = np.radians([0, 15, 30])
    whisk, between, pour = np.cos(turn)[:, None] * np.eye(DIM)[0] + np.outer(
        np.sin(turn), np.eye(DIM)[1]
    )
    rest = np.eye(DIM)[2]
    made = films([whisk, between, pour, rest], [rest, rest])
    queries = [{"vector_text": part.astype(np.float32)} for part in (whisk, pour)]
    (found,) = place(made, ["whisk", "pour"], queries, 1)
    assert [(one.start, one.end) for one in found.steps] == [(0.0, 4.0), (4.0, 6.0)]


def plain(table: pa.Table) -> pa.Schema:
    """The table's schema with plain strings, as it is on disk."""
    return pa.schema(
        [
            (field.name, pa.string() if field.name in ("path", "text", "clip_id") else field.type)
            for field in table.schema
        ]
    )


def test_steps_are_read_from_words() -> None:
    assert read_steps(" crack  eggs; whisk;; pour ;") == ["crack eggs", "whisk", "pour"]
    with pytest.raises(UsageError, match=r"only 'whisk' in 'whisk;'; give two or more"):
        read_steps("whisk;")
    with pytest.raises(UsageError, match=r"nothing in ' ; '"):
        read_steps(" ; ")


def test_what_cannot_be_done_is_said() -> None:
    clips = catalogue(np.random.default_rng(0), [3])
    queries = [{"vector_text": np.ones(DIM, np.float32)}] * 2
    with pytest.raises(UserError, match=r"2\.mp4: no clip of this file under /videos.*as 0\.mp4"):
        place(clips, ["a", "b"], queries, within="2.mp4")
    with pytest.raises(UsageError, match="at least one video"):
        place(clips, ["a", "b"], queries, top=0)
