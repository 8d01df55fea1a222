import io
import os
import pickle
import re
import subprocess
import sys
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from triptych.errors import UserError
from triptych.evaluate.layouts import untrusted

PROTOCOLS = [0, 2, 3, 4, 5]


def written(tmp_path: Path, raw: bytes, name: str = "a.pkl") -> Path:
    path = tmp_path / name
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_list_of_features_comes_back_as_it_was(tmp_path: Path, protocol: int) -> None:
    shared = np.arange(3, dtype=np.float32)
    given = [
        {
            "id": "añ_1",
            "2d": np.arange(6, dtype=">f4").reshape(2, 3).T,
            "3d": shared,
            "again": shared,
            "count": np.int64(7),
            "audio": torch.arange(6.0).reshape(2, 3)[:, 1:],
            "half": torch.ones(2).half(),
            "brain": torch.ones(2, dtype=torch.bfloat16),
            "empty": np.zeros((0, 4), np.float16),
            "captions": ("a", "b"),
            "of": OrderedDict(x=1),
            "more": defaultdict(list, y=[2]),
            "raw": b"\x00\xff",
            "set": {1, 2},
        }
    ]
    found = untrusted.pickled(written(tmp_path, pickle.dumps(given, protocol=protocol)))
    one, back = given[0], found[0]
    assert list(back) == list(one)
    for key in ("2d", "3d", "empty"):
        np.testing.assert_array_equal(back[key], one[key])
        assert back[key].dtype == np.asarray(one[key]).dtype
    np.testing.assert_array_equal(back["audio"], [[1, 2], [4, 5]])
    assert back["half"].dtype == np.float16
    np.testing.assert_array_equal(back["brain"], [1, 1])
    assert back["3d"] is back["again"]
    for key in ("id", "count", "captions", "of", "more", "raw", "set"):
        assert back[key] == one[key]


