import sys
from pathlib import Path

import pytest

from triptych.encoders.packaged import inside
from triptych.errors import UserError


def test_a_file_is_found_and_no_code_of_its_package_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_weights"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "data" / "w.pth").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    found = inside("some_weights", "data/w.pth", "some-weights", "video encoder x")
    assert found.read_bytes() == b"weights"
    assert inside("some_weights", "data", "some-weights", "video encoder x").is_dir()
    assert "some_weights" not in sys.modules
    with pytest.raises(UserError, match=r"^video encoder x: the package some-weights lacks v\.pth"):
        inside("some_weights", "v.pth", "some-weights", "video encoder x")


def test_a_package_that_is_not_there_is_named_with_what_installs_it() -> None:
    with pytest.raises(UserError) as found:
        inside("not_there_at_all", "w.pth", "not-there-at-all", "video encoder x")
    assert str(found.value) == (
        "video encoder x: the package not-there-at-all is not installed; "
        "pip install 'triptych[backbones]'"
    )
