import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from triptych.atomic import (
    alone,
    refuse_unwritable,
    whole_file,
    whole_folder,
    write_json,
    write_table,
)
from triptych.errors import UserError


class Fault(Exception):
    pass


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_with_its_folders(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.txt"
    with whole_file(target) as beside:
        beside.write_text("first")
        assert not target.exists()
    assert target.read_text() == "first"
    assert names(target.parent) == ["c.txt"]


def test_a_fault_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "c.txt"
    target.write_text("old")
    with suppress(Fault), whole_file(target) as beside:
        beside.write_text("ne")
        raise Fault
    assert target.read_text() == "old"
    assert names(tmp_path) == ["c.txt"]


def test_a_pipe_or_device_is_refused_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match=r"pipe: a device or pipe, .*; name a file"):
        write_json(pipe, 1)
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_what_could_not_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("old")
    refuse_unwritable(tmp_path / "c.txt")
    refuse_unwritable(tmp_path / "new" / "d.txt")
    assert (tmp_path / "c.txt").read_text() == "old"
    assert names(tmp_path) == ["c.txt", "new"]
    assert names(tmp_path / "new") == []
    with pytest.raises(UserError, match="new: a folder; give the name of the file"):
        refuse_unwritable(tmp_path / "new")
    with pytest.raises(UserError, match=r"d: cannot be written \(.*\)"):
        refuse_unwritable(tmp_path / "c.txt" / "d")


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_fault_while_renaming_or_flushing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    target = tmp_path / "c.txt"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space"), whole_file(target) as beside:
        beside.write_text("new")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["c.txt"]


def test_a_write_that_the_system_cuts_short_leaves_the_old_file(tmp_path: Path) -> None:
    """A real limit on file size: the write fails in the kernel, after some of it succeeded."""
    target = tmp_path / "c.json"
    target.write_text('"old"')
    script = """
import resource, sys
from pathlib import Path
from triptych.atomic import write_json
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_json(Path(sys.argv[1]), "x" * 100_000)
except OSError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(target)], capture_output=True, text=True, check=True
    )
    assert "too large" in done.stdout
    assert str(target) in done.stdout
    assert json.loads(target.read_text()) == "old"
    assert names(tmp_path) == ["c.json"]


def test_writers_at_the_same_time_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "c.txt"
    together = threading.Barrier(4)
    failed = []

    def write(letter: str) -> None:
        try:
            with whole_file(target) as beside:
                together.wait()  # all four are writing now
                beside.write_text(letter * 100_000)
                together.wait()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    text = target.read_text()
    assert text == text[0] * 100_000
    assert names(tmp_path) == ["c.txt"]


def test_a_long_name_still_has_room_for_its_temporary_one(tmp_path: Path) -> None:
    target = tmp_path / ("ä" * 127)  # 254 of 255 bytes
    write_json(target, 1)
    assert json.loads(target.read_text()) == 1


def test_a_folder_appears_whole_and_replaces_the_old(tmp_path: Path) -> None:
    target = tmp_path / "made"
    for text in ("first", "second"):
        with whole_folder(target) as beside:
            (beside / "in").mkdir()
            (beside / "in" / f"{text}.txt").write_text(text)
        assert names(target / "in") == [f"{text}.txt"]
    assert names(tmp_path) == ["made"]


def test_a_fault_while_filling_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "old.txt").touch()
    with suppress(Fault), whole_folder(target) as beside:
        (beside / "new.txt").touch()
        raise Fault
    assert names(target) == ["old.txt"]
    assert names(tmp_path) == ["made"]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "old.txt").touch()
    rename = os.replace

    def fail(source: Path, destination: Path) -> None:
        if source.name.endswith(".part"):
            raise Fault
        rename(source, destination)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(Fault), whole_folder(target) as beside:
        (beside / "new.txt").touch()
    assert names(target) == ["old.txt"]
    assert names(tmp_path) == ["made"]


def test_json_keeps_letters_and_tables_keep_values(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Öl"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "name": "Öl"\n}\n'
    table = pa.table({"x": [1, None, 3]})
    write_table(tmp_path / "a.parquet", table)
    assert pq.read_table(tmp_path / "a.parquet").equals(table)


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a folder; give the name of the file"):
        write_json(tmp_path, {})
    assert names(tmp_path) == []


def test_where_nothing_can_be_written_the_wanted_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/a\.parquet: cannot be written") as found:
        write_table(tmp_path / "file" / "a.parquet", pa.table({"a": [1]}))
    assert ".part" not in str(found.value)


def test_a_folder_is_held_by_one_process_until_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    script = f"""
import os
from pathlib import Path
from triptych.atomic import alone
with alone(Path({str(folder)!r})):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match="another process is at work here"), alone(folder):
            pytest.fail("two in one folder")
        other.kill()
    with alone(folder):
        pass
    assert names(folder) == []
