import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.explore.collection import metrics
from triptych.explore.plots import Panel, best_epoch, panels, trained


def named(rows: list[dict[str, Any]]) -> dict[str, Panel]:
    return {panel.title: panel for panel in panels(rows)}


def test_every_measure_of_a_run_has_its_plot_and_last_value() -> None:
    rows = metrics()
    found = named(rows)
    assert list(found) == [
        "Loss",
        "Agreement between modalities",
        "Stability between rounds",
        "Clusters in use",
        "Evenness of cluster sizes",
        "Effective rank of the features",
        "Waiting for data",
    ]
    loss = {series.name: series for series in found["Loss"].series}
    assert loss["video → audio"].last == f"{rows[-1]['loss']['video_teaches_audio']:.2f}"
    assert [series.last for series in found["Clusters in use"].series] == ["100%", "100%"]
    assert len(found["Stability between rounds"].series[0].points) == len(rows) - 1
    for panel in found.values():
        ET.fromstring(str(panel.svg))


def test_a_line_runs_through_its_values() -> None:
    shares = [0.0, 1.0, 0.5]
    rows = [{"epoch": e, "loss": {}, "data_wait": share} for e, share in enumerate(shares)]
    svg = str(named(rows)["Waiting for data"].svg)
    path = re.search(r'class="line c\d" d="M([^"]*)"', svg)
    assert path
    points = [tuple(map(float, point.split())) for point in path[1].split("L")]
    assert [x for x, _ in points] == pytest.approx([126, 218, 310])  # after 1, 2 and 3 of 3 epochs
    assert [y for _, y in points] == pytest.approx([130, 12, 71])  # bottom, top, halfway


def test_the_best_epoch_is_the_first_of_the_last_clustering_marked_so() -> None:
    def rows(marks: str, rounds: str) -> list[dict[str, Any]]:
        return [
            {"epoch": e, "best": mark == "x", "agreement": {"video~audio": int(number)}}
            for e, (mark, number) in enumerate(zip(marks, rounds, strict=True))
        ]

    assert best_epoch(rows("x..xx.", "112334")) == 3
    assert best_epoch(rows("xxxxxx..", "11223344")) == 4  # each clustering better than the last
    assert best_epoch(rows("...", "123")) is None
    assert best_epoch([]) is None
    assert 'class="best"' in str(named(metrics())["Loss"].svg)


def test_the_clusters_that_judge_the_last_weights_are_no_epoch() -> None:
    rows = [
        {"epoch": 0, "loss": {"a": 2.0}, "agreement": {"video~audio": 0.2}},
        {"epoch": 1, "loss": {"a": 1.0}, "agreement": {"video~audio": 0.2}},
        {"epoch": 2, "agreement": {"video~audio": 0.4}, "best": True},
    ]
    assert trained(rows) == 2
    assert best_epoch(rows) == 2
    found = named(rows)
    assert found["Loss"].series[0].points == [(1, 2.0), (2, 1.0)]
    agreement = found["Agreement between modalities"]
    assert agreement.series[0].points == [(0, 0.2), (1, 0.2), (2, 0.4)]
    assert "epoch 2<" in str(agreement.svg)
    assert "epoch 3" not in str(agreement.svg)


def test_numbers_that_are_none_or_not_finite_leave_a_gap() -> None:
    rows = [
        {"epoch": 0, "loss": {"a": float("nan")}, "agreement": {"video~audio": None}},
        {"epoch": 1, "loss": {"a": 1.0}, "agreement": {}},
        {"epoch": 2, "loss": {"a": float("inf")}},
    ]
    found = named(rows)
    assert list(found) == ["Loss"]
    assert found["Loss"].series[0].points == [(2, 1.0)]
    assert "nan" not in str(found["Loss"].svg)
    assert panels([]) == []


def test_names_in_the_metrics_are_no_markup() -> None:
    svg = str(named([{"epoch": 0, "loss": {"<script>x</script>": 1.0}}])["Loss"].svg)
    assert "<script>" not in svg
    ET.fromstring(svg)


def test_each_series_of_a_plot_has_its_own_colour() -> None:
    rows = [{"epoch": 0, "effective_rank": {"joint": 3.0, "video": 2.0, "text": 1.0, "fused": 4.0}}]
    colours = [series.colour for series in named(rows)["Effective rank of the features"].series]
    assert len(set(colours)) == 4
    assert colours[1] == 0  # video has the same colour everywhere
