import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.explore import run
from tests.explore.test_report import EVIL, Page
from tests.explore.test_thumbnails import opened
from triptych.explore.concept_page import write
from triptych.explore.concepts import find
from triptych.explore.taught import Taught
from triptych.manifest.schema import Manifest


class Items(HTMLParser):
    """Every clip that is shown: its picture and all that is written below it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.clips: list[tuple[str, list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.clips.append((str(dict(attrs)["src"]), []))

    def handle_data(self, data: str) -> None:
        if self.clips and data.strip():
            self.clips[-1][1].append(data.strip())


def page(work: Path, labels: list[str] | None, target: str | None, top: int = 10) -> str:
    taught = Taught.read(work)
    found = find(taught, labels, least=1 if labels else None)
    write(work / "c.html", taught, found, labels, target, top=top, workers=0)
    return (work / "c.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    work = tmp_path_factory.mktemp("work")
    run.make(work, films=True)
    return page(work, run.LABELS, "action")


def test_every_picture_is_of_the_clip_whose_name_and_label_it_has(shown: str) -> None:
    clips = Items(shown).clips
    assert len(clips) == 12 + 6 + 6  # every clip of each clustering, as these are so few
    for picture, below in clips:
        place = re.search(r"film-(\d)\.mp4 0:0(\d)\.0–", " ".join(below))
        assert place
        number = 2 * int(place[1]) + int(place[2])
        assert below[0] == (run.LABELS[number] or "no label")
        mean = opened(picture).mean(axis=(0, 1))
        distances = [np.abs(mean - colour).sum() for colour in run.COLOURS]
        assert int(np.argmin(distances)) == number % 6


def test_the_numbers_of_a_cluster_are_on_it(shown: str) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", shown.partition("<body>")[2]))
    assert "#1 cluster 1 5 clips of 3 files purity 1.00 , by chance 0." in text
    assert re.search(r"stir 0\.60 \(3\) boil 0\.40 \(2\)", text)
    assert "6 clips of 3 files, 5 labelled" in text
    assert "made after 2 of 4 epochs of training" in text
    assert "training has seen none of them" in text
    assert "Joint (video+audio) clusters" in text
    assert re.search(r"With shuffled labels the purest of these 3 clusters would have \d", text)


def test_the_page_nests_and_needs_nothing_beside_it(shown: str) -> None:
    whole = Page(shown)
    assert not whole.all("script")
    assert all(str(image["src"]).startswith("data:image/") for image in whole.all("img"))
    assert all(image["alt"] for image in whole.all("img"))
    links = [str(link["href"]) for link in whole.all("a")]
    assert all(link.startswith(("#of-", "file:///")) for link in links)
    assert any(link.endswith("film-4.mp4#t=0.00,1.00") for link in links)
    assert "https:" not in shown


def test_without_labels_there_are_words_and_no_purity(tmp_path: Path) -> None:
    run.make(tmp_path)
    text = page(tmp_path, None, None, top=1)
    assert "Largest" in text
    assert "pot, stir" in text
    assert "purity" not in text.partition("<body>")[2]
    assert "no picture" in text  # the films are not there
    assert not Page(text).all("img")


def test_names_labels_and_words_are_no_markup(tmp_path: Path) -> None:
    clips = run.make(tmp_path)
    rows = clips.table.to_pylist()
    for one in rows:
        one["path"], one["text"] = f"{EVIL}.mp4", EVIL
    hostile = Manifest(clips.root, clips.table.from_pylist(rows, clips.table.schema))
    hostile.write(tmp_path / "manifest.parquet")
    run.save(tmp_path / "run" / "checkpoints" / "best.safetensors", hostile)
    text = page(tmp_path, [EVIL if label else "" for label in run.LABELS[:-1]] + ["x"], EVIL)
    assert EVIL not in text
    assert not Page(text).all("script")


def test_files_that_do_not_decode_say_why(tmp_path: Path) -> None:
    run.make(tmp_path)
    for number in range(6):
        (tmp_path / "videos" / f"film-{number}.mp4").write_text("words")
    text = page(tmp_path, run.LABELS, "action")
    assert "12 clips gave no picture" in text
    assert "cannot be opened" in text
