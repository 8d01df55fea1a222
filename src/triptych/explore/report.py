"""The report: one HTML page that says what is in a collection, and needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from triptych.atomic import whole_file
from triptych.embeddings.naming import clock
from triptych.explore import map as chart
from triptych.explore.contents import Contents, recipe_lines
from triptych.explore.plots import best_epoch, panels, trained
from triptych.explore.wall import MOST_OTHERS, Wall, build
from triptych.workers import available_cores

NO_FACTS = {
    "picked": [],
    "rule": "",
    "checkpoint": "",
    "sha256": "",
    "finished": True,
    "stages": {},
}
WEB = Path(__file__).parent / "web"


def report(work: Path, *, workers: int | None = None) -> Path:
    """Write ``work``/report.html, whole or not at all, and return its path.

    Missing parts are named on the page. ``workers`` processes decode the thumbnails; 0 decodes
    here. Raises UserError where ``work`` holds nothing to report on.
    """
    contents = Contents.read(work)
    page = render(contents, available_cores() if workers is None else workers)
    path = work / "report.html"
    with whole_file(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def render(contents: Contents, workers: int) -> str:
    """The page as text."""
    placed, wall = _clips(contents, workers)
    script = (WEB / "report.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(WEB), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"clock": clock, "long": long, "sentence": sentence}
    return environment.get_template("report.html.j2").render(
        title=contents.root.name or str(contents.root),
        contents=contents,
        today=date.today().isoformat(),
        totals=contents.totals(),
        problems=contents.read_and_not(),
        panels=panels(contents.metrics),
        best=best_epoch(contents.metrics),
        epochs=trained(contents.metrics),
        recipe=recipe_lines(contents.facts.get("recipe", {})),
        facts=NO_FACTS | contents.facts,
        chart=placed,
        wall=wall,
        data=_json(wall.data if wall else None),
        most_others=MOST_OTHERS,
        commands=commands(contents),
        style=Markup((WEB / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def commands(contents: Contents) -> list[tuple[str, str]]:
    """(what it does, command) for searching this very collection."""
    if contents.embeddings is None:
        return []
    work = shlex.quote(str(contents.work.absolute()))
    columns = contents.embeddings.names()
    clusters = contents.clusters.rows() if contents.clusters else []
    words = next((row["words"][:2] for row in clusters if row["words"]), ["stir", "the", "pot"])
    found = []
    if "vector_text" in columns:
        asked = shlex.quote(" ".join(words))
        found.append(("by words", f"triptych search {work} {asked}"))
        if "shared_video" in columns:
            found.append(
                (
                    "by words, looking only at pictures",
                    f"triptych search {work} {asked} --through video",
                )
            )
    first = contents.embeddings.table.select(["path", "start", "end"]).slice(0, 1).to_pylist()
    for clip in first:
        file = contents.embeddings.root.absolute() / clip["path"]
        span = shlex.quote(f"{file}#{clip['start']:g}-{clip['end']:g}")
        found.append(("by some seconds of a file", f"triptych search {work} {span}"))
    if "vector_audio" in columns:
        found.append(
            ("by a sound, or what is heard in a video", f"triptych search {work} sound.wav")
        )
    return found


def long(seconds: float) -> str:
    """A length of time for the eye: 48 seconds, 10.8 minutes, 3.2 hours."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 3600:,.1f} hours"


def sentence(error: str) -> Markup:
    """An error for the terminal as a sentence for the page, its `commands` as code."""
    text = error.partition(".parquet: ")[2] or error
    plain = f"{text[:1].upper()}{text[1:].rstrip('.')}."
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(plain))))


def _clips(contents: Contents, workers: int) -> tuple[chart.Map | None, Wall | None]:
    if contents.embeddings is None or "vector_joint" not in contents.embeddings.names():
        return None, None
    placed = chart.lay_out(contents.embeddings)
    return placed, build(contents.embeddings, contents.clusters, placed, workers=workers)


def _json(value: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it can close the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)
