import sys

import pytest

from triptych.descriptors.needed import missing, require
from triptych.errors import UserError


def test_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert "opencv-contrib-python-headless" in missing()
    with pytest.raises(
        UserError, match="`python -m pip install opencv-contrib-python-headless"
    ) as error:
        require()
    assert "\n" not in str(error.value)


def test_the_trajectories_were_tested_too() -> None:
    if lacking := missing():
        pytest.skip(f"no test of trajectories ran: {', '.join(lacking)} not installed")
    require()
