import sys
from pathlib import Path

import pytest

from triptych.descriptors.kinds.idt import Settings, describe
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import SCHEMA, Manifest


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(tmp_path, SCHEMA.empty_table())


def test_a_fitted_model_has_decided(manifest: Manifest, tmp_path: Path) -> None:
    model = tmp_path / "idt.safetensors"
    with pytest.raises(UsageError, match=r"components: .*idt\.safetensors decides that"):
        describe(manifest, tmp_path, Settings(), given={"vector", "components"}, model=model)


def test_what_is_left_goes_into_a_folder(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="out: not a folder; --out is one"):
        describe(manifest, tmp_path / "out", Settings())


def test_boxes_are_a_folder(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gone: not a folder"):
        describe(manifest, tmp_path, Settings(), boxes=tmp_path / "gone")


def test_what_is_missing_is_said_before_any_work(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(UserError, match="trajectories need"):
        describe(manifest, tmp_path / "out", Settings())
    assert not (tmp_path / "out").exists()


def test_boxes_are_given_or_found(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--boxes .* --people .* leave one out"):
        describe(manifest, tmp_path / "out", Settings(), boxes=tmp_path, people="hog")
    assert not (tmp_path / "out").exists()
