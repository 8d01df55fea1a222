from pathlib import Path

import numpy as np
import pytest

import triptych
from tests.evaluate.test_retrieval import table_of
from triptych.cli import main
from triptych.errors import UsageError


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    eye = np.eye(4, dtype=np.float32), np.ones(4, bool)
    table_of({"shared_video": eye, "shared_text": eye}, list("aabb")).write(tmp_path / "e.parquet")
    return tmp_path / "e.parquet"


def test_retrieval_needs_no_labels_and_takes_its_protocol(
    embeddings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "retrieval", str(embeddings), "query=video", "ties=optimistic", "--json"]
    monkeypatch.setattr("sys.argv", ["triptych", *words])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    assert '"vector": "video to text"' in capsys.readouterr().out
    found = triptych.evaluate("retrieval", embeddings, settings=["query=video"])
    assert found["table"][0]["value"] == 1.0


def test_settings_are_of_retrieval_and_localization_only(embeddings: Path) -> None:
    with pytest.raises(UsageError, match="knn: needs a CSV of labels"):
        triptych.evaluate("knn", embeddings)
    with pytest.raises(UsageError, match="'k=3': only retrieval and localization have settings"):
        triptych.evaluate("knn", embeddings, "labels.csv", ["k=3"])
    with pytest.raises(UsageError, match=r"ties.*should be 'average'"):
        triptych.evaluate("retrieval", embeddings, settings=["ties=fair"])
