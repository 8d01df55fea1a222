"""The documentation, held by machine: links lead somewhere, commands exist, tables are current."""

import ast
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.small import Small
from triptych.encoders import build
from triptych.encoders.encoder import AudioInput
from triptych.encoders.pixels import NativeClip
from triptych.verbs import MODULES, verb
from triptych.verbs.declared import keys, methods

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES_BY_NAME = {page.name: page for page in PAGES}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [body for kind, body in BLOCK.findall(text) if kind == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist_with_their_options(page: Path) -> None:
    for body in blocks(page, "sh"):
        for line in body.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["triptych"]:
                check_verb(words[1:])
            elif words[:2] == ["python", "-m"] and words[2] != "pytest":
                module = ROOT / (words[2].replace(".", "/"))
                assert module.is_dir() or module.with_suffix(".py").is_file(), line


def check_verb(words: list[str]) -> None:
    assert words[0] in MODULES, words
    known = set(inspect.signature(verb(words[0])).parameters) | {"json", "help"}
    for word in words[1:]:
        if word.startswith("--"):
            name = word[2:].split("=")[0].replace("-", "_")
            assert name in known, f"triptych {words[0]} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_calls_verbs_with_arguments_they_have(page: Path) -> None:
    for body in blocks(page, "python"):
        for node in ast.walk(ast.parse(body)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "triptych"
            ):
                given = inspect.signature(verb(node.func.attr)).parameters
                assert {word.arg for word in node.keywords} <= set(given), ast.unparse(node)


def test_the_table_of_methods_is_what_the_declarations_say() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    for row in methods()["methods"]:
        assert f"| {' | '.join(row.values())} |" in page, f"docs/methods.md lacks {row}"


def test_the_table_of_settings_is_what_the_recipe_says() -> None:
    page = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    rows = [f"| {' | '.join(escaped(row))} |" for row in keys()["keys"]]
    shown = [line for line in page.splitlines() if line.startswith("| ")]
    assert shown[2:] == rows


def escaped(row: dict[str, str]) -> list[str]:
    return [f"`{row['key']}`", *(row[name] for name in ("default", "values", "meaning"))]


def test_the_tests_that_the_errata_name_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGES_BY_NAME["errata.md"].read_text())
    assert len(named) > 20
    for path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text() if test else (ROOT / path).is_file(), (
            path
        )


def test_the_readme_has_exactly_two_set_up_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^make \w+", text, re.MULTILINE)
    assert found == ["make demo", "make test"]


def test_the_table_of_encoders_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if re.match(r"\| \w+ \| (video|audio|text) \|", line)
    ]
    assert [row[0] for row in rows] == build.names()
    for name, modality, parameters, features, trained, _, project in rows:
        assert modality == build.modality_of(name)
        if modality == "text" or name.startswith("stored_"):
            continue  # their size goes by the vocabulary, by the model, or by what is stored
        assert (project == "–") == (build.whose_weights(name) is None), name
        assert project.split(" (")[0] in (build.whose_weights(name) or "–"), name
        with torch.device("meta"):
            encoder = build.native(name)
        count = sum(weight.numel() for weight in encoder.parameters())
        assert (parameters, features) == (f"{count:,}", str(encoder.dim)), name
        assert trained == said_of(getattr(encoder, "native", None)), name


def said_of(native: NativeClip | AudioInput | None) -> str:
    """The clips of an encoder's training, as the table writes them."""
    if native is None:
        return "–"
    if isinstance(native, AudioInput):
        return f"{native.seconds:g} s at {native.sample_rate / 1000:g} kHz"
    rate = f"{native.frame_rate:g}/s" if native.frame_rate else "every frame"
    return f"{native.frames} × {native.size}², {rate}"


def test_the_page_on_adding_a_method_does_what_it_says(small: Small, tmp_path: Path) -> None:
    """In a copy of the project, on six demo videos, with one epoch and one seed."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "triptych", tmp_path / "src" / "triptych", ignore=ignore)
    (tmp_path / "VIDEOS").symlink_to(small.manifest.root)
    labels = [
        f"{path},{'ab'[i % 2]}" for i, path in enumerate(sorted(set(small.manifest.column("path"))))
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["path,action", *labels]))
    text = PAGES_BY_NAME["add-a-method.md"].read_text(encoding="utf-8")
    ran = []
    for kind, body in BLOCK.findall(text):
        if kind == "python":
            path = tmp_path / body.splitlines()[0].removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body)
            continue
        for line in body.replace("\\\n", " ").splitlines():
            quick = line.replace("epochs=20", "epochs=1 clustering.k=2 batch=16")
            words = shlex.split(quick.replace("--seeds 3", "--seeds 1"))
            program = ["-m", "triptych"] if words[0] == "triptych" else words[1:3]
            rest = words[1:] if words[0] == "triptych" else words[3:]
            done = subprocess.run(
                [sys.executable, *program, *rest],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": "src", "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            ran.append(done.stdout)
    assert "1 passed" in ran[0]
    assert "guided" in ran[1]
    assert "guided" in ran[-1]
    assert (tmp_path / "guided-run" / "checkpoints" / "last.safetensors").is_file()
