from pathlib import Path

import numpy as np
import pytest

from tests.descriptors import films
from tests.descriptors.batched.frames import alike
from triptych.descriptors import running as module
from triptych.descriptors.batched.device import Device
from triptych.descriptors.how import How
from triptych.descriptors.model import FisherSettings
from triptych.descriptors.rows import read_facts, read_rows
from triptych.descriptors.running import one_by_one, side_by_side
from triptych.descriptors.videos import Sample, Store, videos_of
from triptych.workers import Crashed


def test_side_by_side_is_as_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With problems said of the same videos, and the rows of the others alike."""
    manifest = films.make(tmp_path / "films")
    settings = FisherSettings()
    stores = [Store(tmp_path / name, tmp_path / name / "rows") for name in ("one", "side")]
    tasks = [Sample(store, settings) for store in stores]
    videos = [videos_of(manifest, How("none", device=device)) for device in (None, Device("cpu"))]
    alone = list(one_by_one(tasks[0], videos[0], 0))
    monkeypatch.setattr(module, "GROUP", 3)
    together = list(side_by_side(tasks[1], videos[1], 0, Device("cpu")))
    assert alone == together
    assert sum(problem is None for problem in alone) == 6
    for one, other, problem in zip(*videos, alone, strict=True):
        assert tasks[0].done(one) == tasks[1].done(other) == (problem is None)
        if problem is None:
            files = stores[0].rows_of(one), stores[1].rows_of(other)
            assert read_facts(files[0]) == read_facts(files[1])
            theirs, ours = (
                np.concatenate([*read_rows(file), np.empty((0, 436))]) for file in files
            )
            if len(theirs):
                alike(theirs, ours, least=0)


def test_a_group_that_crashes_is_tried_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = films.make(tmp_path / "films")
    store = Store(tmp_path, tmp_path / "rows")
    videos = videos_of(manifest, How("none", device=Device("cpu")))[1:4]
    real = module.run_isolated

    def run(function, items, **how):  # type: ignore[no-untyped-def]
        """What brings a process down where it is in a group is the second video."""
        for index, item in enumerate(items):
            if videos[1] in item:
                yield index, Crashed("signal 11")
            else:
                how["workers"] = 0
                yield from ((index, done) for _, done in real(function, [item], **how))

    monkeypatch.setattr(module, "run_isolated", run)
    found = list(side_by_side(Sample(store, FisherSettings()), videos, 0, Device("cpu")))
    problems = [problem for problem in found if problem]
    assert [(problem.path, problem.kind) for problem in problems] == [(videos[1].path, "crashed")]
    assert len(found) == 3
    assert store.has_rows_of(videos[0])
    assert store.has_rows_of(videos[2])
