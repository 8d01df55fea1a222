"""What tests of several folders share: real media, a small collection, a small language model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.small import Small


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real sounds and videos; tests that need it are skipped where it is absent."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRIPTYCH_DATA", beside))
    if not folder.is_dir():
        pytest.skip("the shared media are not beside this checkout; set TRIPTYCH_DATA to them")
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Six narrated demo videos, scanned and cached once for the session."""
    from tests.small import make_small  # here: torch takes a second to load

    return make_small(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small RoBERTa."""
    from tests.encoders.tiny import save_roberta  # here: transformers takes a second to load

    return save_roberta(tmp_path_factory.mktemp("language-model") / "tiny")
