"""Films that move in known ways before known scenes, made once."""

from pathlib import Path

import pytest

from tests.explore.sharing.films import make


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``films.make``; tests write elsewhere."""
    folder = tmp_path_factory.mktemp("films")
    make(folder)
    return folder
