import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from triptych.descriptors.backbone.network import Network
from triptych.encoders.encoder import Encoder, VideoInput
from triptych.state.backbone import Backbone, Word

CPU = torch.device("cpu")


class Passing(Encoder):
    """Features that say which window they are of."""

    modality = "video"
    dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.input = VideoInput()
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        return x


@given(
    pieces=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 7)), max_size=12),
    batch=st.integers(1, 9),
)
def test_every_window_becomes_a_row_of_its_file_in_order(
    pieces: list[tuple[int, int]], batch: int
) -> None:
    encoder = Passing()
    network = Network(Backbone(encoder, {}), CPU, batch)
    given_rows: dict[int, list[float]] = {}
    found: dict[int, list[float]] = {}
    number = 0
    made = []
    for file, count in pieces:
        windows = np.stack([np.arange(number, number + count), np.zeros(count)], 1)
        number += count
        given_rows.setdefault(file, []).extend(windows[:, 0])
        made += list(network.add(file, windows.astype(np.float32)))
    made += list(network.finish())
    for file, rows in made:
        assert rows.dtype == np.float16
        found.setdefault(file, []).extend(rows[:, 0].tolist())
    assert found == given_rows
    assert set(encoder.sizes) <= {batch}  # also the last one


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(6)))
def test_a_window_s_row_does_not_depend_on_its_neighbours(order: list[int]) -> None:
    """A real network: bit for bit the same at every place of a batch, and within the last one."""
    backbone = Backbone.of(Word.parse("r2plus1d_small@1:random"))
    draw = np.random.default_rng(0)
    windows = draw.integers(0, 256, (6, *backbone.form.shape), np.uint8)
    rows: list[np.ndarray] = []
    for some in (range(6), order):
        network = Network(backbone, CPU, batch=4)
        made = [*network.add(0, windows[list(some)]), *network.finish()]
        held = np.empty((6, backbone.encoder.dim), np.float16)
        held[list(some)] = np.concatenate([part for _, part in made])
        rows.append(held)
    np.testing.assert_array_equal(rows[0], rows[1])
    assert len(np.unique(rows[0], axis=0)) == 6


def test_numbers_beyond_half_precision_are_cut_and_counted_and_others_left() -> None:
    network = Network(Backbone(Passing(), {}), CPU, 3)
    values = np.array([[1e5, -1e6], [65504, np.nan], [np.inf, -np.inf]], np.float32)
    ((_, rows),) = network.add(0, values)
    np.testing.assert_array_equal(
        rows.astype(float), [[65504, -65504], [65504, np.nan], [np.inf, -np.inf]]
    )
    assert network.cut == 2


def test_the_default_batch_is_of_the_device() -> None:
    assert Network(Backbone(Passing(), {}), CPU).batch == 8
    with pytest.raises(KeyError):
        Network(Backbone(Passing(), {}), torch.device("meta"))
