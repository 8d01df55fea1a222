from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.clips.texts import Texts
from triptych.encoders.text import WordInput
from triptych.manifest.schema import SCHEMA, Manifest

WORDS = WordInput(("pot", "stir", "whisk"))


def captions(*texts: str) -> Manifest:
    count = len(texts)
    columns = {
        **{name: ["0"] * count for name in ("clip_id", "path", "fingerprint")},
        **{name: [0.0] * count for name in ("start", "end", "fps")},
        **{name: [64] * count for name in ("width", "height")},
        **{name: [True] * count for name in ("has_video", "has_audio")},
        "text": list(texts),
        "has_text": [bool(text) for text in texts],
    }
    return Manifest(Path(), pa.table(columns).select(SCHEMA.names).cast(SCHEMA))


@given(texts=st.lists(st.sampled_from(["stir the pot", "Whisk!", "", "zebra", "pot pot"])))
def test_a_batch_is_what_its_texts_are_one_by_one(texts: list[str]) -> None:
    found = Texts(captions(*texts), WORDS)
    rows = np.arange(len(texts))[::-1]
    expected = [[word in texts[row].lower() for word in WORDS.vocabulary] for row in rows]
    np.testing.assert_array_equal(found.batch(rows), np.reshape(expected, (len(texts), 3)))
    assert found.known.tolist() == [text not in ("", "zebra") for text in texts]


def test_each_text_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    encode = WordInput.encode

    def counted(self: WordInput, text: str) -> np.ndarray:
        asked.append(text)
        return encode(self, text)

    monkeypatch.setattr(WordInput, "encode", counted)
    texts = Texts(captions("stir", "whisk"), WORDS)
    assert asked == [], "not before it is needed"
    for _ in range(3):
        texts.batch(np.array([1, 0, 1]))
        assert texts.known.all()
    assert asked == ["stir", "whisk"]


def test_what_the_manifest_counts_as_no_text_says_nothing() -> None:
    manifest = captions("stir", "pot")
    place = manifest.table.column_names.index("has_text")
    table = manifest.table.set_column(place, "has_text", pa.array([True, False]))
    assert Texts(Manifest(manifest.root, table), WORDS).known.tolist() == [True, False]
