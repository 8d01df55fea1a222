import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.image import imread

from triptych.explore.intervals import LONGEST, Point, draw

LINES = [
    Point("random", 0.2, 0.1, 0.3),
    Point("sdc k=4", 0.4, 0.35, 0.5, "sdc", 4),
    Point("sdc k=64", 0.5, 0.5, 0.5, "sdc", 64),
    Point("xdc k=64", 0.7, 0.6, 0.8, "xdc", 64),
]
DOTS = [Point("a row", 0.2, 0.1, 0.3), Point("what costs $5 and $6", 0.4, 0.4, 0.4)]


def texts(path: Path) -> list[str]:
    return ["".join(item.itertext()) for item in ET.parse(path).iter() if item.tag.endswith("text")]


def test_lines_against_an_axis_and_levels_beside_them(tmp_path: Path) -> None:
    panels = {"action, linear": LINES, "action, knn": LINES}
    draw(panels, tmp_path / "plot", axis="clustering.k", doubling=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plot.png", "plot.svg"]
    shown = texts(tmp_path / "plot.svg")
    assert shown.count("clustering.k") == 2
    assert {"action, linear", "action, knn", "4", "64"} <= set(shown)
    for name in ("random", "sdc", "xdc"):  # in the legend, once for all panels
        assert shown.count(name) == 1
    height, width, _ = imread(tmp_path / "plot.png").shape
    assert width > 700
    assert height > 300


def test_rows_without_an_axis_are_dots_with_their_names(tmp_path: Path) -> None:
    long = Point("x" * 99, 0.1, 0.0, 0.2)
    draw({"t, knn": [*DOTS, long]}, tmp_path / "plot", axis=None, doubling=False)
    shown = texts(tmp_path / "plot.svg")
    assert {"a row", "what costs $5 and $6", "x" * (LONGEST - 1) + "…"} <= set(shown)


@pytest.mark.parametrize("doubling", [False, True])
def test_the_same_figures_give_the_same_bytes(tmp_path: Path, doubling: bool) -> None:
    for name in ("one", "two"):
        draw({"t": LINES}, tmp_path / name, axis="epochs", doubling=doubling)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_an_interval_that_does_not_hold_its_value_is_drawn(tmp_path: Path) -> None:
    # Percentiles of few draws may all lie on one side of the value.
    draw({"t": [Point("odd", 0.5, 0.6, 0.7)]}, tmp_path / "plot", axis=None, doubling=False)
    assert (tmp_path / "plot.png").stat().st_size
