from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from triptych.explore.sharing.figure import compose, draw
from triptych.explore.sharing.gather import Shared, Wall
from triptych.explore.sharing.groupings import Grouping
from triptych.explore.sharing.pictures import HEIGHT, WIDTH, Pictures

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]


def wall(name: str, clusters: int) -> Wall:
    grouping = Grouping(name, "by $hand$ and $more", np.zeros(9, np.int64), 4, None, None)
    some = [Shared(at, "asked for", 9, 9, None, None, {}, [0, 1, 2]) for at in range(clusters)]
    return Wall(grouping, some, 4, 5, 4, {}, {}, {})


def stills() -> Pictures:
    frame = np.ones((HEIGHT, WIDTH, 3), np.uint8)
    films = {row: [frame * np.uint8(c) for c in COLOURS] for row in (0, 1)}
    return Pictures({}, films, {2: "gone"})


def test_frames_go_down_from_start_to_end_and_what_is_gone_is_blank() -> None:
    figure = compose([wall("a", 1)], stills(), {}, {0: "a" * 40}, [])
    tiles = figure.axes
    assert len(tiles) == 3 * 3
    for number, tile in enumerate(tiles[:6]):
        (image,) = tile.get_images()
        assert tuple(np.asarray(image.get_array())[5, 5]) == COLOURS[number % 3]
    heights = [tile.get_position().y0 for tile in tiles[:3]]
    assert heights == sorted(heights, reverse=True)
    assert not any(tile.get_images() for tile in tiles[6:])
    words = [text.get_text() for text in figure.texts]
    assert "Cluster 0: 9 clips of 9 films, asked for" in words
    assert "a" * 15 + "…" in words


def test_a_long_title_takes_lines_and_pushes_the_rest_down() -> None:
    grouping = replace(wall("run", 1).grouping, of="the memory bank of video beside " + "x" * 30)
    long = replace(wall("run", 1), grouping=grouping)
    figures = [compose([one], stills(), {}, {}, []) for one in (wall("run", 1), long)]
    words = [[text.get_text() for text in figure.texts] for figure in figures]
    assert words[0][0] == "run"
    assert " ".join(words[1][:2]) == f"run: clusters of the memory bank of video beside {'x' * 30}"
    assert figures[1].get_figheight() > figures[0].get_figheight()


def test_two_clusterings_stand_side_by_side_and_nothing_is_off_the_figure(tmp_path: Path) -> None:
    path = tmp_path / "w.png"
    draw(path, [wall("a", 1), wall("b", 3)], stills(), {}, {}, [])
    one, two = tmp_path / "one.png", path
    draw(one, [wall("a", 1)], stills(), {}, {}, [])
    with Image.open(one) as narrow, Image.open(two) as wide:
        assert 1.8 < wide.width / narrow.width < 2.1
        assert wide.height > 1.8 * narrow.height
    figure = compose([wall("a", 1), wall("b", 3)], stills(), {}, {}, [])
    corners = np.array([tile.get_position().extents for tile in figure.axes])
    assert corners.min() > 0
    assert corners.max() < 1
    titles = [text for text in figure.texts if text.get_text() in ("a", "b")]
    assert titles[0].get_position()[0] < 0.5 < titles[1].get_position()[0] + 0.02
