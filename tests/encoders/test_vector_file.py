import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.encoders.vectors import (
    WORDS,
    pack,
    write_binary,
    write_folder,
    write_glove,
    write_text,
)
from triptych.encoders import vector_file
from triptych.encoders.vector_file import Choice, read_table
from triptych.encoders.word_vectors import content_words
from triptych.errors import UserError


def choice(*wanted: str, most: int = 100, folded: bool = True) -> Choice:
    cut = content_words if folded else str.split
    return Choice(frozenset(wanted), most, cut, folded)


FORMS: dict[str, Callable[[Path], Path]] = {
    "glove": lambda folder: write_glove(folder / "v.txt"),
    "glove, packed": lambda folder: pack(write_glove(folder / "v.txt")),
    "text": lambda folder: write_text(folder / "v.vec"),
    "text, packed": lambda folder: pack(write_text(folder / "v.vec")),
    "binary": lambda folder: write_binary(folder / "v.bin"),
    "binary of gensim": lambda folder: write_binary(folder / "v.bin", end=b""),
    "binary, packed": lambda folder: pack(write_binary(folder / "v.bin")),
    "folder": lambda folder: write_folder(folder / "v"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_words_and_vectors(form: str, tmp_path: Path) -> None:
    """Words that a text can hold, in lower case; of two spellings the one in lower case."""
    table = read_table(FORMS[form](tmp_path), choice())
    assert table.words == ("onion", "salt", "fry", "öl", "whisk")
    spelt = ("onion", "Salt", "fry", "öl", "whisk")
    np.testing.assert_array_equal(table.vectors, np.array([WORDS[word] for word in spelt]))
    assert table.vectors.dtype == np.float16


@pytest.mark.parametrize("form", FORMS)
def test_with_case_every_word_is_its_own(form: str, tmp_path: Path) -> None:
    table = read_table(FORMS[form](tmp_path), choice(folded=False))
    assert table.words == tuple(WORDS)
    np.testing.assert_array_equal(table.vectors, np.array(list(WORDS.values())))


def test_the_first_words_are_kept_and_those_of_captions_wherever_they_stand(
    tmp_path: Path,
) -> None:
    path = write_glove(tmp_path / "v.txt")
    assert read_table(path, choice(most=2)).words == ("onion", "salt")
    table = read_table(path, choice("whisk", "gone", most=2))
    assert table.words == ("onion", "salt", "whisk")
    assert read_table(path, choice("salt", most=0)).words == ("salt",)


def test_a_table_is_read_once_for_the_words_and_once_for_none_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_glove(tmp_path / "v.txt")
    first = read_table(path, choice("whisk", most=2))
    monkeypatch.setattr(vector_file, "_read", lambda *_: pytest.fail("read again"))
    assert read_table(path, choice("whisk", most=2)) is first
    assert read_table(path, choice(*first.words, most=0)) is first


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = write_glove(tmp_path / "v.txt")
    read_table(path, choice())
    write_glove(path, {"pot": (1.0, 2.0, 3.0)})
    assert read_table(path, choice()).words == ("pot",)


def test_words_of_glove_may_hold_spaces(tmp_path: Path) -> None:
    """As ". . ." in its 840 billion words."""
    path = write_glove(tmp_path / "v.txt", {"pot": (1.0, 2.0), ". . .": (3.0, 4.0), "pan": (5, 6)})
    assert read_table(path, choice()).words == ("pot", "pan")
    found = read_table(path, Choice(frozenset({". . ."}), 0, content_words, folded=False))
    np.testing.assert_array_equal(found.vectors, [[3, 4]])


def test_blank_lines_and_other_white_space_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(b"pot\t1.5 \t2.5\r\npan  3.5\t4.5 \r\n\n")
    np.testing.assert_array_equal(read_table(path, choice()).vectors, [[1.5, 2.5], [3.5, 4.5]])


def test_words_that_stand_twice_count_once_and_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(b"pot 1 2\nPot 5 6\npot 3 4\n\xff\xfe 7 8\npan 9 9\n")
    table = read_table(path, choice())
    assert table.words == ("pot", "pan")
    np.testing.assert_array_equal(table.vectors, [[1, 2], [9, 9]])
    said = capsys.readouterr().err.splitlines()
    assert said == [
        f"{path}: 1 words are not UTF-8 and are left out, first number 4",
        f"{path}: 1 words stand in it twice, of which the first counts, such as pot",
    ]


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"\n \n", "an empty file"),
    "page": (b"<!doctype html>\n<p>Not found", "not a file of word vectors: its first line is n"),
    "zip": (b"PK\x03\x04rest", "a zip archive; unpack it"),
    "narrow": (b"pot 1 2\npan 1\n", "line 2 has 1 numbers, not 2; take another file"),
    "wide": (b"pot 1 2\nsalt 3 4\npan 1 2 3\n", "line 3 has 3 numbers, not 2"),
    "narrow behind counts": (b"2 2\npot 1 2\npan 1\n", "line 3 has 1 numbers, not 2"),
    "words": (b"pot 1 2\npan x 3\n", "line 2: 'x' is no number"),
    "infinite": (b"pot 1 2\npan inf 3\n", r"vector of 'pan' \(2\) is not finite in 16 bits"),
    "large": (b"pot 1 2\npan 70000 3\n", r"vector of 'pan' \(2\) is not finite in 16 bits"),
    "short text": (b"3 2\npot 1 2\npan 1 2\n", "ends after 2 of 3 words; download it again"),
    "short binary": (
        b"3 2\npot " + b"\0" * 8 + b"pan " + b"\0" * 5,
        "damaged or cut short at word 2 of 3; download it again",
    ),
    "binary without words": (
        b"3 2\npot " + b"\0" * 5000,
        "damaged or cut short at word 2 of 3; download it again",
    ),
    "no vectors": (b"3 0\n", "not a file of word vectors"),
    "symbols": (b", 1 2\n. 3 4\n", "holds no word that a caption could"),
    "half a gzip": (gzip.compress(b"pot 1 2\n" * 9999)[:60], "ends within its gzip"),
    "wrong gzip": (b"\x1f\x8b\x08rest of something else", "damaged or cut short"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    content, why = BAD[name]
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=why) as found:
        read_table(path, choice())
    assert str(found.value).startswith(f"{path}: ")
    assert "\n" not in str(found.value)


def test_a_bad_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "v")
    np.save(path / "vectors.npy", np.zeros((2, 3), np.float32))
    with pytest.raises(UserError, match=r"\(2, 3\) numbers for 9 words"):
        read_table(path, choice())
    (path / "vectors.npy").write_bytes(b"none")
    with pytest.raises(UserError, match="word vectors cannot be read"):
        read_table(path, choice())
    (path / "vectors.npy").unlink()
    with pytest.raises(UserError, match=r"one \.npy of vectors and one \.parquet of words"):
        read_table(path, choice())
