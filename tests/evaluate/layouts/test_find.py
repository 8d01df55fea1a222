import pickle
from pathlib import Path

import numpy as np
import pytest

from triptych import config
from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import find
from triptych.evaluate.layouts.sets import RetrievalSet


def test_layouts_are_found_by_their_modules() -> None:
    assert find.names("retrieval") == ["msrvtt", "youcook2"]
    assert find.names("localization") == ["coin", "crosstask", "mining_youtube"]
    assert find.names() == sorted(find.names("retrieval") + find.names("localization"))


def test_a_set_is_read_by_the_name_of_its_layout_and_remarks_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = {"id": "aaaaaaaaaaa_0", "2d": np.ones(2), "3d": np.ones(2), "caption": "stir"}
    (tmp_path / "youcook_val_audio.pkl").write_bytes(pickle.dumps([clip]))
    found = find.load("youcook2", tmp_path, variant="pickle")
    assert isinstance(found, RetrievalSet)
    assert len(found) == 1
    assert "a subset, 1 of 3350 clips" in capsys.readouterr().err


def test_names_and_choices_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose one of coin, crosstask"):
        find.load("kitti", tmp_path)
    with pytest.raises(UsageError, match="choose one of coin"):
        find.load("untrusted", tmp_path)
    with pytest.raises(UsageError, match="no choice 'fold'; there are variant"):
        find.load("youcook2", tmp_path, fold=1)


def test_what_a_reader_may_be_asked_for_are_settings_with_its_defaults() -> None:
    kind = find.choices_of("crosstask")
    assert kind().model_dump() == {"variant": None, "leave_out": 0, "seed": 0}
    chosen = config.override(kind(), ["variant=release", "leave_out=30"])
    assert chosen.model_dump() == {"variant": "release", "leave_out": 30, "seed": 0}
    with pytest.raises(UsageError, match="leave_out='some'"):
        config.override(kind(), ["leave_out=some"])
    assert config.override(find.choices_of("msrvtt")(), ["absent=left out"]).model_dump() == {
        "variant": None,
        "absent": "left out",
    }


@pytest.mark.parametrize("name", find.names())
def test_an_empty_folder_is_one_line_that_names_the_authors(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        find.load(name, tmp_path)
    line = str(caught.value)
    assert "missing" in line
    assert "\n" not in line
    assert "authors" in line or "release data" in line
