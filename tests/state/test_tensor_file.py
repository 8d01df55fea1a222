from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from triptych.errors import UserError
from triptych.state import checkpoint, tensor_file
from triptych.state.tensor_file import Kind

MAP = Kind("triptych.map.2", "map", "draw one")
TENSORS = {"land": torch.arange(4)}


def refused(path: Path) -> str:
    with pytest.raises(UserError) as found:
        tensor_file.load(path, MAP)
    line = str(found.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.safetensors"
    tensor_file.save(path, TENSORS, {"scale": 0.1}, MAP)
    tensors, facts = tensor_file.load(path, MAP)
    assert facts == {"scale": 0.1}
    assert torch.equal(tensors["land"], TENSORS["land"])


def test_one_kind_is_not_read_as_another(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    assert refused(path) == "no map here; draw one"
    checkpoint.save(path, TENSORS, {})
    assert refused(path) == "safetensors, but not a map of Triptych"
    tensor_file.save(path, TENSORS, {}, Kind("triptych.map.1", "map", "draw one"))
    assert refused(path) == "in format triptych.map.1, this version reads triptych.map.2"
    tensor_file.save(path, TENSORS, {}, MAP)
    with pytest.raises(UserError, match="not a checkpoint of Triptych"):
        checkpoint.load(path)


@pytest.mark.parametrize("facts", ["[]", "{", "3"])
def test_facts_that_are_no_facts_are_refused(tmp_path: Path, facts: str) -> None:
    path = tmp_path / "a.safetensors"
    save_file(TENSORS, path, {"format": MAP.format, "facts": facts})
    assert refused(path) == "its facts are damaged; take another map"


def test_a_file_of_another_suffix_is_told_where_it_may_belong(tmp_path: Path) -> None:
    kind = Kind("triptych.map.2", "map", "draw one", "globes go elsewhere")
    for name, hinted in (("a.pth", True), ("a.safetensors", False), ("a", False)):
        (tmp_path / name).write_bytes(b"no such thing")
        with pytest.raises(UserError, match="not a readable map") as found:
            tensor_file.load(tmp_path / name, kind)
        assert str(found.value).endswith("; globes go elsewhere") == hinted
