from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tests.descriptors.batched.frames import CPU, alike, moving
from triptych.descriptors.batched.crew import Crew, Order
from triptych.descriptors.batched.lanes import Film, Lane
from triptych.descriptors.extract import trajectories
from triptych.descriptors.how import How


def test_the_order_of_a_batch_by_hand() -> None:
    order = Order({0: 2, 3: 1, 2: 0}, {3}, lanes=4)
    # Frames: the last ones of lanes 0, 2 and 3, then 0 and 3, then 0.
    assert order.first == 3
    assert order.pairs == [(0, 0), (0, 3), (1, 0)]
    assert order.before == [0, 2, 3]
    assert order.spans == [slice(0, 2), slice(2, 3)]
    assert order.seen == [[-1, -1, -1, 2], [3, -1, -1, 4], [5, -1, -1, -1]]


def test_a_video_that_joins_late_is_as_alone(data: Path, tmp_path: Path) -> None:
    """And one that takes the lane of a video that has ended finds none of its points."""
    film = Film(moving(data, tmp_path), "none")
    wanted = list(trajectories(film.path, How("none")))
    found: dict[int, list[np.ndarray]] = {0: [], 1: [], 2: []}
    with ThreadPoolExecutor(2) as pool:
        lanes = [Lane(number, film, pool) for number in range(3)]
        crew = Crew(lanes[0].pyramid, 2, 7, CPU, pool)
        crew.join(lanes[0])
        late = [lanes[1], lanes[2]]
        while any(crew.lanes) or late:
            for lane, blocks in crew.round():
                assert isinstance(blocks, list)
                found[lane.number] += blocks
            if late and crew.room:
                crew.join(late.pop(0))
    for blocks in found.values():
        assert len(blocks) == len(wanted) - 1  # but that of the first frame
        alike(np.concatenate(wanted), np.concatenate(blocks))
