import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import triptych
from triptych import cli
from triptych.errors import UsageError, UserError
from triptych.methods.method import names
from triptych.verbs import MODULES, verb

Fails = Callable[..., str]
HEAVY = (
    *("torch", "numpy", "av", "pyarrow", "sklearn", "scipy", "faiss", "pydantic", "matplotlib"),
    *("cv2", "numba"),
)


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "triptych", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fails:
    """A command that fails with one line: in this process, where torch is loaded once for all."""

    def fail(status: int, *words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["triptych", *words])
        with pytest.raises(SystemExit) as done:
            cli.main()
        found = capsys.readouterr()
        assert done.value.code == status, found.err
        assert found.out == ""
        lines = found.err.splitlines()
        assert len(lines) == 1, found.err
        assert lines[0].startswith("error: ")
        assert "unexpected" not in lines[0]
        return lines[0]

    return fail


def test_exit_statuses_of_the_program(tmp_path: Path) -> None:
    done = run("doctor", str(tmp_path / "gone"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {tmp_path / 'gone'}: no such folder")
    assert len(done.stderr.splitlines()) == 1
    assert run("scan").returncode == 2
    assert run("methods").returncode == 0


def test_the_version_is_the_package_s() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "triptych", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"triptych {triptych.__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    script = f"""
import sys
from triptych import cli
sys.argv = ["triptych", "--help"]
try:
    cli.main()
except SystemExit as done:
    assert not done.code
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name}" in done.stdout for name in MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_every_verb_is_a_function_of_the_package(name: str) -> None:
    function = getattr(triptych, name)
    assert callable(function)
    signature = inspect.signature(function)
    assert signature == inspect.signature(verb(name))
    command = inspect.signature(cli.command(verb(name)))
    assert [*signature.parameters, "json"] == list(command.parameters)
    for parameter in signature.parameters.values():
        assert command.parameters[parameter.name].default == parameter.default
    assert name in triptych.__all__
    assert verb(name).__doc__


@pytest.mark.parametrize("name", ["demo", "evaluate"])
def test_a_folder_called_like_a_verb_does_not_hide_it(name: str) -> None:
    folder = importlib.import_module(f"triptych.{name}")
    function = getattr(triptych, name)
    assert inspect.signature(function) == inspect.signature(verb(name))
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'colour'"):
        function(colour=1)
    assert folder.__path__


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        triptych.train  # noqa: B018


def test_json_is_the_last_line_and_one_object() -> None:
    done = run("methods", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert {row["method"] for row in found["methods"]} == set(names())
    assert found == json.loads(json.dumps(triptych.methods()))


def test_without_json_there_is_a_table() -> None:
    done = run("methods")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split()[:2] == ["method", "modalities"]


def test_json_is_json_on_a_terminal_that_shows_only_ascii() -> None:
    done = run("methods", "--json", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(json.dumps(triptych.methods()))
    assert run("methods", PYTHONIOENCODING="ascii").returncode == 0


def test_a_reader_that_stops_early_is_no_error() -> None:
    line = f"{sys.executable} -m triptych methods --json | head -c 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.stdout == "{"
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        "scan",
        "no-such-verb",
        "search work onions --top 0",
        "pretrain manifest.parquet --minutes -1",
        "cluster a.parquet --k many",
    ],
)
def test_what_the_command_line_cannot_read_is_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["triptych", *words.split()])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert len(found.err.splitlines()) == 1
    assert found.err.startswith("error: ")
    assert "--help`" in found.err


def test_wrong_usage_is_status_2(tmp_path: Path, fails: Fails) -> None:
    line = fails(2, "pretrain", str(tmp_path / "manifest.parquet"), "methid=xdc")
    assert "did you mean method?" in line
    line = fails(2, "pretrain", str(tmp_path / "manifest.parquet"), "batch=many")
    assert "batch='many'" in line


def test_what_is_missing_is_named_in_one_line_with_status_1(tmp_path: Path, fails: Fails) -> None:
    gone = str(tmp_path / "gone")
    assert gone in fails(1, "scan", gone, "--out", str(tmp_path / "out"))
    assert gone in fails(1, "doctor", gone)
    assert "triptych scan" in fails(1, "pretrain", f"{gone}/manifest.parquet")
    assert "triptych scan" in fails(1, "embed", f"{gone}/manifest.parquet", gone)
    assert "triptych embed" in fails(1, "cluster", f"{gone}/embeddings.parquet")
    assert gone in fails(1, "search", gone, "onions")
    assert not (tmp_path / "gone").exists()


def test_a_wrong_recipe_file_is_named_in_one_line(tmp_path: Path, fails: Fails) -> None:
    recipe = tmp_path / "recipe.json"
    for content, said in (("{", "not JSON"), ('{"methid": "xdc"}', "did you mean method?")):
        recipe.write_text(content)
        line = fails(1, "pretrain", "manifest.parquet", "--recipe", str(recipe))
        assert str(recipe) in line
        assert said in line
    # As of a variable that was never set: not the default recipe, unasked.
    assert "neither a file nor a name" in fails(2, "pretrain", "manifest.parquet", "--recipe", "")


def test_an_unknown_method_names_the_known_ones(tmp_path: Path, fails: Fails) -> None:
    from triptych.manifest.schema import SCHEMA, Manifest

    manifest = tmp_path / "manifest.parquet"
    Manifest(tmp_path, SCHEMA.empty_table()).write(manifest)
    line = fails(2, "pretrain", str(manifest), "method=xcd", "--out", str(tmp_path / "run"))
    assert ", ".join(names()) in line


def ends(
    capsys: pytest.CaptureFixture[str], error: BaseException | None, **result: object
) -> tuple[int, str, str]:
    def methods() -> dict[str, object]:
        if error:
            raise error
        return result

    status = 0
    try:
        cli.command(methods)(json=True)
    except SystemExit as done:
        status = int(done.code or 0)
    found = capsys.readouterr()
    return status, found.out, found.err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("a.mp4: bad\nvery bad"), 1, "error: a.mp4: bad very bad\n"),
        (UsageError("k=1: too few"), 2, "error: k=1: too few\n"),
        (PermissionError(13, "Permission denied", "out"), 1, "error: out: Permission denied\n"),
        (KeyboardInterrupt(), 130, "error: stopped; what was finished is kept\n"),
    ],
)
def test_every_end_is_one_line(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, said: str
) -> None:
    assert ends(capsys, error) == (status, "", said)


