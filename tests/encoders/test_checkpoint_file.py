import argparse
import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from triptych.encoders.checkpoint_file import read
from triptych.errors import UserError

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2).half()}


def same(found: dict[str, Tensor]) -> None:
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], value) for name, value in WEIGHTS.items())


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.pth.tar", "w"])
@pytest.mark.parametrize("new", [True, False], ids=["zip", "before 1.6"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        OrderedDict,
        lambda weights: {"state_dict": weights, "epoch": 3, "arch": "resnet-18"},
        lambda weights: {"model": weights, "selflabels": torch.zeros(4), "epoch": 1},
        lambda weights: {"model": {"state_dict": weights}, "optimizer": {"state": {0: WEIGHTS}}},
    ],
    ids=["plain", "ordered", "3D-ResNets", "SeLaVi", "nested"],
)
def test_weights_are_found_in_what_projects_save(
    tmp_path: Path, name: str, new: bool, wrap: Any
) -> None:
    torch.save(wrap(WEIGHTS), tmp_path / name, _use_new_zipfile_serialization=new)
    same(read(tmp_path / name))


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    same(read(tmp_path / "w.safetensors"))


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    ("held", "what"),
    [
        (nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"state_dict": WEIGHTS, "args": argparse.Namespace(k=1)}, "argparse.Namespace"),
        ({"state_dict": WEIGHTS, "trap": Trap()}, "mkdir"),
    ],
    ids=["module", "arguments", "trap"],
)
def test_nothing_is_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: Any, what: str, new: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(held, tmp_path / "w.pth", _use_new_zipfile_serialization=new)
    with pytest.raises(UserError, match=f"holds more than tensors .*{what}.*plain state_dict"):
        read(tmp_path / "w.pth")
    assert not (tmp_path / "sprung").exists()


def written(held: Any, new: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(held, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


WHOLE, OLD = written({"a": torch.rand(500)}), written({"a": torch.rand(500)}, False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html>\n<html>...", "a web page"),
        (b"\n  <html><head>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS"),
        (b"some words", "not a file of weights .it begins with b'some words'"),
        (WHOLE[: len(WHOLE) // 2], "damaged or cut short"),
        (WHOLE[:70], "damaged or cut short"),
        (OLD[: len(OLD) // 2], "damaged or cut short"),
        (OLD[:30], "damaged or cut short"),
        (written([torch.zeros(2)]), "no weights by name"),
        (written({"epoch": 3, "model": {"epoch": 4}}), "no weights by name"),
        (written({"a": torch.eye(3).to_sparse()}), "a is no plain tensor of numbers"),
        (written({"a": torch.zeros(3, device="meta")}), "a is no plain tensor of numbers"),
        # A pickle of Python itself, which torch explains at length.
        (pickle.dumps(Trap()), "holds more than tensors, and reading that would run code"),
    ],
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@given(cut=st.integers(0, min(len(WHOLE), len(OLD)) - 1), new=st.booleans())
def test_wherever_a_file_is_cut_it_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, cut: int, new: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.pth"
    path.write_bytes((WHOLE if new else OLD)[:cut])
    with pytest.raises(UserError) as error:
        read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cut", [0, 5, 60])
def test_safetensors_cut_short_are_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "w.safetensors"
    save_file(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="not safetensors, or cut short"):
        read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        read(tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory"):
        read(tmp_path)
