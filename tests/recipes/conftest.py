"""The small real collection, with labels whose test part no run may see."""

import csv
from pathlib import Path

import pytest

from tests.small import Small


@pytest.fixture(scope="session")
def labelled(small: Small, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Manifest and labels: every second video is "odd", the last two of six are the test part."""
    folder = tmp_path_factory.mktemp("labelled")
    small.manifest.write(folder / "manifest.parquet")
    paths = sorted(set(small.manifest.column("path")))
    assert len(paths) == 6
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "parity", "split"])
        for number, path in enumerate(paths):
            parity = "odd" if number % 2 else "even"
            writer.writerow([path, parity, "train" if number < 4 else "test"])
    return folder / "manifest.parquet", folder / "labels.csv"
