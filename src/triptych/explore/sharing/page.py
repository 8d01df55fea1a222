"""The page of the wall: each cluster's clips, moving; it needs nothing beside it and no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from triptych.atomic import whole_file
from triptych.embeddings.naming import clock
from triptych.explore.sharing.choose import ROLES
from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.gather import Shared, Wall, sentence
from triptych.explore.sharing.pictures import MOVING, Pictures, seconds
from triptych.explore.sharing.told import between, facts, number, overall

WEB = Path(__file__).parents[1] / "web"
MOST_TEXT = 100  # letters of a clip's words
MOST_REASONS = 100


def write(
    path: Path, clips: Clips, walls: Sequence[Wall], found: Pictures, roles: Mapping[str, str],
    captions: Mapping[int, str], agreement: Sequence[Mapping[str, Any]], measure: str,
) -> None:  # fmt: skip
    """Write the page to ``path``, whole or not at all.

    ``captions`` are the labels of the clips shown, by row; ``agreement`` is what ``told.overall``
    says; ``measure`` what motion was measured with.
    """
    environment = Environment(
        loader=FileSystemLoader(WEB), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["clock"] = clock
    styles = [(WEB / name).read_text(encoding="utf-8") for name in ("report.css", "wall.css")]
    sections = [
        {
            "id": f"source-{place + 1}",
            "name": wall.grouping.title,
            "about": wall,
            "overall": overall(wall, place, agreement),
            "clusters": [_card(one, clips, found, roles, captions) for one in wall.clusters],
        }
        for place, wall in enumerate(walls)
    ]
    page = environment.get_template("wall.html.j2").render(
        title=clips.root.name or str(clips.root),
        root=clips.root,
        today=date.today().isoformat(),
        sections=sections,
        between=between(agreement),
        roles=roles,
        measure=measure,
        frames=MOVING,
        reasons=[
            (clips.about(row)["path"], why)
            for row, why in list(found.reasons.items())[:MOST_REASONS]
        ],
        style=Markup("".join(styles)),
    )
    with whole_file(path) as beside:
        beside.write_text(page, encoding="utf-8")


def _card(
    one: Shared, clips: Clips, found: Pictures, roles: Mapping[str, str],
    captions: Mapping[int, str],
) -> dict[str, Any]:  # fmt: skip
    return {
        **vars(one),
        "says": sentence(one, roles),
        "facts": facts(one),
        "scales": _scales(one),
        "clips": [_clip(clips, row, found, captions) for row in one.shown],
    }


def _scales(one: Shared) -> list[dict[str, Any]]:
    """The measures of a cluster on scales from 0 to 1, with chance and the interval."""
    scales = []
    for role in ROLES:
        alike = getattr(one, role)
        if alike is not None:
            scales.append(_scale(f"alike in {role}", alike, 0.5))
    for name, common in one.labels.items():
        scales.append(_scale(f"{name}: share of {common.label}", common, common.chance))
    return scales


def _scale(name: str, one: Any, chance: float) -> dict[str, Any]:
    low, high = (one.value, one.value) if one.low is None else (one.low, one.high)
    return {
        "name": name, "told": one.told, "shown": number(one), "chance": chance,
        "value": one.value, "low": low, "wide": high - low,
    }  # fmt: skip


def _clip(clips: Clips, row: int, found: Pictures, captions: Mapping[int, str]) -> dict[str, Any]:
    clip, file = clips.about(row), clips.file(row)
    link = None
    if file.is_file():
        link = f"{file.absolute().as_uri()}#t={clip['start']:.2f},{clip['end']:.2f}"
    text = clip["text"] or ""
    return {
        **clip,
        "text": text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1].rstrip() + "…",
        "label": captions.get(row, ""),
        "link": link,
        "loop": found.loops.get(row),
        "moving": bool(clip["has_video"]),
        "seconds": seconds(clip["start"], clip["end"]),
    }
