"""The page of the concepts: clusters with their labels and pictures; it needs nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from triptych.atomic import whole_file
from triptych.clustering.composition import DRAWS
from triptych.embeddings.naming import clock
from triptych.errors import UsageError
from triptych.explore.concepts import Clustering, Concept
from triptych.explore.taught import Taught
from triptych.explore.thumbnails import Wish, picture
from triptych.workers import available_cores

WEB = Path(__file__).parent / "web"
MOST_TEXT = 120  # letters of a clip's words
SUFFIXES = (".html", ".htm")
HEIGHT = 132  # of a picture in pixels


def check(path: Path) -> None:
    """Refuse what is no name of a page: a checkpoint or a table would be written over."""
    if path.suffix.lower() not in SUFFIXES or path.is_dir():
        raise UsageError(f"{path}: a page is a file called {' or '.join(SUFFIXES)}; name it so")


def write(
    path: Path,
    taught: Taught,
    clusterings: Sequence[Clustering],
    labels: Sequence[str] | None,
    target: str | None,
    *,
    top: int = 10,
    workers: int | None = None,
) -> None:
    """Write the page to ``path``, whole or not at all: ``top`` ranks from either end.

    ``labels`` are those of the clips, "" where one has none, and ``target`` their column; None
    where the clusters are shown by their words. ``workers`` processes decode the pictures; 0
    decodes here.
    """
    shown = [(one, *one.ends(top)) for one in clusterings]
    rows = {row for _, *ends in shown for some in ends for one in some for row in one.exemplars}
    clips = {row: _clip(taught, row, labels) for row in sorted(rows)}
    workers = available_cores() if workers is None else workers
    pictures, reasons = picture(_wishes(taught, clips), workers=workers)
    for row, clip in clips.items():
        clip["picture"] = pictures.get(str(row))
    environment = Environment(
        loader=FileSystemLoader(WEB), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["clock"] = clock
    styles = [(WEB / name).read_text(encoding="utf-8") for name in ("report.css", "concepts.css")]
    page = environment.get_template("concepts.html.j2").render(
        title=taught.manifest.root.name or str(taught.manifest.root),
        root=taught.manifest.root,
        today=date.today().isoformat(),
        checkpoint=taught.checkpoint.name,
        method=taught.facts.get("method", "no method"),
        made=taught.made(),
        target=target,
        draws=DRAWS,
        clusterings=[_section(one, first, last, clips) for one, first, last in shown],
        unpictured=[(clips[int(row)]["path"], reason) for row, reason in reasons.items()],
        style=Markup("".join(styles)),
    )
    with whole_file(path) as beside:
        beside.write_text(page, encoding="utf-8")


def _section(
    about: Clustering,
    first: Sequence[Concept],
    last: Sequence[Concept],
    clips: Mapping[int, dict[str, Any]],
) -> dict[str, Any]:
    def cards(some: Sequence[Concept]) -> list[dict[str, Any]]:
        return [{**vars(one), "clips": [clips[row] for row in one.exemplars]} for one in some]

    of = about.name if about.of == (about.name,) else f"{about.name} ({'+'.join(about.of)})"
    title = f"{of[:1].upper()}{of[1:]} clusters"
    return {
        "id": f"of-{about.name}",
        "title": title,
        "about": about,
        "first": cards(first),
        "last": cards(last),
    }


def _clip(taught: Taught, row: int, labels: Sequence[str] | None) -> dict[str, Any]:
    clip = taught.clip(row)
    file = taught.manifest.file(row)
    link = None
    if file.is_file():
        link = f"{file.absolute().as_uri()}#t={clip['start']:.2f},{clip['end']:.2f}"
    text = clip["text"]
    if len(text) > MOST_TEXT:
        text = text[: MOST_TEXT - 1].rstrip() + "…"
    seen = bool(taught.manifest.table["has_video"][row].as_py())
    label = labels[row] if labels is not None else ""
    return {**clip, "text": text, "label": label, "link": link, "seen": seen}


def _wishes(taught: Taught, clips: Mapping[int, dict[str, Any]]) -> dict[Path, list[Wish]]:
    wishes: dict[Path, list[Wish]] = {}
    for row, clip in clips.items():
        if clip["link"] is not None:
            wish = Wish(str(row), clip["start"], clip["end"], clip["seen"], height=HEIGHT)
            wishes.setdefault(taught.manifest.file(row), []).append(wish)
    return wishes
