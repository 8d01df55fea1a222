import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from triptych.errors import UserError
from triptych.state import checkpoint

TENSORS = {
    "encoders.video.weight": torch.arange(6.0).reshape(2, 3),
    "encoders.video.steps": torch.tensor(3),
    "heads.x.weight": torch.ones(2, 2),
}


def refused(path: Path) -> str:
    with pytest.raises(UserError) as found:
        checkpoint.load(path)
    line = str(found.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    return line


def test_tensors_and_facts_come_back(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.safetensors"
    half = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    turned = torch.randn(2, 3, 4, 5, 6).to(memory_format=torch.channels_last_3d)
    facts = {"epoch": 3, "best": None, "words": ["öl", "don't"], "loss": 0.1}
    checkpoint.save(path, {**TENSORS, "half": half, "turned": turned}, facts)
    tensors, found = checkpoint.load(path)
    assert found == facts
    assert tensors.keys() == {*TENSORS, "half", "turned"}
    assert torch.equal(tensors["half"], half)
    assert torch.equal(tensors["turned"], turned)
    assert tensors["encoders.video.steps"].dtype == torch.int64
    assert os.listdir(path.parent) == [path.name]


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, TENSORS, {"epoch": 1})
    with pytest.raises(TypeError):
        checkpoint.save(path, TENSORS, {"epoch": object()})
    script = """
import resource, sys, torch
from pathlib import Path
from triptych.errors import UserError
from triptych.state import checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    checkpoint.save(Path(sys.argv[1]), {"encoders.x": torch.zeros(100_000)}, {"epoch": 2})
except UserError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{path}: the checkpoint cannot be written (")
    assert checkpoint.load(path)[1] == {"epoch": 1}
    assert os.listdir(tmp_path) == [path.name]


def test_a_run_killed_while_saving_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    script = """
import sys, torch
from pathlib import Path
from triptych.state import checkpoint
for epoch in range(10**6):
    values = torch.full((2_000_000,), float(epoch))
    checkpoint.save(Path(sys.argv[1]), {"encoders.x": values}, {"epoch": epoch})
"""
    with subprocess.Popen([sys.executable, "-c", script, str(path)]) as process:
        try:
            until = time.monotonic() + 60
            while not path.exists() and time.monotonic() < until:
                time.sleep(0.01)
            while not list(tmp_path.glob(".*.part")) and time.monotonic() < until:
                pass  # the moment at which a save is under way
        finally:
            process.send_signal(signal.SIGKILL)
    tensors, facts = checkpoint.load(path)
    assert (tensors["encoders.x"] == facts["epoch"]).all()


def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    assert "no checkpoint here" in refused(path)
    assert "no checkpoint here" in refused(tmp_path)
    for content in (b"", b"not safetensors at all", b"\x80\x04pickle", os.urandom(4096)):
        path.write_bytes(content)
        assert "not a readable checkpoint" in refused(path)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, TENSORS, {})
    whole = path.read_bytes()
    for size in (4, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "not a readable checkpoint" in refused(path)


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.ones(2)}, path)
    assert "not a checkpoint of Triptych" in refused(path)
    save_file({"weight": torch.ones(2)}, path, {"format": "pt"})
    assert "not a checkpoint of Triptych" in refused(path)
    save_file({"weight": torch.ones(2)}, path, {"format": "triptych.checkpoint.9"})
    assert "in format triptych.checkpoint.9" in refused(path)


def test_the_best_checkpoint_of_a_run_comes_before_the_last(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint here; train one"):
        checkpoint.of_run(tmp_path)
    for name in ("initial", "last", "best"):
        path = tmp_path / "checkpoints" / f"{name}.safetensors"
        checkpoint.save(path, TENSORS, {})
        assert checkpoint.of_run(tmp_path) == path


def test_the_hash_is_of_the_encoders_alone() -> None:
    before = checkpoint.weights_hash(TENSORS)
    assert len(before) == 64
    changed = {**TENSORS, "heads.x.weight": torch.zeros(9), "optimizers.a": torch.ones(1)}
    assert checkpoint.weights_hash(dict(reversed(changed.items()))) == before
    weight = TENSORS["encoders.video.weight"]
    for other in (weight + 1e-6, weight.flip(0)):
        changed = {**TENSORS, "encoders.video.weight": other}
        assert checkpoint.weights_hash(changed) != before
    turned = torch.randn(2, 3, 2, 2, 2)
    layouts = (turned, turned.to(memory_format=torch.channels_last_3d))
    assert len({checkpoint.weights_hash({"encoders.x": values}) for values in layouts}) == 1


@given(names=st.sets(st.from_regex(r"[a-z]{1,3}(\.[a-z]{1,3}){0,2}", fullmatch=True)))
def test_a_part_comes_back_from_under_its_prefix(names: set[str]) -> None:
    tensors = {name: torch.tensor(i) for i, name in enumerate(sorted(names))}
    both: dict[str, Tensor] = checkpoint.prefixed("a", tensors) | checkpoint.prefixed("ab", {})
    assert checkpoint.part(both, "a") == tensors
    assert checkpoint.part(checkpoint.prefixed("ab", tensors), "a") == {}


def test_facts_are_plain_json_that_other_tools_can_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, TENSORS, {"epoch": 4})
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    assert json.loads(header["__metadata__"]["facts"]) == {"epoch": 4}


@pytest.mark.parametrize("facts", [{}, {"facts": "{"}])
def test_damaged_facts_are_refused(tmp_path: Path, facts: dict[str, str]) -> None:
    path = tmp_path / "a.safetensors"
    save_file(TENSORS, path, {"format": checkpoint.FORMAT, **facts})
    assert "facts are damaged" in refused(path)


def test_a_checkpoint_is_as_readable_as_other_files(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "a.safetensors", TENSORS, {})
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode
