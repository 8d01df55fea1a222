import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import event

from tests.clips.making import write_video
from tests.descriptors.scenes import film
from triptych.descriptors.kernels import Announced, ready

# In an interpreter of its own: which functions a real film takes that were not made ready before.
LEFT = """
import gc, sys
from pathlib import Path
from numba.core.registry import CPUDispatcher
from triptych.descriptors.extract import trajectories
from triptych.descriptors.how import How
from triptych.descriptors.kernels import ready
from triptych.descriptors.rows import write_rows

def made():
    return {
        (one.py_func.__qualname__, str(types))
        for one in gc.get_objects() if isinstance(one, CPUDispatcher)
        if one.py_func.__module__.startswith("triptych") for types in one.signatures
    }

assert len(ready()) > 20
before = made()
assert len(before) > 5
video, box = Path(sys.argv[1]), {3: [(0.0, 0.0, 20.0, 20.0)]}
for how in (How(), How("sift-full"), How("none", fast=True)):
    rows, _ = write_rows(Path(sys.argv[2]), trajectories(video, how, box), "idt", {})
    assert rows > 20
print(sorted(made() - before))
"""


def test_nothing_is_left_to_be_compiled_at_the_first_video(tmp_path: Path) -> None:
    pictures = [np.repeat(picture[..., None], 3, axis=2) for picture in film(20)]
    video = write_video(tmp_path / "a.mp4", range(0, 800, 40), picture=pictures.__getitem__)
    done = subprocess.run(
        [sys.executable, "-c", LEFT, str(video), str(tmp_path / "a.gz")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_compiling_is_said_once_and_reading_what_was_compiled_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ready()
    capsys.readouterr()
    with event.install_listener("numba:compile", Announced()):
        ready.__wrapped__()
        assert capsys.readouterr().err == ""
        add, double = numba.njit(lambda x, y: x + y), numba.njit(lambda x: 2 * x)
        assert add(1, 2) == 3
        assert "once on this machine" in capsys.readouterr().err
        assert double(add(1.5, 2)) == 7
        assert capsys.readouterr().err == ""
