"""The house rules, held by machine: one-way imports, small files and functions, mirrored tests."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "triptych"
FOUNDATION = {"errors", "atomic", "seeds", "progress", "workers", "config"}
LAYERS = [
    {"manifest", "encoders", "clustering", "objectives"},
    {"clips", "state", "demo"},
    {"descriptors", "methods", "embeddings"},
    {"training"},
    {"evaluate", "explore"},
    {"recipes"},
    {"verbs"},
    {"cli", "__init__"},
    {"__main__"},
]
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
FILES = sorted(SOURCE.rglob("*.py"))


def part(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def height(name: str) -> int:
    if name in FOUNDATION:
        return -1
    for level, names in enumerate(LAYERS):
        if name in names:
            return level
    raise AssertionError(f"{name} is in no layer")


def imported_parts(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = (
                [f"triptych.{alias.name}" for alias in node.names]
                if node.module == "triptych"
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("triptych.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_one_way(path: Path) -> None:
    here = part(path)
    for other in imported_parts(path) - {here}:
        if here in FOUNDATION:
            assert other in FOUNDATION, f"{here} is foundation and imports {other}"
        else:
            assert height(other) < height(here), f"{here} may not import {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_can_be_read_in_one_sitting(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stem not in FORBIDDEN_NAMES
    assert text.count("\n") <= 400, "a file is at most 400 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines, at most 60"


def test_tests_mirror_the_source() -> None:
    tests = Path(__file__).parent
    sources = {path.relative_to(SOURCE).with_name(f"test_{path.name}") for path in FILES}
    for test in tests.rglob("test_*.py"):
        name = test.relative_to(tests)
        if name.parent == Path() and name.name in {"test_architecture.py", "test_docs.py"}:
            continue
        assert name in sources, f"{name} mirrors no source file"
