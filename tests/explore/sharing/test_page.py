import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.explore.sharing import films as made
from tests.explore.test_report import EVIL, Page
from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.gather import Collection, Settings, Wall, sentence
from triptych.explore.sharing.groupings import Grouping
from triptych.explore.sharing.labelled import Column
from triptych.explore.sharing.page import write
from triptych.explore.sharing.pictures import Pictures, pictures
from triptych.manifest.schema import Manifest

Made = tuple[Clips, list[Wall], Pictures]


@pytest.fixture(scope="module")
def walls(films: Path) -> Made:
    clips = Clips.of(Manifest.read(films / "manifest.parquet"))
    both = [
        Grouping(f"{name} {EVIL}", "by hand", np.unique(of, return_inverse=True)[1], 2, near, None)
        for name, of, near in (("m", made.MOTIONS, None), ("s", made.SCENES, np.zeros(16)))
    ]
    column = Column("motion", np.array(made.MOTIONS))
    settings = Settings(show=1, clips=3, roles={"motion": "motion"})
    whole = Collection(clips, both, [column], None, None, settings)
    shown = [whole.wall(one, number) for number, one in enumerate(both)]
    return clips, shown, pictures(clips, shown, workers=0)


def page(walls: Made, path: Path) -> str:
    clips, shown, found = walls
    captions = {row: made.MOTIONS[row] + EVIL for row in range(made.COUNT)}
    rows = [{"source": 0, "with": "each other", "value": 0.1, "low": 0.0, "high": 0.2}]
    write(path, clips, shown, found, {"motion": "motion"}, captions, rows, f"flow {EVIL}")
    return path.read_text(encoding="utf-8")


def test_every_clip_moves_and_opens_at_its_second(walls: Made, tmp_path: Path) -> None:
    whole = Page(page(walls, tmp_path / "w.html"))
    clips, shown, found = walls
    members = [row for wall in shown for one in wall.clusters for row in one.shown]
    images = whole.all("img")
    assert [image["src"] for image in images] == [found.loops[row] for row in members]
    assert all(image["style"] == "--seconds:2.00s" for image in images)
    links = [str(link["href"]) for link in whole.all("a")]
    assert links == [f"{clips.file(row).as_uri()}#t=0.00,2.00" for row in members]
    assert all(image["alt"] for image in images)


def test_the_page_says_what_was_measured(walls: Made, tmp_path: Path) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page(walls, tmp_path / "w.html")))
    for wall in walls[1]:
        for one in wall.clusters:
            assert sentence(one, {"motion": "motion"}) in text
            assert f"Cluster {one.cluster} 8 clips of 8 films; {one.why}" in text
    assert "drawn at random, as there are no embeddings" in text
    assert "nearest the cluster’s centre" in text
    assert "with each other (adjusted mutual information): 0.10 [0.00 0.20]." in text


def test_it_needs_nothing_beside_it_and_runs_nothing(walls: Made, tmp_path: Path) -> None:
    text = page(walls, tmp_path / "w.html")
    assert not Page(text).all("script")
    assert EVIL not in text
    assert not re.search(r"(https?:|@import|url\()", text)
    assert "default-src 'none'; img-src data:" in text


def test_a_browser_shows_the_loops(walls: Made, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser on this machine")
    page(walls, tmp_path / "w.html")
    picture = tmp_path / "w.png"
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=1000",
         "--window-size=1400,1800", f"--screenshot={picture}", (tmp_path / "w.html").as_uri()],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert picture.stat().st_size > 100_000  # a page without its films is a tenth of that


def test_what_has_no_picture_says_why(walls: Made, tmp_path: Path) -> None:
    clips, shown, _ = walls
    moved = Clips(tmp_path, clips.table)
    text = page((moved, shown, pictures(moved, shown, workers=0)), tmp_path / "w.html")
    assert "no picture" in text
    assert "the file is not there" in text
    assert not Page(text).all("a")
