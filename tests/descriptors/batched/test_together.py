from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips.making import write_video
from tests.descriptors.batched.frames import alike, moving
from tests.descriptors.scenes import film as scene
from triptych.descriptors.batched import together as module
from triptych.descriptors.batched.crew import Crew
from triptych.descriptors.batched.device import Device
from triptych.descriptors.batched.lanes import Film
from triptych.descriptors.batched.together import Together
from triptych.descriptors.extract import trajectories
from triptych.descriptors.how import How
from triptych.errors import UserError


@pytest.fixture(scope="module")
def square(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [np.repeat(picture[..., None], 3, axis=2) for picture in scene(20)]
    path = tmp_path_factory.mktemp("clip") / "square.mp4"
    return write_video(path, range(0, 800, 40), picture=pictures.__getitem__)


def test_videos_of_many_kinds_give_what_each_gives_alone(
    data: Path, square: Path, tmp_path: Path
) -> None:
    """Two sizes, two lengths, one that is not there, one with a camera that moves."""
    films = [
        Film(square),
        Film(square.parent / "gone.mp4"),
        Film(moving(data, tmp_path, 26)),
        Film(square),
    ]
    found: dict[int, list[object]] = {}
    for number, event in Together(films, Device("cpu", 12)).events():
        found.setdefault(number, []).append(event)
    assert "gone.mp4: cannot be opened" in str(found[1][0])
    assert len(found[1]) == 1
    for number in (0, 2, 3):
        *blocks, end = found[number]
        assert end is None
        wanted = list(trajectories(films[number].path, How()))
        assert len(blocks) == len(wanted)
        alike(np.concatenate(wanted), np.concatenate(blocks))


def test_fewer_frames_at_once_change_nothing(square: Path) -> None:
    """Batches of 256 frames, of a few, and of as many as one of a larger picture would be."""
    many, few = (
        np.concatenate(
            [
                event
                for _, event in Together([Film(square, "none")], Device("cpu", n)).events()
                if event is not None
            ]
        )  # type: ignore[misc]
        for n in (256, 1)
    )
    alike(many, few)


def test_memory_that_does_not_suffice_is_one_line(
    square: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Crew) -> None:
        raise torch.OutOfMemoryError("much")

    monkeypatch.setattr(module.Crew, "round", full)
    with pytest.raises(UserError, match=r"device cpu: .* 40 frames at once; .* --frames 20"):
        list(Together([Film(square)], Device("cpu", 40)).events())
