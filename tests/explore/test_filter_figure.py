from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from triptych.errors import UsageError
from triptych.explore import filter_figure as module
from triptych.explore.filter_figure import compose, draw
from triptych.explore.filters import Filters, Layer

DRAW = np.random.default_rng(0)


def layer(kind: str, *shape: int, name: str = "stem.0.weight", modality: str = "video") -> Layer:
    return Layer(modality, name, kind, DRAW.normal(size=shape))  # type: ignore[arg-type]


SPLIT = Filters(
    "work, best (xdc)",
    [
        layer("space", 12, 3, 7, 7),
        layer("time", 16, 12, 3),
        layer("mel-time", 16, 1, 7, 7, modality="audio"),
    ],
)
WHOLE = Filters(
    f"a-run-with-{'a-very-' * 9}long-name, best (xdc)",
    [layer("space-time", 64, 3, 7, 7, 7, name="backbone.stem.features.conv3d_1a_7x7.weight")],
)


def texts(figure: Any) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_each_filter_is_drawn_once_the_strongest_first() -> None:
    weights = np.zeros((3, 3, 2, 2))
    weights[0, 0], weights[1, 1], weights[2, 2] = 1.0, 2.0, -4.0
    axes = compose([Filters("t", [Layer("video", "conv", "space", weights)])]).axes[0]
    shown = [np.asarray(image.get_array()) for image in axes.images]
    grey = 0.5
    for picture, colour in zip(
        shown, ([grey, grey, 0], [grey, 1, grey], [1, grey, grey]), strict=True
    ):
        np.testing.assert_allclose(picture, np.broadcast_to(colour, (2, 2, 3)))
    numbers = [text.get_text() for text in axes.texts if text.get_text().startswith("#")]
    assert numbers == ["#2  76.2%", "#1  19.0%", "#0  4.8%"]
    assert [image.get_extent()[0] for image in axes.images] == [0, 1, 2]


def test_frames_of_a_filter_stand_side_by_side_scaled_alike() -> None:
    weights = np.zeros((1, 3, 3, 2, 2))
    weights[0, :, 0], weights[0, :, 1] = 1.0, -0.5
    axes = compose([Filters("t", [Layer("video", "conv", "space-time", weights)])]).axes[0]
    shown = [float(np.asarray(image.get_array()).mean()) for image in axes.images]
    assert shown == pytest.approx([1.0, 0.25, 0.5])
    left = [image.get_extent()[0] for image in axes.images]
    assert left == sorted(left)
    line = axes.lines[-1].get_ydata()  # upwards is less
    assert line[0] < line[2] < line[1]
    assert "sep 1.00" in [text.get_text() for text in axes.texts]


def test_low_bands_are_at_the_bottom_and_both_signs_are_alike() -> None:
    weights = np.zeros((1, 1, 3, 2))
    weights[0, 0, 0, 1] = -2.0
    image = compose([Filters("t", [Layer("audio", "conv", "mel-time", weights)])]).axes[0].images[0]
    assert np.asarray(image.get_array())[-1].tolist() == [0.0, -2.0]
    assert image.get_clim() == (-2, 2)
    left, right, bottom, top = image.get_extent()
    assert left < right
    assert bottom > top  # of axes that count downwards


def test_nothing_is_cut_off_and_columns_keep_apart() -> None:
    figure = compose([WHOLE, SPLIT, WHOLE])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    whole = figure.bbox
    column = whole.width / 3
    for axes in figure.axes:
        number = int(axes.get_window_extent().x0 // column)
        for text in axes.texts:
            if text.get_text():
                box = text.get_window_extent()
                assert number * column <= box.x0 < box.x1 <= (number + 1) * column, text
                assert whole.y0 <= box.y0 < box.y1 <= whole.y1, text
    titles = [text.get_window_extent() for text in figure.texts]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.y1 <= whole.y1 for box in titles)
    assert all(box.width < column for box in titles)


def test_numbers_do_not_run_into_each_other() -> None:
    figure = compose([SPLIT])
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
        for place, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:place])


def test_the_strongest_are_drawn_where_there_are_too_many() -> None:
    lines = texts(compose([WHOLE]))
    assert any("the strongest 24 of 64 filters of 3×7×7×7" in line for line in lines)
    assert len([line for line in lines if line.startswith("#")]) == module.MOST_STRIPS
    assert any("all 12 filters of 3×7×7" in line for line in texts(compose([SPLIT])))


def test_two_checkpoints_are_compared_in_words() -> None:
    lines = texts(compose([SPLIT, SPLIT]))
    assert len([line for line in lines if "to those on the left 1.000" in line]) == 3


@pytest.mark.parametrize("suffix", [".png", ".svg", ".PDF"])
def test_the_picture_is_written_whole(tmp_path: Path, suffix: str) -> None:
    draw([SPLIT], tmp_path / f"f{suffix}")
    assert [file.name for file in tmp_path.iterdir()] == [f"f{suffix}"]
    start = (tmp_path / f"f{suffix}").read_bytes()[:300]
    assert {".png": b"PNG", ".svg": b"<?xml", ".PDF": b"%PDF"}[suffix] in start
    if suffix == ".png":
        picture = Image.open(tmp_path / "f.png")
        picture.load()
        assert picture.width > 1000


def test_another_kind_of_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"f\.gif: a picture is written as \.png, \.svg, \.pdf"):
        draw([SPLIT], tmp_path / "f.gif")
    assert list(tmp_path.iterdir()) == []
