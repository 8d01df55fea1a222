from pathlib import Path

import pytest

from triptych.descriptors import describe as module
from triptych.descriptors.describe import describe, names
from triptych.errors import UsageError
from triptych.manifest.schema import SCHEMA, Manifest


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(tmp_path, SCHEMA.empty_table())


def test_descriptors_are_the_modules_of_a_folder(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names() == ["backbone", "features", "idt"]
    (tmp_path / "brightness.py").write_text(
        "from triptych.config import Config\n"
        "class Settings(Config):\n    bins: int = 4\n"
        "def describe(manifest, out, settings, *, given, workers=None):\n"
        "    return {'bins': settings.bins, 'given': sorted(given), 'out': str(out)}\n"
    )
    import triptych.descriptors.kinds as folder

    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    assert module.names() == ["backbone", "brightness", "features", "idt"]
    found = describe("brightness", manifest, tmp_path, ["bins=8"], model=None, keep_rows=False)
    assert found == {"bins": 8, "given": ["bins"], "out": str(tmp_path)}
    with pytest.raises(UsageError, match="the descriptor brightness takes no --keep-rows"):
        describe("brightness", manifest, tmp_path, keep_rows=True)
    with pytest.raises(UsageError, match="the descriptor brightness takes no --confidence"):
        describe("brightness", manifest, tmp_path, confidence=0.0)  # 0 is asked for too


def test_wrong_words_name_the_right_ones(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="'itd' is not a descriptor; descriptors are backbone, features, idt"
    ):
        describe("itd", manifest, tmp_path)
    with pytest.raises(UsageError, match="'component' is not a key; did you mean components"):
        describe("idt", manifest, tmp_path, ["component=3"])
    with pytest.raises(UsageError, match=r"vector='long': .*'sketch' or 'fisher'"):
        describe("idt", manifest, tmp_path, ["vector=long"])
