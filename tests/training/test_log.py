from pathlib import Path

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
    said = line({**ROW, "epoch": 4}, epochs=20)
    assert said.startswith("epoch 5/20  loss 1.500  audio 7/8 clusters")
    assert "rank video 12" in said
    assert "101 clips/s, 2% waiting for data" in said
