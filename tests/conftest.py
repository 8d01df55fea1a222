"""What tests of several folders share: the real media, and a small language model."""

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


@pytest.fixture(scope="session")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small RoBERTa."""
    from tests.encoders.tiny import save_roberta  # here: transformers takes a second to load

    return save_roberta(tmp_path_factory.mktemp("language-model") / "tiny")
