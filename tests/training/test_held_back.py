import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triptych.training.held_back import held_back, stopped_falling


@given(
    st.lists(st.integers(0, 20), min_size=2, max_size=60),
    st.floats(0.01, 0.5),
    st.integers(0, 5),
)
def test_whole_files_are_held_back_and_some_are_left(
    files: list[int], share: float, seed: int
) -> None:
    paths = np.array([f"{name}.mp4" for name in files], object)
    held = held_back(paths, share, seed)
    assert held.any()
    assert not held.all()
    if len(set(files)) > 1:
        assert not set(paths[held]) & set(paths[~held])
        count = len(set(paths))
        assert len(set(paths[held])) == min(max(1, round(share * count)), count - 1)
    assert (held == held_back(paths, share, seed)).all()


def test_a_plateau_is_no_fall_of_one_percent_for_as_many_epochs_as_patience() -> None:
    assert not stopped_falling([], 1)
    assert not stopped_falling([2.0], 1)
    assert not stopped_falling([2.0, 1.97], 1)
    assert stopped_falling([2.0, 1.99], 1)
    assert stopped_falling([2.0, 1.5, 1.6], 1)
    assert not stopped_falling([2.0, 1.5, 1.6], 2)
    assert stopped_falling([2.0, 1.5, 1.6, 1.499], 2)
