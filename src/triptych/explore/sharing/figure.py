"""The figure of the wall, as in Tokmakov et al. (2020, figures 2 and 3): clusters and their clips.

Each clip is a strip of frames from its start at the top to its end at the bottom.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from triptych.atomic import whole_file
from triptych.explore.sharing.gather import Shared, Wall, sentence
from triptych.explore.sharing.pictures import HEIGHT, STILL, WIDTH, Pictures
from triptych.explore.sharing.told import facts, overall

TILE, GAP = 0.86, 0.07  # inches of a frame's width, and between clips
LINE = 0.155  # inches of a line of text
MARGIN, TOP, BOTTOM, BETWEEN = 0.3, 0.45, 0.35, 0.25
LETTERS = 16.5  # of the text's size to the inch
TITLE_LINE, TITLE_LETTERS = 0.23, 8.7  # the same of titles
LEAST = 6  # clips' widths, so that text has room
INK, SOFT, BLANK = "#23221f", "#5f5c55", "#e2dfd7"
NOTE = "Each strip is a clip, from its start at the top to its end at the bottom."


def draw(
    path: Path, walls: Sequence[Wall], found: Pictures, roles: Mapping[str, str],
    captions: Mapping[int, str], agreement: Sequence[Mapping[str, Any]],
) -> None:  # fmt: skip
    """Write the figure to ``path`` (.png, .svg or .pdf), whole or not at all.

    ``captions`` are below the clips, by row; ``agreement`` is what ``told.overall`` says.
    """
    figure = compose(walls, found, roles, captions, agreement)
    with whole_file(path) as beside:
        figure.savefig(beside, format=path.suffix[1:].lower(), dpi=150, facecolor="white")


def compose(
    walls: Sequence[Wall], found: Pictures, roles: Mapping[str, str],
    captions: Mapping[int, str], agreement: Sequence[Mapping[str, Any]],
) -> Any:  # fmt: skip
    """The figure, a column for each clustering, as matplotlib has it."""
    most = max(LEAST, *(len(one.shown) for wall in walls for one in wall.clusters))
    wide = most * (TILE + GAP)
    columns = [_column(wall, number, wide, roles, agreement) for number, wall in enumerate(walls)]
    names = [textwrap.wrap(wall.grouping.title, int(wide * TITLE_LETTERS)) for wall in walls]
    begin = TOP + TITLE_LINE * (max(map(len, names)) - 1)
    caption = LINE if captions else 0.0
    strip = STILL * TILE * HEIGHT / WIDTH + caption
    tall = max(_tall(head, blocks, strip) for head, blocks in columns)
    width = len(walls) * (wide + MARGIN) + MARGIN
    height = begin + tall + BOTTOM
    figure = Figure(figsize=(width, height))

    def text(left: float, top: float, words: str, **how: Any) -> None:
        plain = words.replace("$", r"\$")  # else what is between two is set as a formula
        at = (left / width, 1 - top / height)
        style: dict[str, Any] = {"fontsize": 8, "color": SOFT, "va": "top"}
        figure.text(*at, plain, **(style | how))

    for number, (name, (head, blocks)) in enumerate(zip(names, columns, strict=True)):
        left, top = MARGIN + number * (wide + MARGIN), begin
        for place, line in enumerate(name):
            above = TOP - 0.28 + TITLE_LINE * place
            text(left, above, line, fontsize=13, weight="bold", color=INK)
        for line in head:
            text(left, top, line)
            top += LINE
        for one, title, lines in blocks:
            top += BETWEEN
            text(left, top - 0.03, title, fontsize=9.5, weight="bold", color=INK)
            top += 1.35 * LINE
            for line in lines:
                text(left, top, line)
                top += LINE
            _strips(figure, one, found, (left, top + 0.05, width, height))
            for place, row in enumerate(one.shown):
                words = _cut(captions.get(row, ""), 16)
                below = top + 0.05 + strip - caption + 0.02
                text(left + place * (TILE + GAP), below, words, fontsize=6.5)
            top += strip + 0.05
    text(MARGIN, height - 0.22, NOTE, fontsize=7)
    return figure


Block = tuple[Shared, str, list[str]]


def _column(
    wall: Wall, number: int, wide: float, roles: Mapping[str, str],
    agreement: Sequence[Mapping[str, Any]],
) -> tuple[list[str], list[Block]]:  # fmt: skip
    """The lines above a clustering's clusters, and each cluster with its title and its lines."""
    letters = int(wide * LETTERS)
    head = [
        line for words in overall(wall, number, agreement) for line in textwrap.wrap(words, letters)
    ]
    blocks = []
    for one in wall.clusters:
        films = "film" if one.films == 1 else "films"
        title = f"Cluster {one.cluster}: {one.size} clips of {one.films} {films}, {one.why}"
        said = [sentence(one, roles), *facts(one)]
        lines = [line for words in said for line in textwrap.wrap(words, letters)]
        blocks.append((one, title, lines))
    return head, blocks


def _tall(head: Sequence[str], blocks: Sequence[Block], strip: float) -> float:
    each = (BETWEEN + (1.35 + len(lines)) * LINE + strip + 0.05 for _, _, lines in blocks)
    return len(head) * LINE + sum(each)


def _strips(
    figure: Any, one: Shared, found: Pictures, place: tuple[float, float, float, float]
) -> None:
    left, top, width, height = place
    tall = TILE * HEIGHT / WIDTH
    for number, row in enumerate(one.shown):
        for line in range(STILL):
            x, y = left + number * (TILE + GAP), top + line * tall
            box = (x / width, 1 - (y + tall) / height, TILE / width, 0.97 * tall / height)
            axes = figure.add_axes(box, xticks=[], yticks=[])
            axes.set_facecolor(BLANK)
            for side in axes.spines.values():
                side.set_visible(False)
            if row in found.stills:
                axes.imshow(found.stills[row][line], aspect="auto")


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
