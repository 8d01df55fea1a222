"""Where the real media are: beside the repository, or where TRIPTYCH_DATA says."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real sounds and videos; tests that need it are skipped where it is absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRIPTYCH_DATA", beside))
    if not folder.is_dir():
        pytest.skip("the shared media are not beside this checkout; set TRIPTYCH_DATA to them")
    return folder
