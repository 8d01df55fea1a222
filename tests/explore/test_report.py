import html
import json
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.embeddings.test_table import manifest
from tests.explore.collection import SOME, make
from triptych.embeddings.clusters import cluster
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.explore.query import read_query
from triptych.explore.report import long, report, sentence
from triptych.manifest.problems import Problem, write_problems
from triptych.manifest.schema import SCHEMA, Manifest

EVIL = "<script>document.title='broken into'</script>"
VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(HTMLParser):
    """Whether the tags nest, and what a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:  # a <p> or <li> may be closed by its parent
            while self.open.pop() != tag:
                pass

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of real videos and sounds, one of them with a hostile name."""
    root = tmp_path_factory.mktemp("videos")
    for folder, pattern, count in (
        ("surv_fight/videos/fight", "*.mp4", 12),
        ("esc10/audio", "*.ogg", 4),
        ("containers/video", "demo.mkv", 1),
    ):
        for file in sorted((data / folder).glob(pattern))[:count]:
            shutil.copy(file, root / file.name)
    (root / "demo.mkv").rename(root / "<img src=x onerror=alert(1)> & 'pie'.mkv")
    work = tmp_path_factory.mktemp("work")
    make(work, root, list(root.iterdir()), SOME)
    return Page(report(work, workers=2).read_text(encoding="utf-8"))


def test_the_page_needs_nothing_beside_it(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed"}
        source = attributes.get("src")
        assert source is None or source.startswith("data:image/"), f"{tag} {source}"
    assert "https:" not in page.text
    assert not re.search(r"url\((?!#)", page.text)


def test_every_section_is_there_with_its_pictures(page: Page) -> None:
    sections = [section["id"] for section in page.all("section")]
    assert sections == ["clusters", "map", "search", "health", "reading", "picked"]
    pictures = [image for image in page.all("img") if "src" in image]
    assert any(str(image["src"]).startswith("data:image/jpeg") for image in pictures)
    assert all(image["alt"] for image in pictures)
    assert len([svg for svg in page.all("svg") if svg.get("class") == "plot"]) == 7
    for text in ("1 file decodes only in part", "366 of 1441 frames decode", "49 files have no"):
        assert text in page.text
    commands = re.findall(r"<code>(triptych search [^<]*)</code>", page.text)
    assert len(commands) == 4
    assert all(Path(shlex.split(html.unescape(line))[2]).is_dir() for line in commands)
    span = shlex.split(html.unescape(commands[2]))[3]
    assert read_query(span).path.is_file()
    assert "that after epoch 19: highest NMI" in page.text


def test_names_of_files_are_no_markup(page: Page) -> None:
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert "<img src=x" not in page.text


def test_the_data_for_the_script_are_whole(page: Page) -> None:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.text, re.S)
    assert found
    data = json.loads(found[1])
    paths = [path for path, _ in data["files"]]
    assert "<img src=x onerror=alert(1)> & 'pie'.mkv" in paths
    assert all(link.startswith("file:///") for _, link in data["files"])
    assert len(data["pictures"]) == len(data["clips"]["file"]) == len(data["map"]["x"])


def hostile(work: Path) -> Path:
    rows = manifest(12, work).table.to_pylist()
    for row in rows:
        row["path"], row["text"] = f"{EVIL}.mp4", f"whisk </script>{EVIL} <!-- eggs"
    Manifest(work, pa.Table.from_pylist(rows, SCHEMA)).write(work / "manifest.parquet")
    vectors = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    EmbeddingTable.build(
        Manifest.read(work / "manifest.parquet"),
        {"vector_joint": (vectors, np.ones(12, bool))},
        "c",
    ).write(work / "embeddings.parquet")
    cluster(work / "embeddings.parquet", work / "clusters.parquet", k=2)
    write_problems(work / "problems.parquet", [Problem(f"{EVIL}.mp4", "damaged", EVIL, EVIL)])
    (work / "fit.json").write_text(json.dumps({"picked": [EVIL], "rule": EVIL, "sha256": EVIL}))
    return report(work, workers=0)


def test_a_script_in_names_captions_and_facts_stays_text(tmp_path: Path) -> None:
    page = Page(hostile(tmp_path).read_text(encoding="utf-8"))
    assert EVIL not in page.text
    assert len(page.all("script")) == 2


def test_a_browser_runs_the_page_and_not_what_is_in_it(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser on this machine")
    path = hostile(tmp_path)
    shown = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000", "--dump-dom",
         path.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert f"<title>{tmp_path.name} · Triptych</title>" in shown
    assert shown.count('style="background: rgb') == 2  # the script has coloured both clusters


@pytest.mark.parametrize(
    "kept", ["manifest.parquet", "problems.parquet", "run", "embeddings.parquet"]
)
def test_a_part_that_is_missing_is_said(tmp_path: Path, data: Path, kept: str) -> None:
    root = data / "surv_fight" / "videos" / "fight"
    make(tmp_path, root, sorted(root.iterdir())[:4])
    for file in tmp_path.iterdir():
        if file.name != kept:
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    page = Page(report(tmp_path, workers=0).read_text(encoding="utf-8"))
    assert len(page.all("section")) == 6
    assert 'class="lack"' in page.text


def test_a_folder_with_nothing_gives_an_error_and_no_page(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to report on"):
        report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_lengths_of_time_read_well() -> None:
    assert [long(s) for s in (48, 648, 7200)] == ["48 seconds", "10.8 minutes", "2.0 hours"]


def test_an_error_becomes_a_sentence() -> None:
    error = "/w/<a>/clusters.parquet: no clusters <here>; make them with `triptych cluster`"
    expected = "No clusters &lt;here&gt;; make them with <code>triptych cluster</code>."
    assert sentence(error) == expected
