import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.verbs.render import clock, render


def shown(capsys: pytest.CaptureFixture[str], name: str, result: dict[str, Any]) -> list[list[str]]:
    render(name, result)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00.0"),
        (9.96, "0:10.0"),
        (59.96, "1:00.0"),
        (62.34, "1:02.3"),
        (3599.97, "1:00:00.0"),
        (3723.4, "1:02:03.4"),
    ],
)
def test_times_are_those_of_a_player(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@given(seconds=st.floats(0, 1e6))
def test_a_time_can_be_read_back(seconds: float) -> None:
    total = 0.0
    for part in clock(seconds).split(":"):
        total = total * 60 + float(part)
    assert math.isclose(total, seconds, abs_tol=0.0501)


def test_a_measured_value_carries_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"metric": "top1", "value": 0.61, "low": 0.58, "high": 0.641, "seeds": 3},
        {"metric": "nmi", "value": 0.2, "low": None, "high": None, "seeds": 1},
    ]
    lines = shown(capsys, "evaluate", {"table": rows})
    assert lines[0] == ["metric", "seeds", "value", "[95", "%]"]
    assert lines[1] == ["top1", "3", "0.610", "[0.580", "0.641]"]
    assert lines[2] == ["nmi", "1", "0.200"]


def test_nothing_has_no_sign(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"with": "motion", "value": -0.0004, "low": -0.0001, "high": 0.2, "x": -1e-9}
    assert shown(capsys, "evaluate", {"table": [row]})[1] == [
        "motion", "0.000", "0.000", "[0.000", "0.200]",
    ]  # fmt: skip
    over = {"over_random": -0.0001, "over_random_low": -0.0004, "over_random_high": 0.0001}
    compared = {"row": "a", "probe": "knn", "target": "x", "value": None, **over}
    assert shown(capsys, "compare", {"table": [compared]})[1][3:] == [
        "+0.000",
        "[+0.000",
        "+0.000]",
    ]


def test_hits_have_times_and_file_names_are_no_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hit = {"path": "[bold]a[/x].mp4", "start": 62.0, "end": 65.5, "score": 0.5, "text": "cut"}
    lines = shown(capsys, "search", {"query": "cut [i]", "hits": [hit]})
    assert lines[1] == ["[bold]a[/x].mp4#t=62,65.5", "1:02.0", "1:05.5", "0.500", "cut"]
    assert lines[-1] == ["query:", "cut", "[i]"]


def test_rows_may_differ_and_empty_tables_say_none(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(
        capsys,
        "scan",
        {"files": [], "clips": 3, "finished": True, "out": None, "vectors": {"a": 2}},
    )
    assert lines == [
        ["files:", "nothing", "to", "remark"],
        ["clips:", "3"],
        ["finished:", "yes"],
        ["vectors:", "a", "2"],
    ]
    lines = shown(capsys, "x", {"t": [{"a": 1}, {"b": ["y", "z"]}]})
    assert lines[0] == ["a", "b"]
    assert lines[2] == ["y,", "z"]


def test_what_two_clusterings_have_together_names_both(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"value": 0.5, "low": 0.25, "high": 0.75}
    rows = [(1, "action"), (2, "action"), (0, "action"), (0, "each other")]
    agreement = [{"source": source, "with": what, **found} for source, what in rows]
    lines = shown(capsys, "wall", {"agreement": agreement})
    sources = [line[:-3] for line in lines[-4:]]
    assert sources == [
        ["1", "action"],
        ["2", "action"],
        ["1", "less", "2", "action"],
        ["1", "and", "2", "each", "other"],
    ]


def test_a_comparison_shows_seeds_differences_and_what_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figure = {"value": 0.5, "low": 0.25, "high": 0.75, "seeds": 2, "of_each_seed": [0.4, 0.6]}
    over = {"over_random": 0.1, "over_random_low": -0.05, "over_random_high": 0.25}
    place = {"probe": "knn", "target": "action"}
    pace = {"training_seconds": 62.34, "clips_per_second": 96.2}
    nothing = {"value": None, "low": None, "high": None, "seeds": 1, "failed": "seed 1: collapse"}
    rows = [
        {"row": "random", **place, **figure},
        {"row": "sdc k=4", "clustering.k": 4, **place, **figure, **over, **pace},
        {"row": "sdc k=8", "clustering.k": 8, **place, **nothing},
    ]
    render("compare", {"table": rows})
    head, *lines = capsys.readouterr().out.splitlines()
    assert re.split(r" {2,}", head.strip()) == [
        "row", "probe", "target", "value [95 %]", "of each seed", "over random [95 %]",
        "training, clips", "failed",
    ]  # fmt: skip
    assert [re.split(r" {2,}", line.strip()) for line in lines] == [
        ["random", "knn", "action", "0.500 [0.250 0.750]", "0.400 0.600"],
        ["sdc k=4", "knn", "action", "0.500 [0.250 0.750]", "0.400 0.600",
         "+0.100 [-0.050 +0.250]", "62 s, 96/s"],
        ["sdc k=8", "knn", "action", "seed 1: collapse"],
    ]  # fmt: skip


def test_figures_are_never_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    wide = {f"column {number}": f"{number:020}" for number in range(12)}
    render("evaluate", {"table": [wide]})
    found = capsys.readouterr().out.split()
    assert all(value in found for value in wide.values())