def test_what_nobody_expected_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRIPTYCH_DEBUG", raising=False)
    status, _, line = ends(capsys, KeyError("x"))
    assert status == 1
    assert line == "error: KeyError: 'x'; this is unexpected; TRIPTYCH_DEBUG=1 shows where\n"
    assert "No space left" in ends(capsys, OSError(28, "No space left on device"))[2]
    monkeypatch.setenv("TRIPTYCH_DEBUG", "1")
    with pytest.raises(KeyError):
        ends(capsys, KeyError("x"))


def test_what_is_not_a_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ends(capsys, None, table=[{"value": float("nan"), "low": 0.5}], name="Öl")
    assert status == 0
    assert json.loads(out, parse_constant=pytest.fail) == {
        "table": [{"value": None, "low": 0.5}],
        "name": "Öl",
    }


def test_what_failed_in_part_is_printed_and_ends_with_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, line = ends(capsys, None, table=[{"row": "sdc"}], failed=["xdc: seed 1: why"])
    assert status == 1
    assert json.loads(out)["table"] == [{"row": "sdc"}]
    assert line.startswith("error: failed in part: xdc: seed 1: why; the same command")
    assert ends(capsys, None, failed=[])[0] == 0


def test_a_result_that_is_no_json_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, line = ends(capsys, None, path=Path("a"))
    assert (status, out) == (1, "")
    assert line.startswith("error: TypeError")


def test_the_declarations_can_be_read_without_loading_torch() -> None:
    script = "import sys, triptych; triptych.methods(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_in_one_line(name: str, status: int) -> None:
    script = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("SIGTERM", "SIGHUP"):  # whatever started the tests may have chosen to ignore
    signal.signal(getattr(signal, name), signal.SIG_DFL)
from triptych import cli
def stopped(*words):
    os.kill(os.getpid(), signal.{name})
    raise AssertionError("still there")
{{}}
sys.argv = ["triptych", "methods"]
cli.main()
"""
    for place in ("cli.build = stopped", "cli._print = stopped"):
        done = subprocess.run(
            [sys.executable, "-c", script.format(place)], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (status, "")
        assert done.stderr == "error: stopped; what was finished is kept\n"


def test_no_memory_is_said_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (MemoryError(), RuntimeError("[enforce fail] can't allocate memory: 9 bytes")):
        assert ends(capsys, error)[2].startswith("error: not enough memory; take a smaller batch")


def test_streams_that_are_closed_or_full() -> None:
    def shell(words: str) -> subprocess.CompletedProcess[str]:
        line = f"{sys.executable} -m triptych {words}"
        return subprocess.run(["bash", "-c", line], capture_output=True, text=True)

    closed = shell("methods >&-")
    assert (closed.returncode, closed.stderr) == (0, "")
    silent = shell("doctor /dev/null/gone --json 2>&-")
    assert (silent.returncode, silent.stdout) == (1, "")
    if Path("/dev/full").exists():
        full = shell("methods >/dev/full")
        assert full.returncode == 1
        assert full.stderr.startswith("error: standard output: No space left")
        assert len(full.stderr.splitlines()) == 1