@given(
    arrays(
        st.sampled_from(["<f4", ">f8", "<i2", "|u1", "|b1", "<f2", "<U3"]),
        array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.sampled_from(PROTOCOLS),
)
def test_every_plain_array_comes_back(tmp_path_factory: Any, array: Any, protocol: int) -> None:
    path = tmp_path_factory.mktemp("a") / "a.pkl"
    path.write_bytes(pickle.dumps([array], protocol=protocol))
    np.testing.assert_array_equal(untrusted.pickled(path)[0], array)


class Runs:
    """Unpickled freely, it calls what it is told to."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.made = (function, args)

    def __reduce__(self) -> Any:
        return self.made


class Own:
    pass


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("evil", "name"),
    [
        (lambda mark: Runs(os.mkdir, str(mark)), "posix.mkdir"),
        (lambda mark: Runs(eval, f"open({str(mark)!r}, 'w')"), "eval"),
        (lambda mark: Runs(subprocess.check_call, ["touch", str(mark)]), "check_call"),
        (lambda _: Runs(getattr, [], "append"), "getattr"),
        (lambda mark: Runs(torch.load, str(mark)), "load"),
        (lambda mark: Runs(np.load, str(mark), None, True), "load"),
        (lambda _: Own(), r"Own|copy_reg._reconstructor"),
        (lambda _: np.array([Own()], object), "array of Python objects"),
    ],
)
def test_whatever_is_no_plain_value_is_refused_by_its_name(
    tmp_path: Path, evil: Any, name: str, protocol: int
) -> None:
    mark = tmp_path / "it-ran"
    path = written(tmp_path, pickle.dumps([{"id": "x", "2d": evil(mark)}], protocol=protocol))
    with pytest.raises(UserError, match="could run code") as caught:
        untrusted.pickled(path)
    assert re.search(name, str(caught.value))
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_the_same_pickle_runs_when_it_is_read_freely(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    raw = pickle.dumps(Runs(subprocess.check_call, ["touch", str(mark)]))
    subprocess.run([sys.executable, "-c", f"import pickle; pickle.loads({raw!r})"], check=True)
    assert mark.exists()


def test_a_tensor_whose_numbers_are_another_pickle_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    inner = io.BytesIO()
    torch.save(Runs(subprocess.check_call, ["touch", str(mark)]), inner)
    outer = Runs(torch.storage._load_from_bytes, inner.getvalue())
    with pytest.raises(UserError, match="asks for more than numbers"):
        untrusted.pickled(written(tmp_path, pickle.dumps([outer])))
    assert not mark.exists()


def test_what_a_pickle_may_call_cannot_be_changed(tmp_path: Path) -> None:
    # BUILD on the stand-in of collections.OrderedDict: would set attributes of a function.
    raw = b"ccollections\nOrderedDict\n(N}S'make'\nI1\nstb."
    with pytest.raises(UserError, match="changes what is no value of its own"):
        untrusted.pickled(written(tmp_path, raw))


@pytest.mark.parametrize(
    ("size", "stride", "offset"), [((10**9,), (0,), 0), ((2, 2), (2, 1), 3), ((4,), (1,), -1)]
)
def test_a_tensor_beyond_its_numbers_is_refused(
    tmp_path: Path, size: Any, stride: Any, offset: int
) -> None:
    storage = torch.arange(4.0).__reduce_ex__(2)[1][0]
    made = Runs(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, {})
    with pytest.raises(UserError):
        untrusted.pickled(written(tmp_path, pickle.dumps([made])))


def test_an_array_beyond_its_numbers_is_refused(tmp_path: Path) -> None:
    whole = pickle.dumps(np.arange(4, dtype="<i4"), protocol=2)
    longer = whole.replace(b"K\x04\x85", b"K\x05\x85")
    assert longer != whole
    with pytest.raises(UserError, match="do not fill it"):
        untrusted.pickled(written(tmp_path, longer))


def test_a_list_in_itself_and_what_grows_by_sharing_end(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UserError, match="inside each other"):
        untrusted.pickled(written(tmp_path, pickle.dumps(endless)))
    many: list[Any] = ["x"]
    for _ in range(10):
        many = [many] * 100
    assert len(untrusted.pickled(written(tmp_path, pickle.dumps(many)))) == 100


def test_numbers_that_python_2_wrote_as_text(tmp_path: Path) -> None:
    text = pickle.dumps(np.array([1, 200], "<u2"), protocol=2)
    # Python 2 wrote a string where Python 3 writes a call of _codecs.encode.
    call = rb"h.X\x05\0\0\0\x01\0\xc3\x88\0q.h.\x86q.Rq."
    raw, count = re.subn(call, lambda _: b"U\x04\x01\0\xc8\0", text, flags=re.DOTALL)
    assert count == 1
    np.testing.assert_array_equal(untrusted.pickled(written(tmp_path, raw)), [1, 200])


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "cut short"),
        (pickle.dumps([np.ones(50)])[:-40], "cut short"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        (b"\x80\x04\x95garbage", "cut short"),
    ],
)
@pytest.mark.parametrize("reader", [untrusted.pickled, untrusted.tensors])
def test_what_is_no_pickle_is_said_in_a_line(
    tmp_path: Path, raw: bytes, says: str, reader: Any
) -> None:
    with pytest.raises(UserError, match=says) as caught:
        reader(written(tmp_path, raw))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    for reader in (untrusted.pickled, untrusted.tensors, untrusted.array):
        with pytest.raises(UserError, match="No such file"):
            reader(tmp_path / "none.npy")


CLIPS = [{"id": "x", "2d": np.arange(6.0).reshape(2, 3), "a": torch.ones(3), "o": {1, 2}}]
RAW = {protocol: pickle.dumps(CLIPS, protocol=protocol) for protocol in PROTOCOLS}


@given(st.data())
def test_whatever_bytes_are_changed_it_is_read_or_refused_in_a_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(RAW[data.draw(st.sampled_from(PROTOCOLS))])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, 500)) % len(raw)
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    path = tmp_path_factory.mktemp("a") / "a.pkl"
    path.write_bytes(bytes(raw))
    said = []
    try:
        untrusted.pickled(path)
    except UserError as error:
        said.append(str(error))
    assert "\n" not in "".join(said)


def test_a_place_beyond_all_values_takes_no_memory(tmp_path: Path) -> None:
    raw = b"\x80\x02]r\xff\xff\xff\xf0."
    with pytest.raises(UserError, match="place 4043309055 of 2 values"):
        untrusted.pickled(written(tmp_path, raw))
    many = [str(i) for i in range(70_000)]
    assert untrusted.pickled(written(tmp_path, pickle.dumps(many, protocol=2))) == many


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_a_pth_come_as_arrays(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "features.pth"
    torch.save(
        {"2d": {"video1": torch.arange(3.0)}, "3d": {}},
        path,
        _use_new_zipfile_serialization=zipped,
    )
    found = untrusted.tensors(path)
    np.testing.assert_array_equal(found["2d"]["video1"], [0, 1, 2])
    assert found["3d"] == {}


def test_a_pth_that_would_run_code_is_refused_by_name(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    torch.save({"2d": Runs(subprocess.check_call, ["touch", str(mark)])}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"check_call, and reading"):
        untrusted.tensors(tmp_path / "a.pth")
    assert not mark.exists()


def test_arrays_of_files_and_the_keys_of_archives(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(4, dtype=np.float16))
    np.savez(tmp_path / "a.npz", features=np.ones((2, 3)))
    np.testing.assert_array_equal(untrusted.array(tmp_path / "a.npy"), [0, 1, 2, 3])
    assert untrusted.array(tmp_path / "a.npz", "features").shape == (2, 3)
    with pytest.raises(UserError, match="holds features, and no 'arr_0'"):
        untrusted.array(tmp_path / "a.npz", "arr_0")


def test_arrays_that_are_none_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([Own()], object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", a=np.array([Own()], object))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "words.npy").read_bytes()[:-2])
    (tmp_path / "text.npy").write_text("hello")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("a.npy", b"hello")
    for name, says in {
        "objects.npy": "could run code",
        "words.npy": "not an array of numbers",
        "cut.npy": "not an array of NumPy",
        "text.npy": "not an array of NumPy",
    }.items():
        with pytest.raises(UserError, match=says):
            untrusted.array(tmp_path / name)
    for name in ("objects.npz", "b.npz"):
        with pytest.raises(UserError):
            untrusted.array(tmp_path / name, "a")
