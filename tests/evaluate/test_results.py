import json
from pathlib import Path

import pytest

from triptych.errors import UserError
from triptych.evaluate.results import add_result, read_results

ROWS = [{"metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "seeds": 1}]


def test_evaluations_stand_side_by_side_and_are_replaced_by_name(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "results.json"
    add_result(file, "xdc/knn", ROWS, {"k": 20})
    add_result(file, "xdc/linear", ROWS, {"folds": 5})
    add_result(file, "xdc/knn", [], {"k": 5})
    assert read_results(file) == {
        "xdc/knn": {"rows": [], "protocol": {"k": 5}},
        "xdc/linear": {"rows": ROWS, "protocol": {"folds": 5}},
    }
    assert json.loads(file.read_text())["format"] == 1
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("content", ["", "[]", '{"rows": 3}', '{"format": 9, "evaluations": {}}'])
def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "notes.json"
    file.write_text(content)
    with pytest.raises(UserError, match="not a results file"):
        add_result(file, "a", ROWS, {})
    assert file.read_text() == content


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        add_result(tmp_path, "a", ROWS, {})
