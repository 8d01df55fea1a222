from pathlib import Path

import pytest

from triptych.errors import UserError
from triptych.training.log import Log, line, read_metrics, scalars

ROW = {
    "epoch": 0,
    "loss": {"audio_teaches_video": 1.5},
    "clusterings": {"audio": {"k": 8, "used": 7, "nmi_previous": None}},
    "effective_rank": {"video": 12.4},
    "agreement": {"video~audio": 0.25},
    "clips_per_second": 101.0,
    "data_wait": 0.02,
    "best": True,
    "new_clusters": True,
}


def test_a_resumed_log_drops_the_epochs_that_are_repeated(tmp_path: Path) -> None:
    first = Log(tmp_path, epoch=0)
    for epoch in range(3):
        first.write({**ROW, "epoch": epoch}, epochs=5)
    first.close()
    again = Log(tmp_path, epoch=1)
    again.write({**ROW, "epoch": 1, "data_wait": 0.5}, epochs=5)
    again.close()
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [(row["epoch"], row["data_wait"]) for row in rows] == [(0, 0.02), (1, 0.5)]


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 0}\n{"epoch": 1, "lo')
    assert read_metrics(path) == [{"epoch": 0}]


def test_every_number_reaches_tensorboard_under_its_path() -> None:
    assert dict(scalars(ROW)) == {
        "loss/audio_teaches_video": 1.5,
        "clusterings/audio/k": 8,
        "clusterings/audio/used": 7,
        "effective_rank/video": 12.4,
        "agreement/video~audio": 0.25,
        "clips_per_second": 101.0,
        "data_wait": 0.02,
    }


def test_the_line_for_the_terminal_says_what_matters() -> None:
    clusters, said = line({**ROW, "epoch": 4}, epochs=20).split("\n")
    assert clusters == "clusters  audio 7/8; NMI video~audio 0.25"
    assert said == "epoch 5/20  loss 1.500  101 clips/s, 2% waiting for data"


def test_the_clustering_that_no_epoch_follows_is_told_too() -> None:
    row = {name: value for name, value in ROW.items() if name != "loss"}
    assert line(row, epochs=20) == "clusters  audio 7/8; NMI video~audio 0.25"


def test_runs_of_one_clustering_are_one_figure_and_no_clusters_are_not_told() -> None:
    runs = {
        "video_1": {"k": 8, "used": 8, "nmi_previous": 0.25},
        "video_2": {"k": 8, "used": 7, "nmi_previous": 0.75},
    }
    row = {**ROW, "clusterings": runs, "agreement": {}}
    said = line(row, epochs=20).splitlines()[0]
    assert said == "clusters  video x 2 7/8, NMI to last 0.50, rank 12"
    last = {name: value for name, value in ROW.items() if name != "loss"}
    assert line({**last, "clusterings": {}, "epoch": 20}, epochs=20) == "epochs done: 20"


def test_clusters_are_told_once_where_they_are_new() -> None:
    video = {"k": 8, "used": 8, "nmi_previous": 0.5}
    row = {**ROW, "clusterings": {"video": video}, "agreement": {}}
    assert line(row, epochs=20).startswith("clusters  video 8/8, NMI to last 0.50, rank 12\nepoch")
    assert line({**row, "new_clusters": False}, epochs=20).startswith("epoch 1/20")
    assert line({**row, "clusterings": {}}, epochs=20).startswith("epoch 1/20")


def test_what_are_no_metrics_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"epoch": 0}\n\xff\xfe')
    assert read_metrics(path) == [{"epoch": 0}]
    for text in ("[1]\n", '{"step": 3}\n'):
        path.write_text(text)
        with pytest.raises(UserError, match="not the metrics of a run"):
            read_metrics(path)
